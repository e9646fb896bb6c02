//! The environment of a gate's phases: what the caller's shell has set beyond it doesn't reach them.

use crate::ports::env;

/// Variables that every phase gets: where programs, caches and registries are, and how people write.
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

/// The caller's variables that reach a phase, `more` among them.
pub(super) fn passed(more: &[String]) -> Vec<(String, String)> {
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
