//! The environment: the one place where variables are read.

#![expect(clippy::disallowed_methods, reason = "this is the door")]

use std::ffi::OsString;

use camino::Utf8PathBuf;

/// A variable's value, where it is set and is UTF-8.
pub(crate) fn var(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// All variables.
pub(crate) fn vars() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os()
}

/// The folder that the process was started in.
pub(crate) fn current_dir() -> std::io::Result<Utf8PathBuf> {
    utf8(std::env::current_dir()?)
}

/// This program's own file, by a name that stays good while this process lives even if the file is replaced meanwhile, as it
/// is when a run of the harness on itself builds it anew.
pub(crate) fn own_program() -> String {
    format!("/proc/{}/exe", std::process::id())
}

/// How many things are worth doing at once.
pub(crate) fn parallelism() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// The cargo that called us, or the one on the path.
pub(crate) fn cargo() -> String {
    var("CARGO").unwrap_or_else(|| "cargo".to_owned())
}

fn utf8(path: std::path::PathBuf) -> std::io::Result<Utf8PathBuf> {
    Utf8PathBuf::from_path_buf(path)
        .map_err(|path| std::io::Error::other(format!("the path {} is not UTF-8", path.display())))
}
