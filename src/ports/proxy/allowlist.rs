//! Whether a host may be reached, and at which of its addresses.

use std::net::IpAddr;

use super::address::is_public;
use crate::base::{AllowedHost, Host};

/// The contract's list.
#[derive(Clone, Debug)]
pub(super) struct Allowlist(Vec<AllowedHost>);

/// Why something isn't let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Denial {
    #[error("not named in sandbox.network")]
    Host,
    #[error("it resolves to {0}, of this machine or of a private network, which sandbox.network does not name")]
    Address(IpAddr),
}

impl Allowlist {
    pub(super) fn new(entries: &[AllowedHost]) -> Allowlist {
        Allowlist(entries.to_vec())
    }

    /// Whether the host is named with this port; nothing is resolved for one that isn't.
    pub(super) fn admits(&self, host: &Host, port: u16) -> Result<(), Denial> {
        if self.0.iter().any(|entry| entry.permits(host, port)) { Ok(()) } else { Err(Denial::Host) }
    }

    /// Those of a host's addresses at which it may be reached: whoever answers for a name could answer with any.
    pub(super) fn reachable(&self, found: &[IpAddr], port: u16) -> Result<Vec<IpAddr>, Denial> {
        let is_named =
            |address: IpAddr| self.0.iter().any(|entry| entry.permits(&Host::Address(address.to_canonical()), port));
        let fit: Vec<IpAddr> =
            found.iter().copied().filter(|address| is_public(*address) || is_named(*address)).collect();
        match found.first() {
            Some(address) if fit.is_empty() => Err(Denial::Address(address.to_canonical())),
            _ => Ok(fit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[&str]) -> Allowlist {
        Allowlist::new(&entries.iter().map(|entry| entry.parse().unwrap()).collect::<Vec<_>>())
    }

    fn addresses(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn what_no_entry_names_is_denied() {
        let list = list(&["crates.io", "*.example.org:8443"]);
        let ask = |host: &str, port| list.admits(&host.parse().unwrap(), port);
        assert_eq!((ask("crates.io", 443), ask("a.example.org", 8443)), (Ok(()), Ok(())));
        for (host, port) in [("crates.io", 22), ("a.example.org", 443), ("1.1.1.1", 443), ("[::1]", 443)] {
            assert_eq!(ask(host, port), Err(Denial::Host), "{host}:{port}");
        }
        assert_eq!(Allowlist::new(&[]).admits(&"crates.io".parse().unwrap(), 443), Err(Denial::Host));
    }

    #[test]
    fn an_allowed_name_leads_to_no_private_address() {
        let list = list(&["crates.io"]);
        for inner in ["127.0.0.1", "169.254.169.254", "10.0.0.1", "::1", "fd00:ec2::254", "::ffff:192.168.0.1"] {
            let denied = list.reachable(&addresses(&[inner]), 443);
            assert_eq!(denied, Err(Denial::Address(addresses(&[inner])[0].to_canonical())), "{inner}");
            assert_eq!(list.reachable(&addresses(&[inner, "1.1.1.1"]), 443), Ok(addresses(&["1.1.1.1"])), "{inner}");
        }
        assert_eq!(list.reachable(&[], 443), Ok(Vec::new()));
    }

    #[test]
    fn a_private_address_that_is_itself_named_may_be_reached_on_its_port() {
        let list = list(&["db.example:5432", "10.0.0.1:5432"]);
        assert_eq!(list.reachable(&addresses(&["10.0.0.1"]), 5432), Ok(addresses(&["10.0.0.1"])));
        assert_eq!(list.reachable(&addresses(&["::ffff:10.0.0.1"]), 5432), Ok(addresses(&["::ffff:10.0.0.1"])));
        assert_eq!(list.reachable(&addresses(&["10.0.0.2"]), 5432), Err(Denial::Address(addresses(&["10.0.0.2"])[0])));
        assert_eq!(list.reachable(&addresses(&["10.0.0.1"]), 443), Err(Denial::Address(addresses(&["10.0.0.1"])[0])));
    }
}
