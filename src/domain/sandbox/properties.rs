//! What the attempts on a sandbox say of its properties.

use std::collections::BTreeMap;

use crate::domain::record::{Containment, Property, SandboxRecord, Strength};
use crate::ports::sandbox::probe::{Attempts, Found};

/// By what each property is held: within namespaces, and without.
const HELD_BY: [(&str, &str, &str); 12] = [
    ("descriptors", "close_range", "close_range"),
    ("environment", "allowlist, pid namespace", "allowlist, Landlock"),
    ("files-kept", "read-only mount", ""),
    ("files-mode", "mount namespace", ""),
    ("files-read", "mount namespace, Landlock", "Landlock"),
    ("files-seen", "mount namespace", ""),
    ("files-write", "mount namespace, Landlock", "Landlock"),
    ("kernel-settings", "read-only mount, Landlock", "Landlock"),
    ("network", "network namespace", ""),
    ("processes-seen", "pid namespace", ""),
    ("processes-signalled", "pid namespace, Landlock", "Landlock"),
    ("sockets", "mount namespace", ""),
];

/// What is to be had, and how far it can be relied on.
pub(super) fn record(found: &Found) -> SandboxRecord {
    let (containment, attempts) = match (&found.full, &found.partial) {
        (Some(attempts), _) => (Containment::Full, attempts),
        (None, Some(attempts)) => (Containment::Partial, attempts),
        (None, None) => return SandboxRecord::default(),
    };
    let properties = HELD_BY.iter().map(|(name, with, without)| {
        let by = if containment == Containment::Full { with } else { without };
        ((*name).to_owned(), property(name, by, &found.outside, attempts))
    });
    SandboxRecord { containment, properties: properties.collect::<BTreeMap<_, _>>(), image: None }
}

/// Says of what an engine's containers hold that they do.
pub(super) fn by_engine(record: &mut SandboxRecord, engine: &str) {
    for property in record.properties.values_mut().filter(|property| !property.by.is_empty()) {
        property.by = format!("{engine}: {}", property.by);
    }
}

/// The network is held with a way out.
pub(super) fn by_proxy(record: &mut SandboxRecord) {
    if let Some(network) = record.properties.get_mut("network").filter(|network| !network.by.is_empty()) {
        network.by.push_str(", proxy");
    }
}

fn property(name: &str, by: &str, outside: &Attempts, within: &Attempts) -> Property {
    let got_through = |attempts: &Attempts| attempts.get(name).copied();
    let state = match (got_through(outside), got_through(within)) {
        (_, Some(true) | None) => Strength::Absent,
        (Some(true), Some(false)) => Strength::Enforced,
        // What fails outside as well proves nothing.
        (_, Some(false)) => Strength::BestEffort,
    };
    let by = if state == Strength::Absent { "" } else { by };
    Property { state, by: by.to_owned() }
}
