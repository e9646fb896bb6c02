//! The process between a test runner and each test: cargo's `target.<triple>.runner`.
//!
//! It writes the test's output straight to a file, enforces the time limit, notices what the test leaves behind and
//! kills it, and takes the verdict from the log that the test harness in the binary keeps (`--logfile`), never from what
//! is printed. What it saw goes to the file of events.

mod batch;
mod doctest;
mod list;
mod single;
mod together;

pub(crate) use single::passed;

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use crate::base::{Digest, ExitCode};
use crate::domain::contract::Policy;
use crate::domain::ladder::Selection;
use crate::ports::{env, fs};

/// The hidden verb by which cargo and nextest start this program as a shim.
pub(crate) const VERB: &str = "__shim";

/// What the shim answers when it could not do its work; the judge then misses its event.
const BROKEN: u8 = 90;

/// Who runs the tests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Caller {
    /// A process for each test.
    Nextest,
    /// A process for each binary, and for each test that wasn't good there.
    CargoTest,
    /// A process for each binary. The others run again what wasn't good there, or this shim does if it is to.
    OneProcess(OneProcess),
    /// A process for each documentation example.
    Doctest,
}

/// How the tests of one binary share a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OneProcess {
    /// Run before all others: they failed last time.
    pub(crate) first: BTreeSet<String>,
    /// Not run at all: they are known to need a process of their own.
    pub(crate) apart: BTreeSet<String>,
    /// Whether what wasn't good is run again here, each in a process of its own.
    pub(crate) again: bool,
}

/// What the harness tells the shims of one step, in a file that they all read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) caller: Caller,
    pub(crate) events: Utf8PathBuf,
    /// The folder of the tests' logs.
    pub(crate) logs: Utf8PathBuf,
    /// Short output of tests that passed is folded into this.
    pub(crate) step_log: Utf8PathBuf,
    pub(crate) test_timeout_ms: u64,
    pub(crate) leaks: Policy,
    /// The repository's own runner, which each binary is run by in turn.
    pub(crate) chain: Vec<String>,
    /// Binaries with `harness = false`, by nextest's ids.
    pub(crate) unharnessed: BTreeSet<String>,
    /// Ids by executable, for callers that don't tell.
    pub(crate) binaries: BTreeMap<String, String>,
    /// The file that holds the selection, where it isn't the whole, and the seal of what stands in it.
    pub(crate) selection: Option<(Utf8PathBuf, String)>,
    /// The kernel's count of out-of-memory kills when the step began.
    pub(crate) oom_kills: u64,
}

impl Order {
    fn selection(&self) -> Result<Selection, Trouble> {
        match &self.selection {
            None => Ok(Selection::default()),
            Some((path, seal)) => Ok(serde_json::from_str(&sealed(path, seal)?)?),
        }
    }

    /// The command that runs a binary, by way of the repository's own runner.
    fn argv(&self, binary: &str, args: &[String]) -> Vec<String> {
        self.chain.iter().chain([&binary.to_owned()]).chain(args).cloned().collect()
    }
}

/// Why a shim could not do its work.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Fs(#[from] fs::FsError),
    #[error("the order cannot be read: {0}")]
    Order(#[from] serde_json::Error),
    #[error("{0} is not what the harness wrote")]
    Tampered(Utf8PathBuf),
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("{0}")]
    Call(&'static str),
}

/// What a shim tells its caller.
pub(crate) struct Answer {
    /// The exit code.
    pub(crate) code: u8,
    /// A line for standard error.
    pub(crate) note: Option<String>,
}

impl From<u8> for Answer {
    fn from(code: u8) -> Answer {
        Answer { code, note: None }
    }
}

/// What stands for a text on a command line, where the tests can't change it any more.
pub(crate) fn seal(text: &str) -> String {
    Digest::of_fields([text.as_bytes()]).to_string()
}

/// Reads a file that nobody but the harness may have written.
fn sealed(path: &Utf8Path, with: &str) -> Result<String, Trouble> {
    let text = fs::read_text(path)?;
    if seal(&text) == with { Ok(text) } else { Err(Trouble::Tampered(path.to_owned())) }
}

/// The body of the hidden verb: the order's file, its seal, the binary, its arguments.
pub(crate) fn main(args: &[String]) -> Answer {
    run(args).unwrap_or_else(|trouble| Answer { code: BROKEN, note: Some(format!("error: {trouble}")) })
}

fn run(args: &[String]) -> Result<Answer, Trouble> {
    let [order, seal, binary, args @ ..] = args else {
        return Err(Trouble::Call("the shim is started by cargo, not by hand"));
    };
    let order: Order = serde_json::from_str(&sealed(Utf8Path::new(order), seal)?)?;
    match &order.caller {
        Caller::OneProcess(how) => Ok(together::run(&order, how, binary)?.into()),
        Caller::Doctest => doctest::run(&order, binary, args),
        Caller::CargoTest => Ok(batch::run(&order, binary, args)?.into()),
        Caller::Nextest => {
            let id = env::var("NEXTEST_BINARY_ID").ok_or(Trouble::Call("nextest did not name the binary"))?;
            if args.iter().any(|arg| arg == "--list") {
                Ok(list::relay(&order, &id, binary, args)?.into())
            } else {
                let name = after(args, "--exact").ok_or(Trouble::Call("nextest did not name the test"))?;
                let attempt = env::var("NEXTEST_ATTEMPT").and_then(|n| n.parse().ok()).unwrap_or(1);
                let args = if list::is_whole(&order, &id) { &[] } else { args };
                let ending = single::run(&order, &single::Test { binary: &id, name: &name, attempt }, binary, args)?;
                Ok(exit_code(single::passed(&ending, order.leaks)).into())
            }
        }
    }
}

/// What a runner takes for success and for failure.
fn exit_code(passed: bool) -> u8 {
    if passed { ExitCode::Green.code() } else { 101 }
}

fn after(args: &[String], flag: &str) -> Option<String> {
    args.iter().skip_while(|arg| *arg != flag).nth(1).cloned()
}
