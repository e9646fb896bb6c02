//! What the shims write and the harness reads: one JSON object a line in an append-only file.

use std::io::{BufRead, BufReader, Seek, SeekFrom};

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use crate::domain::record::TestName;
use crate::ports::fs;

/// How a test's process ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TestEnd {
    Exited(i32),
    Signalled(i32),
    /// Killed by the kernel for want of memory.
    OutOfMemory,
    /// Stopped at the test's own time limit.
    TimedOut,
    /// Stopped from outside: by nextest, or because the run ends.
    Stopped,
    NotStarted(String),
}

/// What the test harness within the process wrote to its log of verdicts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Said {
    Ok,
    /// With the reason, where it gave one.
    Failed(String),
    Ignored,
    Nothing,
    /// A `harness = false` binary keeps no such log: its exit status is all there is.
    NotAsked,
}

/// One thing that a shim saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(crate) enum TestEvent {
    /// The tests of a binary; `ignored` names those that it ignores. Those not `taken` were left out by the selection.
    List { binary: String, ignored: bool, taken: Vec<String>, left_out: Vec<String> },
    /// A test's process is about to start.
    Start {
        #[serde(flatten)]
        test: TestName,
        attempt: u32,
    },
    /// A test ended, and nothing of it is left.
    End(Box<Ending>),
    /// Tests that were good in one process, together with others, and how long each took, as far as that can be told.
    Passed { binary: String, names: Vec<String>, ms: u64, log: Utf8PathBuf },
    /// Tests that weren't, which is no verdict on them yet: some are `failed`, the others have said nothing.
    Open { binary: String, failed: Vec<String>, silent: Vec<String> },
}

/// The end of one attempt at a test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ending {
    #[serde(flatten)]
    pub(crate) test: TestName,
    pub(crate) attempt: u32,
    pub(crate) end: TestEnd,
    pub(crate) said: Said,
    /// How many tests of that name it gave a verdict on.
    pub(crate) verdicts: u32,
    pub(crate) ms: u64,
    /// The names of the processes that it left behind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) leaked: Vec<String>,
    /// The file that holds its output, within the folder of the step's logs.
    pub(crate) log: Utf8PathBuf,
    /// The program and arguments that ran it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) argv: Vec<String>,
}

impl Ending {
    /// A good end beside other tests in one process.
    pub(crate) fn good(test: TestName, ms: u64, log: Utf8PathBuf) -> Ending {
        let (end, said, verdicts) = (TestEnd::Exited(0), Said::Ok, 1);
        Ending { test, attempt: 1, end, said, verdicts, ms, leaked: Vec::new(), log, argv: Vec::new() }
    }
}

/// Appends one event; a line lands whole, whoever else appends at the same time.
pub(crate) fn write(path: &Utf8Path, event: &TestEvent) -> fs::Result<()> {
    let mut line = serde_json::to_vec(event).unwrap_or_default();
    line.push(b'\n');
    fs::append_bytes(path, &line)
}

/// Follows a growing file of events.
#[derive(Debug)]
pub(crate) struct Tail {
    path: Utf8PathBuf,
    offset: u64,
    /// Lines that are no events: somebody else wrote to the file.
    pub(crate) foreign: u64,
}

impl Tail {
    /// Begins at the start of a file, which need not be there yet.
    pub(crate) fn new(path: Utf8PathBuf) -> Tail {
        Tail { path, offset: 0, foreign: 0 }
    }

    /// The events that were added since the last call. An unfinished last line is left for the next one.
    pub(crate) fn read(&mut self) -> fs::Result<Vec<TestEvent>> {
        if fs::size(&self.path).unwrap_or(0) <= self.offset {
            return Ok(Vec::new());
        }
        let mut file = fs::open(&self.path)?;
        if file.seek(SeekFrom::Start(self.offset)).is_err() {
            return Ok(Vec::new());
        }
        let mut reader = BufReader::new(file);
        let mut events = Vec::new();
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) && line.ends_with(b"\n") {
            self.offset += line.len() as u64;
            match serde_json::from_slice(&line) {
                Ok(event) => events.push(event),
                Err(_) => self.foreign += 1,
            }
            line.clear();
        }
        Ok(events)
    }
}
