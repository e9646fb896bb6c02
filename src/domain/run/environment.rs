//! The environment of a run's commands. All of it counts in the digests of verdicts, so what must not count is not passed on.

use crate::base::Digest;
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
