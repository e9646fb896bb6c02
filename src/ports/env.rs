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

/// The command line, without the program itself.
pub(crate) fn args() -> impl Iterator<Item = String> {
    std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned())
}

/// Where programs of this user keep what is to outlive a reboot; none where there is no home.
pub(crate) fn state_home() -> Option<Utf8PathBuf> {
    let named = var("XDG_STATE_HOME").map(Utf8PathBuf::from).filter(|path| path.is_absolute());
    named.or_else(|| Some(Utf8PathBuf::from(var("HOME").filter(|home| !home.is_empty())?).join(".local/state")))
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
