//! Runs that go on while a test does something else, and what they leave.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use camino::Utf8Path;
use serde_json::Value;

use super::Repo;

impl Repo {
    /// Starts `cargo harness` and doesn't wait for it.
    pub(crate) fn start(&self, args: &[&str]) -> Child {
        let mut command = self.harness_command(args);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    pub(crate) fn none_is_left(&self) {
        wait_until("no process is left", Duration::from_secs(1), || self.processes().is_empty());
    }
}

/// Polls until it is so.
pub(crate) fn wait_until(what: &str, limit: Duration, mut is_so: impl FnMut() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Whatever a reader may find below `target/harness` is whole: no torn JSON, no link to nowhere, no temporary file in sight
/// of a reader of records.
pub(crate) fn nothing_is_torn(folder: &Utf8Path) {
    for entry in folder.read_dir_utf8().into_iter().flatten() {
        let path = entry.unwrap().into_path();
        let kind = path.symlink_metadata().unwrap().file_type();
        if kind.is_symlink() {
            assert!(path.exists(), "{path} leads nowhere");
        } else if kind.is_dir() {
            nothing_is_torn(&path);
        } else if path.extension() == Some("json") {
            let text = super::read(&path);
            // What cargo prints while it builds is a log, whatever its name.
            let is_log =
                path.file_name().is_some_and(|name| name.ends_with("clippy.json") || name.ends_with("unit.json"));
            assert!(is_log || serde_json::from_str::<Value>(&text).is_ok(), "{path} is torn: {text}");
        }
    }
}
