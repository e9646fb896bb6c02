//! One test in a process of its own.

#![expect(clippy::disallowed_methods, reason = "the shim spawns the test binary")]

use std::process::{Command, Stdio};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use signal_hook::consts::{SIGINT, SIGKILL, SIGTERM};

use super::{Order, Trouble};
use crate::base::Digest;
use crate::domain::contract::Policy;
use crate::domain::record::TestName;
use crate::domain::run::test_event::{self, Ending, Said, TestEnd, TestEvent};
use crate::ports::tree::{self, SignalPipe, Watch, Woke};
use crate::ports::{clock, fs};

/// How long a test may take to end after it was asked to.
const GRACE: Duration = Duration::from_millis(300);
/// How long what a test started may outlive it; as nextest's own default.
const LEAK_GRACE: Duration = Duration::from_millis(100);
/// How far apart a signal to a process group reaches two of its processes.
const SAME_SIGNAL: Duration = Duration::from_millis(20);
/// Output of passed tests up to this length is folded into the step's log.
const FOLDED: u64 = 64 << 10;

/// Which test, and which try at it.
pub(super) struct Test<'a> {
    pub(super) binary: &'a str,
    pub(super) name: &'a str,
    pub(super) attempt: u32,
}

/// Whether an ending is good: the process ended well and, where it has a harness, that harness said so.
pub(crate) fn passed(ending: &Ending, leaks: Policy) -> bool {
    ending.end == TestEnd::Exited(0)
        && matches!(ending.said, Said::Ok | Said::Ignored | Said::NotAsked)
        && (ending.leaked.is_empty() || leaks == Policy::Report)
}

/// Runs the test and leaves nothing of it behind.
pub(super) fn run(order: &Order, test: &Test<'_>, binary: &str, args: &[String]) -> Result<Ending, Trouble> {
    let name = TestName { binary: test.binary.to_owned(), name: test.name.to_owned() };
    test_event::write(&order.events, &TestEvent::Start { test: name.clone(), attempt: test.attempt })?;
    let log = log_name(test);
    let log_path = order.logs.join(&log);
    let verdicts = (!order.unharnessed.contains(test.binary)).then(|| order.logs.join(format!(".{log}.verdict")));
    let mut argv = order.argv(binary, args);
    let replay = argv.clone();
    argv.extend(verdicts.iter().flat_map(|path| ["--logfile".to_owned(), path.to_string()]));
    let started = clock::now();
    let end = execute(order, &argv, &log_path)?;
    let leaked = sweep();
    let (said, verdicts) = match &verdicts {
        Some(path) => said(path, test.name)?,
        None => (Said::NotAsked, 1),
    };
    let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let ending = Ending { test: name, attempt: test.attempt, end, said, verdicts, ms, leaked, log, argv: replay };
    if passed(&ending, order.leaks) {
        fold(order, &ending, &log_path)?;
    }
    test_event::write(&order.events, &TestEvent::End(Box::new(ending.clone())))?;
    Ok(ending)
}

fn execute(order: &Order, argv: &[String], log: &Utf8Path) -> Result<TestEnd, Trouble> {
    tree::become_subreaper()?;
    let signals = SignalPipe::new(&[SIGTERM, SIGINT])?;
    let (program, args) = argv.split_first().ok_or(Trouble::Call("no binary is named"))?;
    let (stdout, stderr) = (fs::append(log)?, fs::append(log)?);
    let spawned = Command::new(program).args(args).stdin(Stdio::null()).stdout(stdout).stderr(stderr).spawn();
    let child = match spawned {
        Ok(child) => child,
        Err(error) => return Ok(TestEnd::NotStarted(error.to_string())),
    };
    let watch = Watch::new(child.id())?;
    let deadline = clock::now() + Duration::from_millis(order.test_timeout_ms);
    let status = match watch.wait(Some(deadline), Some(&signals), false)? {
        Woke::Exited => watch.reap()?,
        Woke::Deadline => {
            watch.stop(GRACE)?;
            return Ok(TestEnd::TimedOut);
        }
        Woke::Signalled | Woke::Abandoned => {
            watch.stop(GRACE)?;
            return Ok(TestEnd::Stopped);
        }
    };
    Ok(match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => TestEnd::Exited(code),
        (None, Some(SIGKILL)) if tree::oom_kills() > order.oom_kills => TestEnd::OutOfMemory,
        // A signal to the whole process group may end the test before it is noticed here.
        (None, Some(SIGTERM | SIGINT)) if signals.arrived(SAME_SIGNAL) => TestEnd::Stopped,
        (None, signal) => TestEnd::Signalled(signal.unwrap_or(0)),
    })
}

/// Kills what the test left and names it; what goes within the grace was no leak.
fn sweep() -> Vec<String> {
    let deadline = clock::now() + LEAK_GRACE;
    let mut left = tree::children();
    while !left.is_empty() && clock::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
        left = tree::children();
    }
    tree::kill_all(Duration::from_secs(1));
    left
}

/// Reads the harness's log of verdicts: one line for each test of that name, and macros can make several. The number of lines
/// comes along, since a binary with two tests of one name owes two.
fn said(path: &Utf8Path, name: &str) -> Result<(Said, u32), Trouble> {
    let text = fs::read_text_if_present(path)?.unwrap_or_default();
    fs::remove_file(path)?;
    let owned = format!(" {name}\n");
    let verdicts: Vec<Said> = text.split_inclusive(&owned).map(|line| verdict(line.strip_suffix(&owned))).collect();
    let worst = [|said: &&Said| **said == Said::Nothing, |said: &&Said| matches!(said, Said::Failed(_))]
        .iter()
        .find_map(|bad| verdicts.iter().find(bad));
    let said = worst.or(verdicts.first()).cloned().unwrap_or(Said::Nothing);
    Ok((said, u32::try_from(verdicts.len()).unwrap_or(u32::MAX)))
}

/// `ok`, `failed`, `failed: WHY` or `ignored`, before the test's name.
fn verdict(line: Option<&str>) -> Said {
    match line.map(|line| line.split_once(": ").unwrap_or((line, ""))) {
        Some(("ok", _)) => Said::Ok,
        Some(("ignored", _)) => Said::Ignored,
        Some(("failed", why)) => Said::Failed(why.to_owned()),
        _ => Said::Nothing,
    }
}

/// Moves short output into the step's log, so that thousands of good tests don't leave thousands of files.
fn fold(order: &Order, ending: &Ending, log: &Utf8Path) -> Result<(), Trouble> {
    let header = format!("--- ok {} {} {}ms", ending.test.binary, ending.test.name, ending.ms);
    if fs::size(log).unwrap_or(0) > FOLDED {
        fs::append_bytes(&order.step_log, format!("{header}, output in {}\n", ending.log).as_bytes())?;
        return Ok(());
    }
    let (text, ..) = fs::head_and_tail(log, FOLDED)?;
    fs::append_bytes(&order.step_log, format!("{header}\n{text}").as_bytes())?;
    fs::remove_file(log)?;
    Ok(())
}

/// Readable, free of separators, and unique by its digest.
fn log_name(test: &Test<'_>) -> Utf8PathBuf {
    let attempt = test.attempt.to_string();
    let digest = Digest::of_fields([test.binary.as_bytes(), test.name.as_bytes(), attempt.as_bytes()]);
    let readable: String =
        test.name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).take(80).collect();
    Utf8PathBuf::from(format!("{readable}-{}.log", digest.prefix(8)))
}
