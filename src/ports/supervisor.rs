//! The process between the harness and a step's command: it enforces the time limit and leaves nothing behind.
//!
//! The harness holds the other end of its standard input; when that closes, be it by Ctrl-C or because the harness was
//! killed, the supervisor ends the command and everything below it, then itself.

#![expect(clippy::disallowed_methods, reason = "the supervisor spawns the command of a step")]

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::clock;
use super::tree::{self, SignalPipe, Watch, Woke};
use crate::base::ExitCode;

/// The hidden verb by which the harness starts itself as a supervisor.
pub(crate) const VERB: &str = "__supervise";

/// How long a command may take to end after it was asked to.
const GRACE: Duration = Duration::from_millis(500);
/// How long the sweep of what is left may take.
const SWEEP: Duration = Duration::from_secs(1);

/// What the harness passes as the supervisor's one argument.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) argv: Vec<String>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) limit_ms: u64,
}

/// How a supervised command ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Ended {
    Exited(i32),
    Signalled(i32),
    TimedOut,
    /// The harness was told to stop.
    Stopped,
    /// There is no such program, or it may not be run.
    NotStarted(String),
    /// The supervisor itself failed or was killed.
    Lost(String),
}

/// What the supervisor answers on its standard output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) ended: Ended,
    /// How many processes were still living when the command had ended.
    pub(crate) swept: usize,
}

/// The body of the hidden verb.
pub(crate) fn main(order: &str) -> ExitCode {
    let report = match serde_json::from_str::<Order>(order) {
        Ok(order) => supervise(&order),
        Err(error) => Report { ended: Ended::Lost(error.to_string()), swept: 0 },
    };
    let answer = serde_json::to_string(&report).unwrap_or_default();
    match io::stdout().write_all(answer.as_bytes()) {
        Ok(()) => ExitCode::Green,
        Err(_) => ExitCode::Environment,
    }
}

fn supervise(order: &Order) -> Report {
    let ended = run(order).unwrap_or_else(|error| Ended::Lost(error.to_string()));
    Report { ended, swept: tree::kill_all(SWEEP) }
}

fn run(order: &Order) -> io::Result<Ended> {
    tree::leave_session();
    tree::become_subreaper()?;
    let signals = SignalPipe::new(&[signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT])?;
    let open = |path: &str| OpenOptions::new().create(true).append(true).open(path);
    let (stdout, stderr) = (open(&order.stdout)?, open(&order.stderr)?);
    let Some((program, args)) = order.argv.split_first() else { return Ok(Ended::NotStarted("no program".into())) };
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(stdout).stderr(stderr).process_group(0);
    let child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return Ok(Ended::NotStarted(error.to_string())),
    };
    let watch = Watch::new(child.id())?;
    let deadline = clock::now() + Duration::from_millis(order.limit_ms);
    let status = match watch.wait(Some(deadline), Some(&signals), true)? {
        Woke::Exited => watch.reap()?,
        Woke::Deadline => {
            watch.stop(GRACE)?;
            return Ok(Ended::TimedOut);
        }
        Woke::Signalled | Woke::Abandoned => {
            watch.stop(GRACE)?;
            return Ok(Ended::Stopped);
        }
    };
    Ok(match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Ended::Exited(code),
        (None, Some(signal)) => Ended::Signalled(signal),
        (None, None) => Ended::Lost("its status says neither exit nor signal".into()),
    })
}
