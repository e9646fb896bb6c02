//! The process between the harness and a step's command: it enforces the time limit and leaves nothing behind.
//!
//! The harness holds the other end of its standard input; when that closes, be it by Ctrl-C or because the harness was
//! killed, the supervisor ends the command and everything below it, then itself.

#![expect(clippy::disallowed_methods, reason = "the supervisor spawns the command of a step")]

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::{Deserialize, Serialize};

use super::sandbox::{Cage, enter};
use super::{clock, env};
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
    /// What contains the command.
    #[serde(default)]
    pub(crate) cage: Option<Cage>,
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
    match &order.cage {
        None => {
            let ended = run(order, &order.argv, Entry::None).unwrap_or_else(|error| Ended::Lost(error.to_string()));
            Report { ended, swept: tree::kill_all(SWEEP) }
        }
        Some(cage) => supervise_caged(order, cage).unwrap_or_else(|error| {
            let swept = tree::kill_all(SWEEP);
            Report { ended: Ended::Lost(error.to_string()), swept }
        }),
    }
}

/// The same within a cage, of which is known by a pipe whether it was entered.
fn supervise_caged(order: &Order, cage: &Cage) -> io::Result<Report> {
    // What the harness's caller has left open would be open within.
    enter::close_inherited();
    let dir = env::current_dir()?;
    let (told, teller) = io::pipe()?;
    let entry = Entry::Cage { cage, teller };
    let ended = run(order, &cage.argv(&order.argv, &dir), entry)?;
    let swept = tree::kill_all(SWEEP);
    let told = read_what_is_there(told);
    Ok(Report { ended: within(cage, ended, &told, &order.stderr), swept })
}

/// How a command comes to run.
enum Entry<'a> {
    /// As it is.
    None,
    /// In a cage, with the end of a pipe for standard input until it is entered.
    Cage { cage: &'a Cage, teller: io::PipeWriter },
}

fn read_what_is_there(mut told: io::PipeReader) -> String {
    let mut fds = [PollFd::new(&told, PollFlags::IN)];
    let ready = poll(&mut fds, Some(&Timespec::default())).is_ok_and(|count| count > 0);
    let mut buffer = [0; 4096];
    let length = if ready { told.read(&mut buffer).unwrap_or(0) } else { 0 };
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

/// What the end of a caged command means.
fn within(cage: &Cage, ended: Ended, told: &str, stderr: &str) -> Ended {
    if matches!(ended, Ended::TimedOut | Ended::Stopped | Ended::Lost(_) | Ended::NotStarted(_)) {
        return ended;
    }
    match (told.strip_prefix(enter::ENTERED), ended) {
        (Some(rest), ended) => match (rest.strip_prefix(enter::NOT_STARTED), ended) {
            (Some(why), _) => Ended::NotStarted(why.trim_end().to_owned()),
            // As a shell has it, so has bubblewrap.
            (None, Ended::Exited(code @ 129..=192)) if cage.bubblewrap.is_some() => Ended::Signalled(code - 128),
            (None, ended) => ended,
        },
        (None, _) => {
            let words = super::fs::head_and_tail(stderr.into(), 4 << 10).map(|(head, _, tail)| head + &tail);
            let words = words.unwrap_or_default();
            let of_bubblewrap = words.lines().rfind(|line| line.starts_with("bwrap: "));
            let why = Some(told.trim_end()).filter(|why| !why.is_empty()).or(of_bubblewrap).unwrap_or("it says nothing");
            Ended::Lost(format!("the sandbox cannot be entered: {why}"))
        }
    }
}

fn run(order: &Order, argv: &[String], entry: Entry<'_>) -> io::Result<Ended> {
    tree::leave_session();
    tree::become_subreaper()?;
    let signals = SignalPipe::new(&[signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT])?;
    let open = |path: &str| OpenOptions::new().create(true).append(true).open(path);
    let (stdout, stderr) = (open(&order.stdout)?, open(&order.stderr)?);
    let Some((program, args)) = argv.split_first() else { return Ok(Ended::NotStarted("no program".into())) };
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(stdout).stderr(stderr).process_group(0);
    let mut in_namespaces = false;
    if let Entry::Cage { cage, teller } = entry {
        // Cleared here and not by bubblewrap, whose own environment the command can read.
        let passed = env::vars().filter(|(name, _)| name.to_str().is_some_and(|name| cage.env.iter().any(|n| n == name)));
        command.env_clear().envs(passed.collect::<Vec<_>>()).envs(cage.set.clone()).stdin(teller);
        in_namespaces = cage.bubblewrap.is_some();
    }
    let child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return Ok(Ended::NotStarted(error.to_string())),
    };
    // With it goes this side's end of the pipe.
    drop(command);
    let watch = Watch::new(child.id())?;
    let stop = || {
        // Bubblewrap itself would go at once and take the command with it.
        if in_namespaces {
            tree::ask_children_to_end(child.id());
            watch.wait(Some(clock::now() + GRACE), None, false)?;
        }
        watch.stop(GRACE)
    };
    let deadline = clock::now() + Duration::from_millis(order.limit_ms);
    let status = match watch.wait(Some(deadline), Some(&signals), true)? {
        Woke::Exited => watch.reap()?,
        Woke::Deadline => {
            stop()?;
            return Ok(Ended::TimedOut);
        }
        Woke::Signalled | Woke::Abandoned => {
            stop()?;
            return Ok(Ended::Stopped);
        }
    };
    Ok(match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Ended::Exited(code),
        (None, Some(signal)) => Ended::Signalled(signal),
        (None, None) => Ended::Lost("its status says neither exit nor signal".into()),
    })
}
