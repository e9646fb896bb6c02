//! The one door to child processes.
//!
//! `capture` is for short questions to tools; everything that runs the repository's code goes through a `Runner`.

#![expect(clippy::disallowed_methods, reason = "this is the door")]

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use super::sandbox::{Cage, enter};
use super::supervisor::{self, AT_ONCE, Ended, Order, Report};
use super::watchdog::Watchdog;
use super::{env, fs, tree};

/// What a short command printed.
#[derive(Clone, Debug)]
pub(crate) struct Captured {
    pub(crate) success: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a trusted tool to its end and takes what it prints. Its output is bounded by what the tool has to say. It ends with this
/// process, and with it whatever it has started.
///
/// # Errors
/// Where the program can't be started, or `argv` is empty.
pub(crate) fn capture(argv: &[String]) -> io::Result<Captured> {
    capture_in(Utf8Path::new("."), argv)
}

/// The same in a folder.
///
/// # Errors
/// As `capture`.
pub(crate) fn capture_in(dir: &Utf8Path, argv: &[String]) -> io::Result<Captured> {
    if argv.is_empty() {
        return Err(io::Error::other("no program"));
    }
    let (lifeline, held) = io::pipe()?;
    let leash = [supervisor::LEASH].into_iter().chain(argv.iter().map(String::as_str));
    let command = plain(duct::cmd(env::own_program(), leash)).dir(dir).stdin_file(lifeline);
    let output = command.stdout_capture().stderr_capture().unchecked().run()?;
    drop(held);
    if output.status.code() == Some(supervisor::NOT_STARTED)
        && let Some(error) = supervisor::why_not_started(&output.stderr)
    {
        return Err(error);
    }
    captured(&output)
}

/// Asks a tool that is known to end at once by itself and to start nothing that doesn't: a process less than `capture` needs.
///
/// # Errors
/// As `capture`.
pub(crate) fn capture_briefly(argv: &[String]) -> io::Result<Captured> {
    let (program, args) = argv.split_first().ok_or_else(|| io::Error::other("no program"))?;
    captured(&plain(duct::cmd(program, args)).stdin_null().stdout_capture().stderr_capture().unchecked().run()?)
}

fn captured(output: &std::process::Output) -> io::Result<Captured> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Captured { success: output.status.success(), stdout: text(&output.stdout), stderr: text(&output.stderr) })
}

/// Plain text, whatever the caller's terminal is.
pub(crate) const PLAIN: [(&str, &str); 3] = [("CARGO_TERM_COLOR", "never"), ("NO_COLOR", "1"), ("TERM", "dumb")];
const COLOURING: [&str; 4] = ["CLICOLOR_FORCE", "FORCE_COLOR", "CARGO_TERM_PROGRESS_WHEN", "CARGO_TERM_VERBOSE"];

/// Whether the caller's value of a variable never reaches a command.
pub(crate) fn is_overridden(name: &str) -> bool {
    PLAIN.iter().any(|(plain, _)| *plain == name) || COLOURING.contains(&name)
}

fn plain(command: duct::Expression) -> duct::Expression {
    let command = PLAIN.iter().fold(command, |command, (name, value)| command.env(name, value));
    COLOURING.iter().chain(&super::git::LOCAL_VARIABLES).fold(command, |command, name| command.env_remove(name))
}

/// A command of a step.
#[derive(Clone, Debug)]
pub(crate) struct Job<'a> {
    pub(crate) argv: &'a [String],
    pub(crate) dir: &'a Utf8Path,
    /// Set, or with `None` removed, on top of the caller's environment.
    pub(crate) env: &'a [(String, Option<String>)],
    /// Files that the output is appended to; they may be the same.
    pub(crate) stdout: &'a Utf8Path,
    pub(crate) stderr: &'a Utf8Path,
    pub(crate) limit: Duration,
    /// Beside the time.
    pub(crate) watchdog: Option<&'a Watchdog>,
    /// What contains it; without one it runs as its caller does.
    pub(crate) cage: Option<&'a Cage>,
}

/// What the caller wants of a command that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    GoOn,
    Stop,
}

/// Runs commands of steps: for real, or scripted in unit tests.
pub(crate) trait Runner: Sync {
    /// Runs a command to its end, or until `tick`, which is called several times a second, wants it stopped.
    fn run(&self, job: &Job<'_>, tick: &mut dyn FnMut() -> Wish) -> Report;

    /// The signal that asked the harness to stop, if one did.
    fn interrupted(&self) -> Option<i32>;
}

/// The real one: a supervisor process for each command.
#[derive(Clone, Debug)]
pub(crate) struct Supervised {
    signal: Arc<AtomicUsize>,
    /// While this file is there, nothing is run.
    stop: Option<Utf8PathBuf>,
}

/// How often `tick` is called, and how soon an interrupt is noticed.
const TICK: Duration = Duration::from_millis(50);

/// How long to go on killing what a lost supervisor has left.
const SWEEP: Duration = Duration::from_secs(1);

impl Supervised {
    /// From now on Ctrl-C and SIGTERM stop the commands instead of this process.
    pub(crate) fn new() -> io::Result<Supervised> {
        let signal = Arc::new(AtomicUsize::new(0));
        for number in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP] {
            signal_hook::flag::register_usize(number, Arc::clone(&signal), number as usize)?;
        }
        // What a supervisor watched falls to this process where somebody kills the supervisor.
        tree::become_subreaper()?;
        Ok(Supervised { signal, stop: None })
    }

    /// A file by which whoever creates it stops the commands as SIGTERM does.
    pub(crate) fn heeding(self, stop: Utf8PathBuf) -> Supervised {
        Supervised { stop: Some(stop), ..self }
    }

    /// This program once more, in a folder and with another environment. A signal to this process is passed on to it.
    ///
    /// # Errors
    /// It can't be started.
    pub(crate) fn again(&self, args: &[&str], dir: &Utf8Path, variables: Variables<'_>) -> io::Result<Followed> {
        let command = duct::cmd(env::own_program(), args).dir(dir).stdin_null().stdout_capture().unchecked();
        let command = match variables {
            Variables::Only(all) => command.full_env(all.iter().cloned()),
            Variables::Changed(some) => some.iter().fold(command, |command, (name, value)| match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            }),
        };
        let handle = command.start()?;
        let mut told = false;
        loop {
            if let Some(output) = handle.wait_timeout(TICK)? {
                return Ok(Followed::of(output));
            }
            if self.interrupted().is_some() && !told {
                terminate(&handle);
                told = true;
            }
        }
    }

    fn start(&self, job: &Job<'_>, tick: &mut dyn FnMut() -> Wish) -> io::Result<Report> {
        let order = Order {
            argv: job.argv.to_vec(),
            stdout: job.stdout.to_string(),
            stderr: job.stderr.to_string(),
            cage: job.cage.cloned(),
            limit_ms: u64::try_from(job.limit.as_millis()).unwrap_or(u64::MAX),
            open_files: job.watchdog.and_then(|watchdog| watchdog.limits().files),
            // Later than the watchdog, which knows what to say of it.
            cpu_s: job.watchdog.and_then(|watchdog| watchdog.limits().cpu).map(|limit| limit.as_secs() + 2),
        };
        let order = serde_json::to_string(&order).map_err(io::Error::other)?;
        let (lifeline, held) = io::pipe()?;
        let mut command = plain(duct::cmd(env::own_program(), [supervisor::VERB, &order]));
        // An engine gets its caller's environment, and passes on what the cage names. And what a command may write must not be loaded
        // by the programs that lead to its cage.
        let is_kept_back =
            |name: &str| job.cage.is_some_and(|cage| cage.container.is_some() || enter::is_for_the_command_only(name));
        for (name, value) in job.env.iter().filter(|(name, _)| !is_kept_back(name)) {
            command = match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let handle = command.dir(job.dir).stdin_file(lifeline).stdout_capture().unchecked().start()?;
        let supervisor = handle.pids().first().and_then(|pid| i32::try_from(*pid).ok()).unwrap_or(0);
        if let Some(watchdog) = job.watchdog {
            watchdog.begin(supervisor);
        }
        let mut held = Some(held);
        let output = loop {
            if let Some(output) = handle.wait_timeout(TICK)? {
                break output.clone();
            }
            if tick() == Wish::Stop || self.interrupted().is_some() {
                held.take();
            }
            if job.watchdog.and_then(Watchdog::look).is_some()
                && let Some(mut held) = held.take()
            {
                // Who reads no more has ended.
                let _ = held.write_all(&[AT_ONCE]);
            }
        };
        let mut report: Report = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| {
            let lost = format!("the supervisor of the step ended with {}", output.status);
            Report { swept: tree::kill_all(SWEEP), ..Report::of(Ended::Lost(lost)) }
        });
        if let Some(watchdog) = job.watchdog {
            watchdog.end(supervisor, Duration::from_millis(report.cpu_ms));
            if let Some(resource) = watchdog.passed() {
                report.ended = Ended::OverLimit(resource);
            }
        }
        Ok(report)
    }
}

impl Runner for Supervised {
    fn run(&self, job: &Job<'_>, tick: &mut dyn FnMut() -> Wish) -> Report {
        if self.interrupted().is_some() {
            return Report::of(Ended::Stopped);
        }
        if let Some(resource) = job.watchdog.and_then(Watchdog::passed) {
            return Report::of(Ended::OverLimit(resource));
        }
        self.start(job, tick).unwrap_or_else(|error| Report::of(Ended::Lost(error.to_string())))
    }

    fn interrupted(&self) -> Option<i32> {
        if self.stop.as_deref().is_some_and(fs::is_present) {
            // It may be gone when the next one asks.
            let term = signal_hook::consts::SIGTERM as usize;
            let _ = self.signal.compare_exchange(0, term, Ordering::SeqCst, Ordering::SeqCst);
        }
        match self.signal.load(Ordering::SeqCst) {
            0 => None,
            number => i32::try_from(number).ok(),
        }
    }
}

/// The word before the verb by which this program starts itself as a run that it follows.
pub(crate) const FOLLOWED: &str = "__followed";

/// What a followed run came to.
#[derive(Clone, Debug)]
pub(crate) struct Followed {
    /// None where a signal ended it, or where it could not be started.
    pub(crate) code: Option<u8>,
    pub(crate) stdout: String,
}

impl Followed {
    fn of(output: &std::process::Output) -> Followed {
        Followed {
            code: output.status.code().and_then(|code| u8::try_from(code).ok()),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        }
    }
}

/// The environment of this program when it is started once more.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Variables<'a> {
    /// The caller's, with these set or, with `None`, removed.
    Changed(&'a [(String, Option<String>)]),
    /// These and no others.
    Only(&'a [(String, String)]),
}

/// This program once more, at another verb, with the caller's environment and standard error.
pub(crate) struct Follower {
    handle: Arc<duct::Handle>,
}

impl Follower {
    /// Starts it; `then` is called from another thread when it has ended. It ends with the calling thread.
    pub(crate) fn start(args: &[String], then: impl FnOnce(Followed) + Send + 'static) -> io::Result<Follower> {
        let words = [FOLLOWED.to_owned()].into_iter().chain(args.iter().cloned());
        let command = duct::cmd(env::own_program(), words).stdin_null().stdout_capture().unchecked();
        let handle = Arc::new(command.start()?);
        let waiting = Arc::clone(&handle);
        std::thread::spawn(move || {
            then(match waiting.wait() {
                Ok(output) => Followed::of(output),
                Err(error) => Followed { code: None, stdout: format!("error: the run was lost: {error}\n") },
            });
        });
        Ok(Follower { handle })
    }

    /// Asks it to end as Ctrl-C does; it takes everything that it has started with it.
    pub(crate) fn stop(&self) {
        terminate(&self.handle);
    }

    /// Ends it at once; what it has started notices that by itself.
    pub(crate) fn kill(&self) {
        let _ = self.handle.kill();
    }
}

fn terminate(handle: &duct::Handle) {
    for pid in handle.pids() {
        let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
        // Gone already is as good.
        pid.map(|pid| rustix::process::kill_process(pid, rustix::process::Signal::TERM));
    }
}

/// For a followed run: whoever started it may be killed at any moment.
pub(crate) fn end_with_caller() {
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM));
    // Whoever was killed before that is not heard of, but reads no more.
    if tree::has_no_reader(&io::stdout()) {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM);
    }
}
