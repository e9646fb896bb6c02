//! The environment of a run's commands. All of it counts in the digests of verdicts, so what must not count is not passed on.

use std::collections::BTreeMap;

use crate::base::Digest;
use crate::domain::sandbox::holds_secret;
use crate::ports::{env, git, process};

/// Variables by which a caller's shell would change what tests do or hide: outer runners, seeds and golden files.
const SCRUBBED: [&str; 6] = ["NEXTEST", "PROPTEST_", "QUICKCHECK_", "BOLERO_", "INSTA_", "RUST_TEST_"];
const SCRUBBED_NAMES: [&str; 6] =
    ["UPDATE_EXPECT", "TRYBUILD", "SNAPSHOTS", "BLESS", "UPDATE_GOLDEN", "RUST_BACKTRACE"];

/// What only describes the caller's terminal and shell, and is another in each of them.
const OF_THE_SESSION: [&str; 24] = [
    "_",
    "SHLVL",
    "PWD",
    "OLDPWD",
    "COLUMNS",
    "LINES",
    "COLORTERM",
    "LS_COLORS",
    "PS1",
    "HISTFILE",
    "WINDOWID",
    "TERM_PROGRAM",
    "TERM_PROGRAM_VERSION",
    "TERM_SESSION_ID",
    "VTE_VERSION",
    "TMUX",
    "TMUX_PANE",
    "STY",
    "SSH_CLIENT",
    "SSH_CONNECTION",
    "SSH_TTY",
    "XDG_SESSION_ID",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
];

/// Variables that change what is built or what tests see on many a machine, by name or by how the name begins or ends.
const RECORDED: [&str; 15] = [
    "RUSTFLAGS",
    "RUSTDOCFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_INCREMENTAL",
    "RUSTUP_TOOLCHAIN",
    "RUST_MIN_STACK",
    "RUST_LOG",
    "SOURCE_DATE_EPOCH",
    "LANG",
    "TZ",
    "CI",
    "CC",
    "CXX",
];
const RECORDED_PREFIXES: [&str; 4] = ["LC_", "CARGO_PROFILE_", "CFLAGS", "CXXFLAGS"];

/// Whether a failure's record holds this variable, and its replay sets it; `named` are those that the contract passes on. What may be
/// a secret is written nowhere.
pub(crate) fn is_recorded(name: &str, named: &[String]) -> bool {
    let is_known = RECORDED.contains(&name)
        || RECORDED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || (name.starts_with("CARGO_TARGET_") && name.ends_with("_RUSTFLAGS"));
    let is_named = || named.iter().any(|other| other == name) && !name.starts_with("LD_");
    (is_known || is_named()) && !holds_secret(name)
}

/// The variables of that kind that are set.
pub(crate) fn recorded(named: &[String]) -> BTreeMap<String, String> {
    let texts = env::vars().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    texts.filter(|(name, _)| is_recorded(name, named)).collect()
}

/// The variables that are set and that no command gets. Git's own are set in its hooks and would lead a test that calls git to
/// the repository that is being judged.
pub(super) fn kept_out() -> impl Iterator<Item = String> {
    env::vars().filter_map(|(name, _)| name.into_string().ok()).filter(|name| is_kept_out(name))
}

fn is_kept_out(name: &str) -> bool {
    SCRUBBED.iter().any(|prefix| name.starts_with(prefix))
        || SCRUBBED_NAMES.contains(&name)
        || OF_THE_SESSION.contains(&name)
        || git::LOCAL_VARIABLES.contains(&name)
}

/// Of all variables that the commands get from the caller.
pub(crate) fn digest() -> Digest {
    let passed = env::vars()
        .filter(|(name, _)| name.to_str().is_none_or(|name| !is_kept_out(name) && !process::is_overridden(name)));
    let mut variables: Vec<(Vec<u8>, Vec<u8>)> =
        passed.map(|(name, value)| (name.into_encoded_bytes(), value.into_encoded_bytes())).collect();
    variables.sort();
    Digest::of_fields(variables.iter().flat_map(|(name, value)| [name.as_slice(), value.as_slice()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_builds_go_by_is_recorded_and_no_secret() {
        let named = ["DATABASE".to_owned(), "API_TOKEN".to_owned(), "LD_PRELOAD".to_owned()];
        for name in ["RUSTFLAGS", "LC_ALL", "CARGO_PROFILE_DEV_DEBUG", "CARGO_TARGET_X_RUSTFLAGS", "DATABASE"] {
            assert!(is_recorded(name, &named), "{name}");
        }
        for name in ["HOME", "PATH", "API_TOKEN", "CARGO_REGISTRY_TOKEN", "LD_PRELOAD", "RUSTC_WRAPPER", "LC_SECRET"] {
            assert!(!is_recorded(name, &named), "{name}");
        }
    }
}
