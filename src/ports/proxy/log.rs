//! What a proxy has let through and what not: one line of JSON each, in a file that doesn't grow for ever.

#![expect(clippy::disallowed_methods, reason = "the log is written line by line as things happen")]

use std::fs::OpenOptions;
use std::io::Write;
use std::sync::Mutex;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use crate::base::text::capped;
use crate::ports::clock;

/// From here on nothing more is written.
pub(crate) const LONGEST: u64 = 1 << 20;

/// The most that is quoted of what a client asks for.
const LONGEST_HOST: usize = 260;

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Decision {
    Allow,
    Deny,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// In UTC.
    pub(crate) at: String,
    pub(crate) decision: Decision,
    pub(crate) method: String,
    /// With its port; of what is no request the first line, as far as it can be told.
    pub(crate) host: String,
    /// What was connected to, or would have been.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<String>,
    /// Why it was denied, or came to nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
}

/// The file; the proxies of a step's commands write to the same.
#[derive(Debug)]
pub(super) struct Log {
    path: Utf8PathBuf,
    turn: Mutex<()>,
}

impl Log {
    pub(super) fn at(path: &Utf8Path) -> Log {
        Log { path: path.to_owned(), turn: Mutex::new(()) }
    }

    /// Adds one decision. What can't be written stops nobody: the file system's own troubles end the run elsewhere.
    pub(super) fn add(
        &self,
        decision: Decision,
        (method, host): (&str, &str),
        address: Option<String>,
        why: Option<String>,
    ) {
        let (method, host) = (capped(method, 16), capped(host, LONGEST_HOST));
        let entry = Entry { at: clock::timestamp(), decision, method, host, address, why };
        let _turn = self.turn.lock();
        let Ok(mut file) = OpenOptions::new().create(true).append(true).open(&self.path) else { return };
        if file.metadata().is_ok_and(|data| data.len() >= LONGEST) {
            return;
        }
        let mut line = serde_json::to_string(&entry).unwrap_or_default();
        line.push('\n');
        let _ = file.write_all(line.as_bytes());
    }
}
