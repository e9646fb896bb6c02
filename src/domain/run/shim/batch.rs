//! All tests of a binary in one process, then whatever isn't good there again, each in a process of its own.

#![expect(clippy::disallowed_methods, reason = "the shim spawns the test binary")]

use std::collections::{BTreeSet, HashSet};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use signal_hook::consts::{SIGINT, SIGTERM};

use super::single::{self, Test};
use super::{Order, Trouble, exit_code, list};
use crate::base::Digest;
use crate::domain::record::TestName;
use crate::domain::run::test_event::{self, Ending, Said, TestEnd, TestEvent};
use crate::ports::tree::{self, SignalPipe, Watch, Woke};
use crate::ports::{clock, fs};

/// How often the log of verdicts is read while the process runs.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Names on one command line stay well below the system's limit.
const LONGEST_ARGUMENTS: usize = 96 << 10;

/// Runs the binary's taken tests.
pub(super) fn run(order: &Order, binary: &str, args: &[String]) -> Result<u8, Trouble> {
    let id = order.binaries.get(binary).cloned().unwrap_or_else(|| binary.to_owned());
    let only_list = args.iter().any(|arg| arg == "--list");
    if order.unharnessed.contains(&id) {
        return whole(order, &id, binary, args, only_list);
    }
    let listing = |extra: &[&str]| -> Vec<String> {
        let args: Vec<String> =
            ["--list", "--format", "terse"].iter().chain(extra).map(|arg| (*arg).to_owned()).collect();
        order.argv(binary, &args)
    };
    let all = list::list(order, &id, &listing(&[]), false)?;
    let ignored = list::list(order, &id, &listing(&["--ignored"]), true)?;
    if all.code != 0 || ignored.code != 0 {
        return Ok(exit_code(false));
    }
    if only_list {
        return Ok(exit_code(true));
    }
    let ignored: HashSet<&String> = ignored.taken.iter().collect();
    let mut tests: Vec<String> = all.taken.iter().filter(|name| !ignored.contains(name)).cloned().collect();
    let repeated = take_repeated(&mut tests);
    let mut good = true;
    let alone = |name: &str, attempt: u32| -> Result<bool, Trouble> {
        let args = ["--exact", name, "--nocapture"].map(str::to_owned);
        let ending = single::run(order, &Test { binary: &id, name, attempt }, binary, &args)?;
        Ok(single::passed(&ending, order.leaks))
    };
    for chunk in chunks(&tests) {
        let outcome = batch(order, &id, binary, chunk)?;
        if outcome.stopped {
            return Ok(exit_code(false));
        }
        for name in chunk.iter().filter(|name| outcome.suspicious || !outcome.ok.contains(*name)) {
            let failed = outcome.failed.contains(name);
            let attempt = if failed || outcome.ok.contains(name) { 2 } else { 1 };
            good &= alone(name, attempt)? && !failed;
        }
    }
    for name in &repeated {
        good &= alone(name, 1)?;
    }
    Ok(exit_code(good))
}

/// Removes the names that a binary lists more than once, as some macros make it: a batch could not tell their verdicts apart.
fn take_repeated(tests: &mut Vec<String>) -> BTreeSet<String> {
    let mut seen = HashSet::new();
    let repeated: BTreeSet<String> = tests.iter().filter(|name| !seen.insert(name.as_str())).cloned().collect();
    tests.retain(|name| !repeated.contains(name));
    repeated
}

/// A binary without a harness is one test, named as its target.
fn whole(order: &Order, id: &str, binary: &str, args: &[String], only_list: bool) -> Result<u8, Trouble> {
    let name = list::target_name(id);
    let taken = list::take(order, id, name)?;
    if only_list || !taken {
        return Ok(exit_code(true));
    }
    let ending = single::run(order, &Test { binary: id, name, attempt: 1 }, binary, args)?;
    Ok(exit_code(single::passed(&ending, order.leaks)))
}

fn chunks(tests: &[String]) -> Vec<&[String]> {
    let mut rest = tests;
    let mut chunks = Vec::new();
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = rest.iter().take_while(|name| {
            bytes += name.len() + 1;
            bytes <= LONGEST_ARGUMENTS
        });
        let (chunk, left) = rest.split_at(fits.count().max(1));
        chunks.push(chunk);
        rest = left;
    }
    chunks
}

/// What one process showed of its tests.
struct Outcome {
    ok: HashSet<String>,
    failed: HashSet<String>,
    /// Something went wrong that no single test's verdict shows.
    suspicious: bool,
    stopped: bool,
}

fn batch(order: &Order, id: &str, binary: &str, tests: &[String]) -> Result<Outcome, Trouble> {
    let log =
        Utf8PathBuf::from(format!("batch-{}.log", Digest::of_fields([id.as_bytes(), tests[0].as_bytes()]).prefix(8)));
    let verdicts = order.logs.join(format!(".{log}.verdict"));
    let mut args = vec!["--logfile".to_owned(), verdicts.to_string(), "--exact".to_owned()];
    args.extend(tests.iter().cloned());
    let mut reader =
        VerdictReader { order, id, log: &log, path: &verdicts, read: 0, last: clock::now(), ok: HashSet::new() };
    let wanted: HashSet<&str> = tests.iter().map(String::as_str).collect();
    let ended = follow(order, &order.argv(binary, &args), &log, || reader.progress(&wanted))?;
    reader.progress(&wanted)?;
    let text = fs::read_text_if_present(&verdicts)?.unwrap_or_default();
    fs::remove_file(&verdicts)?;
    let ok = reader.ok;
    let last_word = |line: &str| line.rsplit(' ').next().unwrap_or_default().to_owned();
    let failed: HashSet<String> = text
        .lines()
        .filter(|line| line.starts_with("failed"))
        .map(last_word)
        .filter(|name| wanted.contains(name.as_str()))
        .collect();
    let leaked = !tree::children().is_empty();
    tree::kill_all(Duration::from_secs(1));
    for name in &failed {
        let test = TestName { binary: id.to_owned(), name: name.clone() };
        let ending = ended_in_batch(test, TestEnd::Exited(101), Said::Failed(String::new()), 0, &log);
        test_event::write(&order.events, &TestEvent::End(Box::new(ending)))?;
    }
    let suspicious = leaked || (ended != Ended::Exited(Some(0)) && ok.len() == tests.len());
    Ok(Outcome { ok, failed, suspicious, stopped: ended == Ended::Stopped })
}

/// How the process of a batch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// With its exit status, or by a signal.
    Exited(Option<i32>),
    /// No test ended within the limit of one test.
    Hung,
    /// It was to be stopped.
    Stopped,
}

/// Reads verdicts as they come, so that progress shows and a hang is noticed.
struct VerdictReader<'a> {
    order: &'a Order,
    id: &'a str,
    log: &'a Utf8Path,
    path: &'a Utf8Path,
    read: usize,
    last: Instant,
    ok: HashSet<String>,
}

impl VerdictReader<'_> {
    /// Whether a test has ended within the limit of one test.
    fn progress(&mut self, wanted: &HashSet<&str>) -> Result<bool, Trouble> {
        let text = fs::read_text_if_present(self.path)?.unwrap_or_default();
        let complete = text.rfind('\n').map_or(0, |at| at + 1);
        let fresh = text.get(self.read..complete).unwrap_or_default();
        let ms = u64::try_from(self.last.elapsed().as_millis()).unwrap_or(0);
        if !fresh.is_empty() {
            self.last = clock::now();
        }
        let names: Vec<&str> =
            fresh.lines().filter_map(|line| line.strip_prefix("ok ")).filter(|n| wanted.contains(n)).collect();
        let share = ms / (names.len() as u64).max(1);
        for name in names {
            let test = TestName { binary: self.id.to_owned(), name: name.to_owned() };
            let ending = ended_in_batch(test, TestEnd::Exited(0), Said::Ok, share, self.log);
            if self.ok.insert(name.to_owned()) {
                test_event::write(&self.order.events, &TestEvent::End(Box::new(ending)))?;
            }
        }
        self.read = complete;
        Ok(self.last.elapsed() < Duration::from_millis(self.order.test_timeout_ms))
    }
}

fn ended_in_batch(test: TestName, end: TestEnd, said: Said, ms: u64, log: &Utf8Path) -> Ending {
    Ending { test, attempt: 1, end, said, verdicts: 1, ms, leaked: Vec::new(), log: log.to_owned(), argv: Vec::new() }
}

/// Runs a process and looks at its progress until it ends, hangs, or is to be stopped.
fn follow(
    order: &Order,
    argv: &[String],
    log: &Utf8Path,
    mut progress: impl FnMut() -> Result<bool, Trouble>,
) -> Result<Ended, Trouble> {
    tree::become_subreaper()?;
    let signals = SignalPipe::new(&[SIGTERM, SIGINT])?;
    let log = order.logs.join(log);
    let (stdout, stderr) = (fs::append(&log)?, fs::append(&log)?);
    let (program, args) = argv.split_first().ok_or(Trouble::Call("no binary is named"))?;
    let child = Command::new(program).args(args).stdin(Stdio::null()).stdout(stdout).stderr(stderr).spawn()?;
    let watch = Watch::new(child.id())?;
    loop {
        let ended = match watch.wait(Some(clock::now() + LOOK_EVERY), Some(&signals), false)? {
            Woke::Exited => return Ok(Ended::Exited(watch.reap()?.exit_status())),
            Woke::Deadline if progress()? => continue,
            Woke::Deadline => Ended::Hung,
            Woke::Signalled | Woke::Abandoned => Ended::Stopped,
        };
        watch.stop(Duration::from_millis(300))?;
        return Ok(ended);
    }
}
