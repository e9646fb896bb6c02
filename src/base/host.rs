//! A host on the network: a name or an address, each in one form only, so that two spellings can't mean different things.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest name that there can be, and the longest part of one.
const LONGEST_NAME: usize = 253;
const LONGEST_LABEL: usize = 63;

/// A name in lower case without its last dot, or an address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Host {
    Name(String),
    Address(IpAddr),
}

/// Why a text is no host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HostError {
    #[error("it is no name of a host")]
    Name,
    #[error("an address is written as 192.0.2.1 or [2001:db8::1]")]
    Address,
    #[error("a name with other letters than those of ASCII is written with xn--")]
    Ascii,
}

impl FromStr for Host {
    type Err = HostError;

    /// An IPv6 address stands in brackets. Numbers that resolvers would take for an IPv4 address in another notation are refused.
    fn from_str(text: &str) -> Result<Host, HostError> {
        if let Some(inner) = text.strip_prefix('[') {
            let inner = inner.strip_suffix(']').ok_or(HostError::Address)?;
            let address: Ipv6Addr = inner.parse().map_err(|_| HostError::Address)?;
            return Ok(Host::Address(address.to_canonical()));
        }
        if !text.is_ascii() {
            return Err(HostError::Ascii);
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let last = name.rsplit('.').next().unwrap_or_default();
        if is_number(last) {
            let address: Ipv4Addr = name.parse().map_err(|_| HostError::Address)?;
            return Ok(Host::Address(address.into()));
        }
        if name.len() > LONGEST_NAME || !name.split('.').all(is_label) {
            return Err(HostError::Name);
        }
        Ok(Host::Name(name))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// What makes a resolver take the whole for an address: `1`, `017`, `0x7f`.
fn is_number(label: &str) -> bool {
    let hexadecimal = label.strip_prefix("0x").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_hexdigit()));
    hexadecimal || (!label.is_empty() && label.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_label(label: &str) -> bool {
    let is_known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    let ends_in_hyphen = label.starts_with('-') || label.ends_with('-');
    !label.is_empty() && label.len() <= LONGEST_LABEL && !ends_in_hyphen && label.bytes().all(is_known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, HostError> {
        text.parse::<Host>().map(|host| host.to_string())
    }

    #[test]
    fn one_host_has_one_form() {
        for (text, form) in [
            ("Crates.IO", "crates.io"),
            ("crates.io.", "crates.io"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("127.0.0.1", "127.0.0.1"),
            ("[::1]", "[::1]"),
            ("[0:0::0001]", "[::1]"),
            ("[::ffff:127.0.0.1]", "127.0.0.1"),
            ("localhost", "localhost"),
        ] {
            assert_eq!(read(text), Ok(form.to_owned()), "{text}");
        }
    }

    #[test]
    fn addresses_in_odd_forms_are_refused() {
        for text in [
            "2130706433",
            "0x7f000001",
            "0x7f.0.0.1",
            "0177.0.0.1",
            "127.1",
            "127.0.0.0x1",
            "1.2.3.4.5",
            "256.1.1.1",
            "0x",
            "[127.0.0.1]",
            "[::1%25lo]",
            "[::1",
            "[fe80::1%eth0]",
            "127.0.0.01",
        ] {
            assert_eq!(read(text), Err(HostError::Address), "{text}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in
            ["", ".", "a..b", "crates.io..", "-a.example", "a b", "a/b", "a@b", "a:1", "*.a", "::1", "a\0", "%61"]
        {
            assert_eq!(read(text), Err(HostError::Name), "{text:?}");
        }
        assert_eq!(read("b\u{fc}cher.example"), Err(HostError::Ascii));
        assert_eq!(read("crates\u{3002}io"), Err(HostError::Ascii));
        assert_eq!(read(&"a".repeat(64)), Err(HostError::Name));
        assert_eq!(read(&["a"; 130].join(".")), Err(HostError::Name));
    }
}
