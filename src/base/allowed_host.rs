//! One entry of the contract's list of hosts that may be reached.

use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::host::{Host, HostError};

/// Those of HTTP and HTTPS, where an entry names none.
const PORTS: [u16; 2] = [80, 443];

/// Stands before what a name must end in.
const ANY: &str = "*.";

/// A host, or all below a name, with the ports 80 and 443 or the one that is named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AllowedHost {
    host: Host,
    /// Whether it is the names below this one that are meant.
    below: bool,
    port: Option<u16>,
}

/// Why an entry can't be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AllowedHostError {
    #[error("{0}")]
    Host(#[from] HostError),
    #[error("a port is a number from 1 to 65535")]
    Port,
    #[error("`*.` stands before a name of two parts at least, such as `*.crates.io`")]
    Wildcard,
}

impl FromStr for AllowedHost {
    type Err = AllowedHostError;

    /// `crates.io`, `*.crates.io`, `crates.io:8443`, `127.0.0.1:5432`, `[::1]:80`.
    fn from_str(text: &str) -> Result<AllowedHost, AllowedHostError> {
        if let Ok(address) = text.parse::<Ipv6Addr>() {
            return Ok(AllowedHost { host: Host::Address(address.to_canonical()), below: false, port: None });
        }
        let (host, port) = match text.rsplit_once(':').filter(|_| !text.ends_with(']')) {
            Some((host, port)) => (host, Some(read_port(port).ok_or(AllowedHostError::Port)?)),
            None => (text, None),
        };
        match host.strip_prefix(ANY) {
            None if host.contains('*') => Err(AllowedHostError::Wildcard),
            None => Ok(AllowedHost { host: host.parse()?, below: false, port }),
            Some(rest) => match rest.parse()? {
                Host::Name(name) if name.contains('.') => Ok(AllowedHost { host: Host::Name(name), below: true, port }),
                Host::Name(_) | Host::Address(_) => Err(AllowedHostError::Wildcard),
            },
        }
    }
}

impl AllowedHost {
    /// Whether it lets this port of this host through.
    pub(crate) fn permits(&self, host: &Host, port: u16) -> bool {
        let is_host = match (&self.host, host) {
            (Host::Name(end), Host::Name(name)) if self.below => {
                name.strip_suffix(end.as_str()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
            }
            (own, other) => own == other,
        };
        is_host && self.port.map_or(PORTS.contains(&port), |own| own == port)
    }

    /// Whether it is this address, whatever the port.
    pub(crate) fn is_address(&self, address: IpAddr) -> bool {
        self.host == Host::Address(address.to_canonical())
    }
}

/// A port in decimal digits; 0 is none.
pub(crate) fn read_port(text: &str) -> Option<u16> {
    let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| is_decimal && *port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits(entry: &str, host: &str, port: u16) -> bool {
        entry.parse::<AllowedHost>().unwrap().permits(&host.parse().unwrap(), port)
    }

    #[test]
    fn a_name_is_let_through_exactly_and_on_the_ports_of_the_web() {
        assert!(permits("crates.io", "crates.io", 443) && permits("crates.io", "CRATES.io.", 80));
        for (host, port) in [("crates.io", 22), ("index.crates.io", 443), ("evil-crates.io", 443), ("io", 443)] {
            assert!(!permits("crates.io", host, port), "{host}:{port}");
        }
    }

    #[test]
    fn a_named_port_is_the_only_one() {
        assert!(permits("Db.example:5432", "db.example", 5432));
        assert!(!permits("db.example:5432", "db.example", 443));
    }

    #[test]
    fn a_star_stands_for_one_part_or_more_and_not_for_none() {
        assert!(permits("*.crates.io", "index.crates.io", 443) && permits("*.crates.io", "a.b.crates.io", 443));
        for host in ["crates.io", "evilcrates.io", "crates.io.evil.example"] {
            assert!(!permits("*.crates.io", host, 443), "{host}");
        }
    }

    #[test]
    fn an_address_is_let_through_however_it_is_written() {
        assert!(permits("127.0.0.1:8080", "127.0.0.1", 8080) && permits("127.0.0.1:8080", "[::ffff:127.0.0.1]", 8080));
        assert!(permits("::1", "[::1]", 443) && permits("[::1]:8080", "[0:0::1]", 8080));
        assert!(!permits("127.0.0.1:8080", "127.0.0.2", 8080) && !permits("127.0.0.1:8080", "localhost", 8080));
    }

    #[test]
    fn an_entry_that_would_let_too_much_or_nothing_through_is_refused() {
        for text in ["*", "*.com", "*.127.0.0.1", "a.*.example", "**.a.b", "*a.example"] {
            assert_eq!(text.parse::<AllowedHost>(), Err(AllowedHostError::Wildcard), "{text}");
        }
        for text in ["a:0", "a:", "a:65536", "a:+80", "a:http", "http://a"] {
            assert_eq!(text.parse::<AllowedHost>(), Err(AllowedHostError::Port), "{text}");
        }
        for text in ["", "a/b:80", "u@a", "b\u{fc}cher.example", "0x7f.1", "[::1"] {
            assert!(matches!(text.parse::<AllowedHost>(), Err(AllowedHostError::Host(_))), "{text}");
        }
    }
}
