//! This program once more, in a folder and with an environment of its own: what the caller's shell has set doesn't reach it.

#![expect(clippy::disallowed_methods, reason = "this is the door to a run apart")]

use std::time::Duration;

use camino::Utf8Path;

use super::env;
use super::process::{Runner, Supervised};

/// What a run apart came to.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    /// None where a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
}

/// Variables that every run apart gets: where programs, caches and registries are, and how people write.
const PASSED: [&str; 31] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "TZ",
    "TMPDIR",
    "TERM",
    "NO_COLOR",
    "COLUMNS",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "CARGO_NET_OFFLINE",
    "LD_LIBRARY_PATH",
    "PKG_CONFIG_PATH",
    "CC",
    "CXX",
    "AR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "CI",
    "XDG_CACHE_HOME",
    "CARGO_HTTP_CAINFO",
];

/// The same, by how they begin.
const PASSED_PREFIXES: [&str; 2] = ["LC_", "CARGO_REGISTRIES_"];

/// The caller's variables that reach a run apart, `more` among them.
pub(crate) fn passed(more: &[String]) -> Vec<(String, String)> {
    let is_passed = |name: &str| {
        PASSED.contains(&name)
            || PASSED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
            || more.iter().any(|other| other == name)
    };
    let texts = env::vars().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let mut variables: Vec<(String, String)> = texts.filter(|(name, _)| is_passed(name)).collect();
    variables.sort();
    variables
}

/// Runs this program at a hidden verb to its end; Ctrl-C reaches it as it reaches everything in the terminal's foreground, and
/// SIGTERM is passed on.
///
/// # Errors
/// It can't be started.
pub(crate) fn run(
    words: &[&str],
    dir: &Utf8Path,
    variables: &[(String, String)],
    caller: &Supervised,
) -> std::io::Result<Ended> {
    let command = duct::cmd(env::own_program(), words).dir(dir).full_env(variables.iter().cloned());
    let handle = command.stdin_null().stdout_capture().unchecked().start()?;
    let mut told = false;
    let output = loop {
        if let Some(output) = handle.wait_timeout(Duration::from_millis(50))? {
            break output;
        }
        if caller.interrupted().is_some() && !told {
            told = true;
            for pid in handle.pids() {
                let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
                // Gone already is as good.
                pid.map(|pid| rustix::process::kill_process(pid, rustix::process::Signal::TERM));
            }
        }
    };
    Ok(Ended { code: output.status.code(), stdout: String::from_utf8_lossy(&output.stdout).into_owned() })
}
