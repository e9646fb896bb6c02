//! Many tests of a binary in one process: a fraction of what a process for each would cost.
//!
//! Verdicts come from the log that libtest keeps (`--logfile`). A test is good here if exactly one verdict says so, and nothing was
//! odd about the process; everything else is open.

#![expect(clippy::disallowed_methods, reason = "the shim spawns the test binary")]

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use signal_hook::consts::{SIGINT, SIGTERM};

use super::single::{self, Test};
use super::{OneProcess, Order, Trouble, exit_code, list};
use crate::base::Digest;
use crate::domain::run::test_event::{self, TestEvent};
use crate::ports::tree::{self, SignalPipe, Watch, Woke};
use crate::ports::{clock, env, fs};

/// How often the log of verdicts is read while the process runs.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long a process may take to end after it was asked to.
const GRACE: Duration = Duration::from_millis(300);
/// Names on one command line stay well below the system's limit.
const LONGEST_ARGUMENTS: usize = 96 << 10;
/// Past so many names to leave out, the names to run are given instead.
const MOST_SKIPPED: usize = 256;
/// So much of a log of verdicts is read at a time.
const MOST_READ: u64 = 4 << 20;
/// The exit status of libtest where a test has failed.
const SOME_FAILED: i32 = 101;
/// Output of good tests up to this length is folded into the step's log.
const FOLDED: u64 = 64 << 10;

/// Runs a binary's taken tests in as few processes as can be, and says which are open.
pub(super) fn run(order: &Order, how: &OneProcess, binary: &str) -> Result<u8, Trouble> {
    let id = order.binaries.get(binary).cloned().unwrap_or_else(|| binary.to_owned());
    let Some(listed) = list::both(order, &id, binary)? else { return Ok(exit_code(false)) };
    let shared = Shared { order, id: &id, binary };
    let mut tests: Vec<String> = listed.tests;
    let repeated = take_repeated(&mut tests);
    let (first, rest): (Vec<String>, Vec<String>) =
        tests.into_iter().filter(|name| !how.apart.contains(name)).partition(|name| how.first.contains(name));
    let left_out: BTreeSet<String> = how.apart.iter().chain(&repeated).chain(&first).cloned().collect();
    let mut outcome = Outcome::default();
    for chunk in chunks(&first) {
        outcome.add(shared.run(Chunk::Named(chunk))?);
    }
    if listed.is_whole && left_out.len() <= MOST_SKIPPED {
        outcome.add(shared.run(Chunk::AllBut(&left_out, &rest))?);
    } else {
        for chunk in chunks(&rest) {
            outcome.add(shared.run(Chunk::Named(chunk))?);
        }
    }
    if outcome.stopped {
        return Ok(exit_code(false));
    }
    let apart = how.apart.iter().filter(|name| listed.names.contains(*name)).chain(&repeated);
    outcome.silent.extend(apart.cloned());
    let open: Vec<String> = outcome.failed.iter().chain(&outcome.silent).cloned().collect();
    if !open.is_empty() {
        let (failed, silent) = (outcome.failed.into_iter().collect(), outcome.silent.into_iter().collect());
        test_event::write(&order.events, &TestEvent::Open { binary: id.clone(), failed, silent })?;
    }
    let mut good = true;
    for name in open.iter().filter(|_| how.again) {
        let args = ["--exact", name, "--nocapture"].map(str::to_owned);
        let ending = single::run(order, &Test { binary: &id, name, attempt: 1 }, binary, &args)?;
        good &= single::passed(&ending, order.leaks);
    }
    Ok(exit_code(good))
}

/// Removes the names that a binary lists more than once, as some macros make it: their verdicts can't be told apart.
pub(super) fn take_repeated(tests: &mut Vec<String>) -> BTreeSet<String> {
    let mut seen = HashSet::new();
    let repeated: BTreeSet<String> = tests.iter().filter(|name| !seen.insert(name.as_str())).cloned().collect();
    tests.retain(|name| !repeated.contains(name));
    repeated
}

/// As many names at a time as a command line takes.
pub(super) fn chunks(tests: &[String]) -> Vec<&[String]> {
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

/// Which tests share a process.
pub(super) enum Chunk<'a> {
    Named(&'a [String]),
    /// All but those; the second list names all the others. Libtest compares every test with every name that it is given, which takes
    /// seconds for ten thousand.
    AllBut(&'a BTreeSet<String>, &'a [String]),
}

impl Chunk<'_> {
    fn names(&self) -> &[String] {
        match self {
            Chunk::Named(names) | Chunk::AllBut(_, names) => names,
        }
    }

    fn arguments(&self) -> Vec<String> {
        let mut arguments = vec!["--exact".to_owned()];
        match self {
            Chunk::Named(names) => arguments.extend(names.iter().cloned()),
            Chunk::AllBut(skipped, _) => {
                arguments.extend(skipped.iter().flat_map(|name| ["--skip".to_owned(), name.clone()]));
            }
        }
        arguments
    }
}

/// What the processes showed of their tests.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) failed: BTreeSet<String>,
    /// Without exactly one verdict, or with one that can't be relied on.
    pub(super) silent: BTreeSet<String>,
    pub(super) stopped: bool,
}

impl Outcome {
    fn add(&mut self, other: Outcome) {
        self.failed.extend(other.failed);
        self.silent.extend(other.silent);
        self.stopped |= other.stopped;
    }
}

/// A binary whose tests share processes.
pub(super) struct Shared<'a> {
    pub(super) order: &'a Order,
    pub(super) id: &'a str,
    pub(super) binary: &'a str,
}

impl Shared<'_> {
    /// Runs some tests in one process; those that are good are told as they end.
    pub(super) fn run(&self, chunk: Chunk<'_>) -> Result<Outcome, Trouble> {
        let Some(name) = chunk.names().first() else { return Ok(Outcome::default()) };
        let digest = Digest::of_fields([self.id.as_bytes(), name.as_bytes()]);
        let log = Utf8PathBuf::from(format!("together-{}.log", digest.prefix(8)));
        let path = self.order.logs.join(format!(".{log}.verdict"));
        // Output goes straight to the log: libtest would keep it in memory, however much it is.
        let mut args = vec!["--logfile".to_owned(), path.to_string(), "--nocapture".to_owned()];
        args.extend(chunk.arguments());
        let mut reader = VerdictReader::new(self, &log, &path, chunk.names());
        let ended = self.follow(&self.order.argv(self.binary, &args), &log, || reader.progress())?;
        reader.progress()?;
        fs::remove_file(&path)?;
        let leaked = !tree::children().is_empty();
        tree::kill_all(Duration::from_secs(1));
        let outcome = reader.outcome(ended, leaked);
        if outcome.failed.is_empty() && outcome.silent.is_empty() && !outcome.stopped {
            self.fold(chunk.names().len(), &log)?;
        }
        Ok(outcome)
    }

    /// Runs a process and looks at its progress until it ends, hangs, or is to be stopped.
    fn follow(
        &self,
        argv: &[String],
        log: &Utf8Path,
        mut progress: impl FnMut() -> Result<bool, Trouble>,
    ) -> Result<Ended, Trouble> {
        tree::become_subreaper()?;
        let signals = SignalPipe::new(&[SIGTERM, SIGINT])?;
        let log = self.order.logs.join(log);
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
            watch.stop(GRACE)?;
            return Ok(ended);
        }
    }

    /// Moves short output of good tests into the step's log.
    fn fold(&self, tests: usize, log: &Utf8Path) -> Result<(), Trouble> {
        let (header, path) = (format!("--- ok {} {tests} in one process", self.id), self.order.logs.join(log));
        if fs::size(&path).unwrap_or(0) > FOLDED {
            fs::append_bytes(&self.order.step_log, format!("{header}, output in {log}\n").as_bytes())?;
            return Ok(());
        }
        let (text, ..) = fs::head_and_tail(&path, FOLDED)?;
        fs::append_bytes(&self.order.step_log, format!("{header}\n{text}").as_bytes())?;
        Ok(fs::remove_file(&path)?)
    }
}

/// How a process that tests share ended.
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
    shared: &'a Shared<'a>,
    log: &'a Utf8Path,
    path: &'a Utf8Path,
    offset: u64,
    last: Instant,
    /// By test: the verdicts on it, good ones first, then bad ones.
    verdicts: BTreeMap<&'a str, (u32, u32)>,
    /// Verdicts on tests that nobody asked for.
    foreign: bool,
}

impl<'a> VerdictReader<'a> {
    fn new(shared: &'a Shared<'a>, log: &'a Utf8Path, path: &'a Utf8Path, names: &'a [String]) -> VerdictReader<'a> {
        let verdicts = names.iter().map(|name| (name.as_str(), (0, 0))).collect();
        VerdictReader { shared, log, path, offset: 0, last: clock::now(), verdicts, foreign: false }
    }

    /// Whether a test has ended within the limit of one test.
    fn progress(&mut self) -> Result<bool, Trouble> {
        loop {
            let text = fs::read_from(self.path, self.offset, MOST_READ)?;
            let Some(complete) = text.iter().rposition(|byte| *byte == b'\n') else { break };
            self.offset += complete as u64 + 1;
            let text = String::from_utf8_lossy(&text[..=complete]).into_owned();
            let passed: Vec<String> = text.lines().filter_map(|line| self.take(line)).collect();
            let threads = env::parallelism().min(passed.len().max(1)) as u64;
            let ms = u64::try_from(self.last.elapsed().as_millis()).unwrap_or(0) * threads;
            self.last = clock::now();
            if !passed.is_empty() {
                let ms = ms / passed.len() as u64;
                let event = TestEvent::Passed {
                    binary: self.shared.id.to_owned(),
                    names: passed,
                    ms,
                    log: self.log.to_owned(),
                };
                test_event::write(&self.shared.order.events, &event)?;
            }
        }
        Ok(self.last.elapsed() < Duration::from_millis(self.shared.order.test_timeout_ms))
    }

    /// Takes in one line, `ok NAME`, `failed NAME`, `failed: WHY NAME`, and gives the name where it is the test's first verdict and good.
    fn take(&mut self, line: &str) -> Option<String> {
        let name = line.rsplit(' ').next().unwrap_or_default();
        if line.starts_with("ignored") {
            return None;
        }
        let Some((good, bad)) = self.verdicts.get_mut(name) else {
            self.foreign = true;
            return None;
        };
        let is_good = line.strip_prefix("ok ").is_some_and(|rest| rest == name);
        if is_good {
            *good += 1
        } else {
            *bad += 1
        }
        ((*good, *bad) == (1, 0)).then(|| name.to_owned())
    }

    fn outcome(self, ended: Ended, leaked: bool) -> Outcome {
        let all = |wanted: (u32, u32)| self.verdicts.values().all(|verdicts| *verdicts == wanted);
        // Libtest ends with 0 only after every test; whoever ends the process before it may have written anything.
        let early = ended == Ended::Exited(Some(0)) && !all((1, 0));
        let late = ended != Ended::Exited(Some(0)) && all((1, 0));
        let odd = leaked || self.foreign || early || late;
        let by_libtest = matches!(ended, Ended::Exited(Some(0 | SOME_FAILED)));
        let mut outcome = Outcome { stopped: ended == Ended::Stopped, ..Outcome::default() };
        for (name, verdicts) in self.verdicts {
            match verdicts {
                (1, 0) if !odd => {}
                (0, 1) if by_libtest => drop(outcome.failed.insert(name.to_owned())),
                _ => drop(outcome.silent.insert(name.to_owned())),
            }
        }
        outcome
    }
}
