//! From a fault to a failure: its category, place, short cause and id.

use camino::{Utf8Path, Utf8PathBuf};

use super::judge::Fault;
use super::test_event::{Ending, Said, TestEnd};
use crate::base::panic_text::{self, PanicText};
use crate::base::{Category, FailureId, FailureKind, Tier};
use crate::domain::contract::CategoryRule;
use crate::domain::record::{Failure, Place, Replay, TestName};
use crate::ports::fs;

/// How much of a failure's output is read from either end.
const READ: u64 = 64 << 10;
/// How much of it a failure carries along.
const EXCERPT: usize = 4 << 10;

/// What all failures of a step have in common.
pub(super) struct Scene<'a> {
    pub(super) tier: Tier,
    pub(super) step: &'a str,
    pub(super) rules: &'a [CategoryRule],
    /// The workspace's root, which places are relative to.
    pub(super) root: &'a Utf8Path,
    /// The run's folder, which logs are relative to.
    pub(super) run_dir: &'a Utf8Path,
    /// The folder of the tests' logs.
    pub(super) logs: &'a Utf8Path,
    /// The step's own log.
    pub(super) step_log: &'a Utf8Path,
}

/// The nature of a failure, before it has a name.
struct Nature {
    kind: FailureKind,
    category: Category,
    message: String,
    place: Option<Place>,
}

impl Scene<'_> {
    /// The failure of a test; `dir` is its package's folder and `locate` finds a test's function in the sources.
    pub(super) fn test_failure(
        &self,
        test: &TestName,
        fault: &Fault,
        dir: &Utf8Path,
        locate: impl Fn(&TestName) -> Option<Place>,
    ) -> Failure {
        let (ending, flaky) = match fault {
            Fault::Ended(ending) => (Some(ending.as_ref()), None),
            Fault::Flaky(ending, rate) => (Some(ending.as_ref()), Some(rate)),
            Fault::Killed(_) | Fault::Mismatch(_) => (None, None),
        };
        let output = ending.map(|ending| self.output(&ending.log)).unwrap_or_default();
        let mut nature = match (fault, ending) {
            (Fault::Killed(Some(word)), _) if word.contains("timeout") => {
                Nature::plain(Category::timeout(), "stopped by nextest at its own time limit")
            }
            (Fault::Killed(_), _) => {
                Nature::plain(Category::signal(), "killed together with the process that watched it")
            }
            (Fault::Mismatch(text), _) => Nature::plain(Category::tamper(), text),
            (_, Some(ending)) => self.nature(test, ending, &output, dir),
            (_, None) => Nature::plain(Category::tamper(), "nothing is known of its end"),
        };
        if let Some(rate) = flaky {
            let often = rate.map(|rate| format!(" ({rate})")).unwrap_or_default();
            nature.message = format!("failed at first, passed when run again{often}: {}", nature.message);
            nature.category = Category::flaky();
            nature.kind = FailureKind::Test;
        } else if let Some(rule) =
            self.rules.iter().find(|rule| output.lines().any(|line| rule.pattern.0.is_match(line)))
        {
            nature.category = Category::named(&rule.name);
        }
        let log = ending.map_or_else(|| self.step_log.to_owned(), |ending| self.logs.join(&ending.log));
        Failure {
            id: FailureId::new(nature.kind, &[&test.binary, &test.name]),
            category: nature.category,
            tier: self.tier,
            step: self.step.to_owned(),
            subject: Some(test.name.clone()),
            message: nature.message,
            place: nature.place.or_else(|| locate(test)),
            test: Some(test.clone()),
            excerpt: excerpt(&output),
            log: self.in_run(&log),
            replay: Replay::default(),
        }
    }

    /// A failure of the step itself.
    pub(super) fn step_failure(&self, category: Category, message: &str) -> Failure {
        let (head, between, tail) = fs::head_and_tail(self.step_log, 2 << 10).unwrap_or_default();
        let gap = if between > 0 { "\n…\n" } else { "" };
        Failure {
            id: FailureId::new(FailureKind::Gate, &[self.step, category.as_str()]),
            category,
            tier: self.tier,
            step: self.step.to_owned(),
            subject: Some(self.step.to_owned()),
            message: message.to_owned(),
            place: None,
            test: None,
            excerpt: excerpt(&format!("{head}{gap}{tail}")),
            log: self.in_run(self.step_log),
            replay: Replay::default(),
        }
    }

    /// A path below the run's folder, relative to it.
    pub(super) fn in_run(&self, path: &Utf8Path) -> Utf8PathBuf {
        path.strip_prefix(self.run_dir).unwrap_or(path).to_owned()
    }

    fn output(&self, log: &Utf8Path) -> String {
        let (head, between, tail) = fs::head_and_tail(&self.logs.join(log), READ).unwrap_or_default();
        if between > 0 { format!("{head}\n… {between} bytes left out …\n{tail}") } else { head + &tail }
    }

    fn nature(&self, test: &TestName, ending: &Ending, output: &str, dir: &Utf8Path) -> Nature {
        let panics = panic_text::panics(output);
        let panic = panic_text::root_cause(&panics, &test.name);
        // A panic within another crate's code has its cause in the test, which is looked up in the sources.
        let place = || {
            let place = panic.map(|panic| self.place(&panic.file, panic.line, panic.column, dir))?;
            (!place.file.is_absolute()).then_some(place)
        };
        match &ending.end {
            TestEnd::TimedOut => {
                let limit = super::context::humane(std::time::Duration::from_millis(ending.ms));
                Nature::plain(Category::timeout(), &format!("still running after {limit}, the time limit of a test"))
            }
            TestEnd::Stopped => Nature::plain(Category::timeout(), "stopped from outside before it ended"),
            TestEnd::OutOfMemory => Nature::plain(Category::oom(), "killed by the system for want of memory"),
            TestEnd::NotStarted(why) => {
                Nature::plain(Category::setup(), &format!("its process cannot be started: {why}"))
            }
            TestEnd::Signalled(number) => {
                if output
                    .lines()
                    .any(|line| line.starts_with("memory allocation of ") && line.contains(" bytes failed"))
                {
                    return Nature::plain(Category::oom(), "a memory allocation failed");
                }
                let message = signal_message(*number, output, panic.map(|panic| panic_text::headline(&panic.message)));
                Nature { place: place(), ..Nature::plain(Category::signal(), &message) }
            }
            TestEnd::Exited(0) if !ending.leaked.is_empty() => {
                Nature::plain(Category::leak(), &format!("left processes behind: {}", ending.leaked.join(", ")))
            }
            TestEnd::Exited(code) if ending.said == Said::Nothing => {
                let message = format!("its process ended with {code} before the test harness gave a verdict");
                Nature { place: place(), ..Nature::plain(Category::exit(), &message) }
            }
            TestEnd::Exited(code) => match (panic, &ending.said) {
                (Some(panic), _) => {
                    let mut nature = of_panic(&panic.message);
                    if nature.category == Category::panic() && place().is_some_and(|place| self.asserts(&place)) {
                        nature.category = Category::assert();
                    }
                    let of_property = nature.kind == FailureKind::Property;
                    let inner = of_property.then(|| self.property_place(panic, &panics, dir)).flatten();
                    Nature { place: inner.or_else(place), ..nature }
                }
                (None, Said::Failed(why)) if !why.is_empty() => {
                    let (text, at) = why.rsplit_once(" at ").unwrap_or((why, ""));
                    let place = self.written_place(at, dir);
                    let message = panic_text::headline(if place.is_some() { text } else { why });
                    Nature { place, ..Nature::plain(Category::assert(), message.trim_start_matches("note: ")) }
                }
                (None, _) => {
                    let error = output.lines().find_map(|line| line.strip_prefix("Error: "));
                    let message =
                        error.map_or(format!("failed with exit status {code}"), |e| format!("returned an error: {e}"));
                    Nature::plain(Category::assert(), &message)
                }
            },
        }
    }

    /// Where within a block of properties one failed: by its own words, or by the last panic that it caught.
    fn property_place(&self, panic: &PanicText, panics: &[PanicText], dir: &Utf8Path) -> Option<Place> {
        if let Some((file, line)) = panic_text::property_place(&panic.message) {
            return Some(Place { column: None, ..self.place(file, line, 0, dir) });
        }
        let caught = panics.iter().rev().find(|other| (&other.file, other.line) != (&panic.file, panic.line))?;
        Some(self.place(&caught.file, caught.line, caught.column, dir))
    }

    /// Whether an assertion stands there. With a message of its own `assert!` panics with that alone.
    fn asserts(&self, place: &Place) -> bool {
        let text = fs::read_text(&self.root.join(&place.file)).unwrap_or_default();
        let line = text.lines().nth(place.line.saturating_sub(1) as usize).unwrap_or_default();
        let at = place.column.unwrap_or(1).saturating_sub(1) as usize;
        let called: String = line.chars().skip(at).take_while(|c| c.is_alphanumeric() || "_:".contains(*c)).collect();
        called.rsplit("::").next().is_some_and(|name| name.starts_with("assert") || name.starts_with("debug_assert"))
    }

    /// `src/lib.rs:28:29` as a place.
    fn written_place(&self, text: &str, dir: &Utf8Path) -> Option<Place> {
        let mut parts = text.rsplitn(3, ':');
        let column = parts.next()?.parse().ok()?;
        let line = parts.next()?.parse().ok()?;
        Some(self.place(parts.next()?, line, column, dir))
    }

    /// Panics name files relative to the workspace's root, or for older toolchains and path dependencies otherwise.
    fn place(&self, file: &str, line: u32, column: u32, dir: &Utf8Path) -> Place {
        let path = Utf8Path::new(file);
        let within = path.strip_prefix(self.root).unwrap_or(path);
        let from_package = dir.join(within);
        let known = |path: &Utf8Path| fs::size(path).is_some();
        let file = match from_package.strip_prefix(self.root) {
            Ok(relative) if !known(&self.root.join(within)) && known(&from_package) => relative.to_owned(),
            _ => within.to_owned(),
        };
        Place { file, line, column: Some(column) }
    }
}

impl Nature {
    fn plain(category: Category, message: &str) -> Nature {
        Nature { kind: FailureKind::Test, category, message: message.to_owned(), place: None }
    }
}

fn of_panic(message: &str) -> Nature {
    let counterexample = panic_text::property_counterexample(message);
    let (kind, category) = match &counterexample {
        Some(_) => (FailureKind::Property, Category::property()),
        None if panic_text::is_assertion(message) => (FailureKind::Test, Category::assert()),
        None => (FailureKind::Test, Category::panic()),
    };
    Nature { kind, category, message: counterexample.unwrap_or_else(|| panic_text::headline(message)), place: None }
}

/// The signals that end tests, by name.
pub(super) fn signal_name(number: i32) -> String {
    let name = signal_hook::low_level::signal_name(number);
    name.map_or_else(|| format!("signal {number}"), str::to_owned)
}

fn signal_message(number: i32, output: &str, panic: Option<String>) -> String {
    let name = signal_name(number);
    if output.lines().any(|line| line.contains("has overflowed its stack")) {
        format!("{name}, stack overflow")
    } else if let Some(panic) = panic {
        format!("{name} after a panic: {panic}")
    } else {
        name
    }
}

/// The lines that say most: from the first panic on if there is one, else the last ones.
fn excerpt(output: &str) -> String {
    let from_panic = output.find("\nthread '").map_or(output, |at| &output[at + 1..]);
    let bound = |text: &str, at: usize| (0..=at.min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
    if from_panic.len() < output.len() || output.starts_with("thread '") {
        from_panic[..bound(from_panic, EXCERPT)].trim_end().to_owned()
    } else {
        output[bound(output, output.len().saturating_sub(EXCERPT))..].trim().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_their_names() {
        assert_eq!(signal_message(6, "thread 'x' (1) has overflowed its stack\n", None), "SIGABRT, stack overflow");
        assert_eq!(signal_message(11, "", None), "SIGSEGV");
        assert_eq!(signal_message(6, "", Some("boom".into())), "SIGABRT after a panic: boom");
    }

    #[test]
    fn an_excerpt_begins_at_the_panic_and_is_bounded() {
        let output = format!("noise\nthread 'a' (1) panicked at src/lib.rs:1:1:\nboom\n{}", "é".repeat(10_000));
        let text = excerpt(&output);
        assert!(text.starts_with("thread 'a'"));
        assert!(text.len() <= EXCERPT);
    }
}
