//! What libtest and nextest print of a run of tests.

use std::collections::{BTreeMap, BTreeSet};

use super::explain::{End, Example, FailedTest};
use super::findings::Findings;
use super::nextest::{Status, summary};
use crate::base::panic_text::{headline, is_assertion, panics};
use crate::base::text::capped;
use crate::base::{Category, FailureId, FailureKind};
use crate::domain::record::{Counts, Place};

/// Output of one test, or loose output, is kept up to here.
const OUTPUT_BYTES: usize = 64 << 10;
/// So many tests that failed may await their explanation.
const WAITING: usize = 10_000;
const NAME_BYTES: usize = 512;

/// Reads the lines that belong to tests.
#[derive(Debug, Default)]
pub(super) struct TestsReader {
    /// The test binary that runs, named as nextest does as far as the log allows.
    binary: String,
    /// The crate whose tests came last: integration tests are named after it.
    package: String,
    doctests: bool,
    /// The lines of the examples of each item.
    examples: BTreeMap<String, BTreeSet<u32>>,
    /// Between `running N tests` and `test result:`.
    running: bool,
    /// Tests of this binary that were called failed and not explained yet.
    waiting: BTreeSet<String>,
    section: Option<Section>,
    /// Output that belongs to no section, where it may hold a panic.
    loose: String,
    nextest: Option<Nextest>,
}

/// The output of one test.
#[derive(Debug)]
struct Section {
    binary: String,
    name: String,
    status: Option<Status>,
    output: String,
}

#[derive(Debug, Default)]
struct Nextest {
    /// Attempts that failed; whether their test did is known at the end.
    tries: BTreeMap<(String, String), Section>,
    reported: BTreeSet<(String, String)>,
    ended: bool,
}

fn keep(output: &mut String, line: &str) {
    if output.len() + line.len() < OUTPUT_BYTES {
        output.push_str(line);
        output.push('\n');
    }
}

impl TestsReader {
    /// Reads one line; whether it belongs to tests.
    pub(super) fn line(&mut self, line: &str, findings: &mut Findings) -> bool {
        self.nextest_line(line, findings) || self.libtest_line(line, findings) || self.loose_line(line, findings)
    }

    /// Ends what is under way.
    pub(super) fn flush(&mut self, findings: &mut Findings) {
        self.close_section(findings);
        self.explain_waiting(findings);
        self.report_loose(findings);
    }

    fn nextest_line(&mut self, line: &str, findings: &mut Findings) -> bool {
        if line.trim_start().starts_with("Nextest run ID ") {
            self.flush(findings);
            self.nextest = Some(Nextest::default());
            return true;
        }
        if let Some((status, binary, name)) = Status::of(line) {
            self.close_section(findings);
            self.nextest.get_or_insert_default();
            if status.is_bad() {
                let (binary, name) = (capped(binary, NAME_BYTES), capped(name, NAME_BYTES));
                self.section = Some(Section { binary, name, status: Some(status), output: String::new() });
            }
            return true;
        }
        let Some(nextest) = &mut self.nextest else { return false };
        if let Some(counts) = summary(line) {
            nextest.ended = true;
            findings.add_counts(counts);
            self.close_section(findings);
            return true;
        }
        if line.starts_with("error: ") && self.section.as_ref().is_none_or(|section| section.output.is_empty()) {
            self.close_section(findings);
            return false;
        }
        if let Some(section) = &mut self.section {
            keep(&mut section.output, line);
            return true;
        }
        // Before the first test cargo builds, and what it says is the compiler's.
        false
    }

    fn libtest_line(&mut self, line: &str, findings: &mut Findings) -> bool {
        if self.nextest.as_ref().is_some_and(|nextest| !nextest.ended) {
            return false;
        }
        if let Some(counts) = line.strip_prefix("test result: ").and_then(result_counts) {
            self.close_section(findings);
            if counts.failed > 0 {
                findings.closing(Category::exit(), "tests failed that the log does not name");
            }
            self.explain_waiting(findings);
            findings.add_counts(counts);
            self.running = false;
            return true;
        }
        if let Some(name) = line.strip_prefix("---- ").and_then(section_name) {
            self.close_section(findings);
            let name = capped(name, NAME_BYTES);
            self.waiting.remove(&name);
            let binary = self.binary.clone();
            self.section = Some(Section { binary, name, status: None, output: String::new() });
            return true;
        }
        if let Some(section) = &mut self.section {
            if line == "failures:" || line == "successes:" {
                self.close_section(findings);
            } else {
                keep(&mut section.output, line);
            }
            return true;
        }
        if let Some(running) = line.trim_start().strip_prefix("Running ").and_then(Running::of) {
            self.start_binary(findings);
            self.name_binary(&running);
            return true;
        }
        if line.trim_start().starts_with("Doc-tests ") {
            self.start_binary(findings);
            // A run names the examples of all packages so.
            self.binary = "doc".to_owned();
            self.doctests = true;
            return true;
        }
        if line.strip_prefix("running ").is_some_and(|rest| rest.ends_with(" test") || rest.ends_with(" tests")) {
            self.running = true;
            self.report_loose(findings);
            return true;
        }
        if !self.running {
            return false;
        }
        if line.starts_with("error: test failed") || line.starts_with("error: doctest failed") {
            // The binary ended without its result.
            self.explain_waiting(findings);
            self.running = false;
            return false;
        }
        if self.doctests
            && let Some((name, _)) = line.strip_prefix("test ").and_then(|rest| rest.rsplit_once(" ... "))
            && self.examples.len() < WAITING
        {
            let example = Example::of(name);
            self.examples.entry(capped(&example.lasting_name(), NAME_BYTES)).or_default().insert(example.line);
        }
        if let Some(name) = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED"))
            && self.waiting.len() < WAITING
        {
            self.waiting.insert(capped(plain_name(name), NAME_BYTES));
        }
        keep(&mut self.loose, line);
        true
    }

    /// Programs panic outside of tests, too; and a test binary may die.
    fn loose_line(&mut self, line: &str, findings: &mut Findings) -> bool {
        if let Some((_, end)) = line.split_once("process didn't exit successfully: ") {
            self.report_end(end, findings);
            return true;
        }
        let begins = line.contains("thread '") && line.contains("panicked at ");
        if begins || !self.loose.is_empty() {
            let is_over = line.trim().is_empty() || line.starts_with("note: ") || line.starts_with("error");
            if begins && self.loose.len() > OUTPUT_BYTES / 2 {
                self.report_loose(findings);
            }
            if is_over && !begins {
                self.report_loose(findings);
                return false;
            }
            keep(&mut self.loose, line);
            return true;
        }
        false
    }

    fn start_binary(&mut self, findings: &mut Findings) {
        self.explain_waiting(findings);
        self.report_loose(findings);
        self.running = false;
        self.doctests = false;
        self.examples.clear();
    }

    fn name_binary(&mut self, running: &Running<'_>) {
        if running.is_unit {
            running.krate.clone_into(&mut self.package);
        }
        let krate = running.krate;
        let kind = match running.source.split('/').next() {
            _ if running.is_unit && running.source.ends_with("main.rs") => "::bin/",
            _ if running.is_unit => "",
            Some("tests") => "::",
            Some("benches") => "::bench/",
            Some("examples") => "::example/",
            _ => "",
        };
        let package = self.package.as_str();
        self.binary =
            if kind.is_empty() || package.is_empty() { krate.to_owned() } else { format!("{package}{kind}{krate}") };
    }

    fn close_section(&mut self, findings: &mut Findings) {
        let Some(section) = self.section.take() else { return };
        let Some(status) = &section.status else {
            findings.add(section.explained(self.end_of(&section.name)));
            return;
        };
        let Some(nextest) = &mut self.nextest else { return };
        let key = (section.binary.clone(), section.name.clone());
        if status.is_attempt && !nextest.ended {
            if nextest.tries.len() < WAITING {
                nextest.tries.insert(key, section);
            }
            return;
        }
        // The list after the summary names again what was shown above.
        if nextest.reported.contains(&key) {
            return;
        }
        let section = if status.is_attempt { nextest.tries.remove(&key).unwrap_or(section) } else { section };
        if nextest.reported.len() < WAITING {
            nextest.reported.insert(key);
        }
        if let Some(status) = &section.status {
            findings.add(section.explained(status.end()));
        }
    }

    /// Tests that failed and whose output isn't shown apart, as with `--nocapture`.
    fn explain_waiting(&mut self, findings: &mut Findings) {
        let loose = std::mem::take(&mut self.loose);
        let all = panics(&loose);
        for name in std::mem::take(&mut self.waiting) {
            let own: Vec<_> = all.iter().filter(|panic| panic.thread == name).collect();
            let output = own.last().map_or(String::new(), |panic| {
                let place = format!("{}:{}:{}", panic.file, panic.line, panic.column);
                format!("thread '{name}' panicked at {place}:\n{}\n", panic.message)
            });
            let end = self.end_of(&name);
            let test = FailedTest { binary: &self.binary, name: &name, end, output: &output };
            findings.add(test.explained());
        }
    }

    /// How a test of libtest failed; an example is named as the n-th of its item.
    fn end_of(&self, name: &str) -> End<'static> {
        if !self.doctests {
            return End::Failed;
        }
        let example = Example::of(name);
        let lines = self.examples.get(&example.lasting_name());
        End::Doctest(lines.map_or(0, |lines| lines.range(..example.line).count()))
    }

    fn report_loose(&mut self, findings: &mut Findings) {
        let loose = std::mem::take(&mut self.loose);
        for panic in panics(&loose) {
            let category = if is_assertion(&panic.message) { Category::assert() } else { Category::panic() };
            let place = Place { file: panic.file.into(), line: panic.line, column: Some(panic.column) };
            findings.add_compile(FailureKind::Build, category, headline(&panic.message), Some(place));
        }
    }

    /// `` `PROGRAM` (signal: 6, SIGABRT: process abort signal)`` or `(exit status: 3)`.
    fn report_end(&mut self, end: &str, findings: &mut Findings) {
        let overflow = self.loose.contains("has overflowed its stack");
        self.loose.clear();
        let Some((program, how)) = end.rsplit_once(" (").map(|(program, how)| (program, how.trim_end_matches(')')))
        else {
            return;
        };
        let (category, message) = match how.strip_prefix("signal: ") {
            Some(signal) => {
                let name =
                    signal.split([',', ':']).map(str::trim).find(|part| part.starts_with("SIG")).unwrap_or(signal);
                (Category::signal(), if overflow { format!("{name}, stack overflow") } else { name.to_owned() })
            }
            // Libtest's own answer to failures, and rustc's to errors.
            None if matches!(how, "exit status: 101" | "exit code: 101" | "exit status: 1" | "exit code: 1") => return,
            None => (Category::exit(), format!("its process ended with {how}")),
        };
        let subject =
            if self.binary.is_empty() { capped(program.trim_matches('`'), NAME_BYTES) } else { self.binary.clone() };
        let id = FailureId::new(FailureKind::Test, &[&subject, category.as_str()]);
        findings.add(super::Found { id, category, subject: Some(subject), message, place: None });
    }
}

impl Section {
    fn explained(&self, end: End<'_>) -> super::Found {
        FailedTest { binary: &self.binary, name: &self.name, end, output: &self.output }.explained()
    }
}

/// `unittests src/lib.rs (target/debug/deps/demo-0123)` or `tests/it.rs (…)`.
struct Running<'a> {
    is_unit: bool,
    source: &'a str,
    krate: &'a str,
}

impl<'a> Running<'a> {
    fn of(text: &'a str) -> Option<Running<'a>> {
        let (source, program) = text.strip_suffix(')')?.rsplit_once(" (")?;
        let file = program.rsplit(['/', '\\']).next()?;
        let (krate, _) = file.rsplit_once('-')?;
        let unit = source.strip_prefix("unittests ");
        Some(Running { is_unit: unit.is_some(), source: unit.unwrap_or(source), krate })
    }
}

fn section_name(rest: &str) -> Option<&str> {
    rest.strip_suffix(" stdout ----").or_else(|| rest.strip_suffix(" stderr ----")).map(plain_name)
}

fn plain_name(name: &str) -> &str {
    name.strip_suffix(" - should panic").unwrap_or(name)
}

/// `FAILED. 1 passed; 5 failed; 1 ignored; 0 measured; 0 filtered out`.
fn result_counts(text: &str) -> Option<Counts> {
    let (_, counts) = text.split_once(". ")?;
    let number = |word: &str| {
        let part = counts.split(';').find_map(|part| part.trim().strip_suffix(word))?;
        part.trim().parse().ok()
    };
    Some(Counts { passed: number("passed")?, failed: number("failed")?, skipped: number("ignored")? })
}
