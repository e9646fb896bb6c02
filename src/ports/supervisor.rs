//! The process between the harness and a step's command: it enforces the time limit and leaves nothing behind.
//!
//! The harness holds the other end of its standard input; when that closes, be it by Ctrl-C or because the harness was
//! killed, the supervisor ends the command and everything below it, then itself.

#![expect(clippy::disallowed_methods, reason = "the supervisor spawns the command of a step")]

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Resource as Rlimit;
use serde::{Deserialize, Serialize};

use super::sandbox::container::Container;
use super::sandbox::ears::Ears;
use super::sandbox::{Cage, Limits, Reach, enter, first};
use super::tree::{self, SignalPipe, Watch, Woke};
use super::watchdog::Resource;
use super::{clock, env, processes};
use crate::base::ExitCode;

/// The hidden verb by which the harness starts itself as a supervisor.
pub(crate) const VERB: &str = "__supervise";

/// The hidden verb by which the harness starts a tool that it asks something, with the tool's own output and exit code.
pub(crate) const LEASH: &str = "__leash";

/// What a leash answers where there is no such tool; why stands on its standard error.
pub(super) const NOT_STARTED: i32 = 127;

/// Before the number of the system's error.
const WHY: &str = "__leash: ";

/// How long a command may take to end after it was asked to.
const GRACE: Duration = Duration::from_millis(500);
/// How long the sweep of what is left may take.
const SWEEP: Duration = Duration::from_secs(5);

/// What the harness passes as the supervisor's one argument.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) argv: Vec<String>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) limit_ms: u64,
    /// Of each process below.
    #[serde(default)]
    pub(crate) open_files: Option<u64>,
    /// Processor time of each process below, in seconds.
    #[serde(default)]
    pub(crate) cpu_s: Option<u64>,
    /// What contains the command.
    #[serde(default)]
    pub(crate) cage: Option<Cage>,
}

/// What the harness writes into the lifeline before it closes it where there is no time to end by oneself.
pub(super) const AT_ONCE: u8 = b'!';

/// How a supervised command ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Ended {
    Exited(i32),
    Signalled(i32),
    TimedOut,
    /// All processes of the step together were past a limit.
    OverLimit(Resource),
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
    /// The processor time of everything that was started, in milliseconds.
    #[serde(default)]
    pub(crate) cpu_ms: u64,
    /// From the command's start to its end, the way into its cage included, in microseconds.
    #[serde(default)]
    pub(crate) wall_us: u64,
    /// The most memory that one of its processes held, in kibibytes; at least what the supervisor itself holds.
    #[serde(default)]
    pub(crate) peak_kib: u64,
}

impl Report {
    /// Without anything that would have to be swept.
    pub(crate) fn of(ended: Ended) -> Report {
        Report { ended, swept: 0, cpu_ms: 0, wall_us: 0, peak_kib: 0 }
    }
}

/// The body of the hidden verb.
pub(crate) fn main(order: &str) -> ExitCode {
    let report = match serde_json::from_str::<Order>(order) {
        Ok(order) => supervise(&order),
        Err(error) => Report::of(Ended::Lost(error.to_string())),
    };
    let answer = serde_json::to_string(&report).unwrap_or_default();
    match io::stdout().write_all(answer.as_bytes()) {
        Ok(()) => ExitCode::Green,
        Err(_) => ExitCode::Environment,
    }
}

/// The body of the leash: the tool ends, with all that it has started, when standard input is closed.
pub(crate) fn leash(argv: &[String]) -> u8 {
    let lost = ExitCode::Environment.code();
    let follow = || -> io::Result<u8> {
        tree::become_subreaper()?;
        let (program, args) = argv.split_first().ok_or_else(|| io::Error::other("no program"))?;
        let child = match Command::new(program).args(args).stdin(Stdio::null()).spawn() {
            Ok(child) => child,
            Err(error) => {
                let number = error.raw_os_error().unwrap_or_default();
                io::stderr().write_all(format!("{WHY}{number}").as_bytes())?;
                return Ok(NOT_STARTED as u8);
            }
        };
        let watch = Watch::new(child.id())?;
        let status = match watch.wait(None, None, true)? {
            Woke::Exited => watch.reap()?,
            Woke::Deadline | Woke::Signalled | Woke::Abandoned => watch.stop(Duration::ZERO)?,
        };
        Ok(status.exit_status().and_then(|code| u8::try_from(code).ok()).unwrap_or(lost))
    };
    let code = follow().unwrap_or(lost);
    tree::kill_all(SWEEP);
    code
}

/// The error for which a leash could not start its tool, from its standard error.
pub(super) fn why_not_started(stderr: &[u8]) -> Option<io::Error> {
    let number = std::str::from_utf8(stderr).ok()?.strip_prefix(WHY)?.parse().ok()?;
    Some(io::Error::from_raw_os_error(number))
}

fn supervise(order: &Order) -> Report {
    let mut wall = Duration::ZERO;
    let (ended, swept) = match &order.cage {
        None => {
            let ended = run(order, &order.argv, Entry::None, &mut wall);
            (ended.unwrap_or_else(|error| Ended::Lost(error.to_string())), tree::kill_all(SWEEP))
        }
        Some(cage) => match &cage.container {
            Some(container) => supervise_contained(order, cage, container, &mut wall),
            None => supervise_caged(order, cage, &mut wall),
        }
        .unwrap_or_else(|error| {
            let swept = tree::kill_all(SWEEP);
            (Ended::Lost(error.to_string()), swept)
        }),
    };
    let ticks = i32::try_from(std::process::id()).ok().and_then(processes::one).map_or(0, |own| own.ticks);
    let cpu_ms = u64::try_from(processes::time(ticks).as_millis()).unwrap_or(u64::MAX);
    let wall_us = u64::try_from(wall.as_micros()).unwrap_or(u64::MAX);
    Report { ended, swept, cpu_ms, wall_us, peak_kib: tree::peak_of_children() }
}

/// The same within a cage, whose first process tells whether it was entered and how the command ended.
fn supervise_caged(order: &Order, cage: &Cage, wall: &mut Duration) -> io::Result<(Ended, usize)> {
    // What the harness's caller has left open would be open within.
    enter::close_inherited();
    let dir = env::current_dir()?;
    let way = if let Reach::Hosts(way) = &cage.reach { Some(way.clone()) } else { None };
    let (ears, teller) = Ears::open(way)?;
    // Set within: a proxy that serves the command from here is not held to its limits.
    let limits = Limits { open_files: order.open_files, cpu_s: order.cpu_s, ..cage.limits };
    let cage = &Cage { limits, ..cage.clone() };
    let ended = run(order, &cage.argv(&order.argv, &dir), Entry::Cage { cage, teller }, wall)?;
    let swept = tree::kill_all(SWEEP);
    Ok((within(cage, ended, &ears.close(), &order.stderr), swept))
}

/// The same in a container, which is gone with all that ran in it before this comes back.
fn supervise_contained(
    order: &Order,
    cage: &Cage,
    container: &Container,
    wall: &mut Duration,
) -> io::Result<(Ended, usize)> {
    enter::close_inherited();
    let dir = env::current_dir()?;
    let note = container.begin().map_err(io::Error::other)?;
    let cage = Cage { limits: cage.limits.of_each(order.open_files, order.cpu_s), ..cage.clone() };
    let (lifeline, _held) = io::pipe()?;
    let ended = run(
        &Order { open_files: None, cpu_s: None, ..order.clone() },
        &container.argv(&cage, &note, &order.argv, &dir),
        Entry::Engine(lifeline),
        wall,
    );
    // With the container's own processes, which this one has inherited.
    tree::kill_all(SWEEP);
    let told = note.told();
    let end = told.lines().find_map(|line| serde_json::from_str::<first::End>(line.strip_prefix(first::ENDED)?).ok());
    let has_removed_itself = end.is_some() && matches!(ended, Ok(Ended::Exited(_)));
    note.end(container, !has_removed_itself);
    tree::kill_all(SWEEP);
    let ended = match ended? {
        Ended::NotStarted(why) => Ended::Lost(format!("{} cannot be started: {why}", container.program)),
        ended => within(&cage, ended, &told, &order.stderr),
    };
    Ok((ended, end.unwrap_or_default().left))
}

/// How a command comes to run.
enum Entry<'a> {
    /// As it is.
    None,
    /// As an engine that makes a container, which ends when nobody holds the other end of this pipe.
    Engine(io::PipeReader),
    /// In a cage, with the end of a socket for standard input until it is entered.
    Cage { cage: &'a Cage, teller: UnixStream },
}

/// What the end of a caged command means.
fn within(cage: &Cage, ended: Ended, told: &str, stderr: &str) -> Ended {
    if matches!(ended, Ended::TimedOut | Ended::Stopped | Ended::Lost(_) | Ended::NotStarted(_)) {
        return ended;
    }
    match (told.strip_prefix(enter::ENTERED), ended) {
        (Some(rest), ended) => match rest.strip_prefix(enter::NOT_STARTED) {
            Some(why) => Ended::NotStarted(why.lines().next().unwrap_or_default().to_owned()),
            None if cage.bubblewrap.is_some() => told_end(rest.trim_end(), ended),
            None => match ended {
                // As a shell has it, so has an engine.
                Ended::Exited(code @ 129..=192) if cage.container.is_some() => Ended::Signalled(code - 128),
                ended => ended,
            },
        },
        (None, _) => {
            let words = super::fs::head_and_tail(stderr.into(), 4 << 10).map(|(head, _, tail)| head + &tail);
            let words = words.unwrap_or_default();
            let last = || words.lines().rfind(|line| !line.trim().is_empty()).filter(|_| cage.container.is_some());
            let of_builder = words.lines().rfind(|line| line.starts_with("bwrap: ")).or_else(last);
            let why =
                told.lines().find(|line| !line.starts_with(first::ENDED)).or(of_builder).unwrap_or("it says nothing");
            Ended::Lost(format!("the sandbox cannot be entered: {why}"))
        }
    }
}

/// How the command ended as the first process in its namespaces has it; bubblewrap's own status tells an exit from no signal.
fn told_end(told: &str, ended: Ended) -> Ended {
    let number = |prefix: &str| told.strip_prefix(prefix).and_then(|number| number.parse().ok());
    match (number(enter::EXITED), number(enter::SIGNALLED), ended) {
        (Some(code), _, _) => Ended::Exited(code),
        (None, Some(signal), _) => Ended::Signalled(signal),
        // That process itself was ended from outside.
        (None, None, Ended::Exited(code @ 129..=192)) => Ended::Signalled(code - 128),
        (None, None, Ended::Exited(code)) => {
            let said = if told.is_empty() { "nothing" } else { told };
            Ended::Lost(format!("the sandbox ended with {code} and told {said} of its command"))
        }
        (None, None, ended) => ended,
    }
}

fn run(order: &Order, argv: &[String], entry: Entry<'_>, wall: &mut Duration) -> io::Result<Ended> {
    tree::leave_session();
    tree::become_subreaper()?;
    let signals = SignalPipe::new(&[signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT])?;
    let open = |path: &str| OpenOptions::new().create(true).append(true).open(path);
    let (stdout, stderr) = (open(&order.stdout)?, open(&order.stderr)?);
    if matches!(entry, Entry::None) {
        enter::lower(Rlimit::Nofile, order.open_files)?;
        enter::lower(Rlimit::Cpu, order.cpu_s)?;
    }
    let Some((program, args)) = argv.split_first() else { return Ok(Ended::NotStarted("no program".into())) };
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(stdout).stderr(stderr).process_group(0);
    let mut in_namespaces = false;
    match entry {
        Entry::None => {}
        Entry::Engine(lifeline) => drop(command.stdin(lifeline)),
        Entry::Cage { cage, teller } => {
            // Cleared here and not by bubblewrap, whose own environment the command can read.
            let passed =
                env::vars().filter(|(name, _)| name.to_str().is_some_and(|name| cage.env.iter().any(|n| n == name)));
            let set = cage.set.iter().filter(|(name, _)| !enter::is_for_the_command_only(name)).cloned();
            command.env_clear().envs(passed.collect::<Vec<_>>()).envs(set).stdin(OwnedFd::from(teller));
            in_namespaces = cage.bubblewrap.is_some();
        }
    }
    let started = clock::now();
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
    let woke = watch.wait(Some(deadline), Some(&signals), true)?;
    *wall = started.elapsed();
    let status = match woke {
        Woke::Exited => watch.reap()?,
        Woke::Deadline => {
            stop()?;
            return Ok(Ended::TimedOut);
        }
        woke @ (Woke::Signalled | Woke::Abandoned) => {
            let at_once = woke == Woke::Abandoned && io::stdin().read(&mut [0]).is_ok_and(|read| read > 0);
            if at_once {
                watch.stop(Duration::ZERO)?;
            } else {
                stop()?;
            }
            return Ok(Ended::Stopped);
        }
    };
    Ok(match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Ended::Exited(code),
        (None, Some(signal)) => Ended::Signalled(signal),
        (None, None) => Ended::Lost("its status says neither exit nor signal".into()),
    })
}
