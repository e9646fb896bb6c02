//! Existing logs in the brief form.
//!
//! It is no verdict: whoever wrote the log wrote what it says. So there is no `VERDICT:` line, and no failure found means no more
//! than that.

mod compiler;
mod explain;
mod findings;
mod lines;
mod nextest;
mod tests_reader;

use std::io::{self, Read};

use camino::Utf8Path;

pub(crate) use findings::{Findings, Found};

use super::Detail;
use super::error_line::{ErrorLine, within_limit};
use super::github::{annotation, disarmed, with_annotations};
use super::json::{SummaryFacts, json_line};
use crate::base::text::without_escapes;
use compiler::CompilerReader;
use tests_reader::TestsReader;

/// Reads a log to its end and adds what it tells to `findings`. Paths below `root` are shown relative to it.
///
/// Known are cargo, rustc and clippy (text and JSON messages), rustfmt, libtest, nextest, and `file:line:column: error:` of any
/// compiler.
///
/// # Errors
/// Those of the reader.
pub(crate) fn read_log(source: impl Read, root: &Utf8Path, findings: &mut Findings) -> io::Result<()> {
    let mut tests = TestsReader::default();
    let mut compiler = CompilerReader::new(root);
    let read = lines::each_line(source, |line| {
        if line.starts_with('{') {
            compiler.json(line, findings);
            return;
        }
        let line = without_escapes(line);
        let line = line.trim_end();
        if tests.line(line, findings) {
            compiler.flush(findings);
        } else {
            compiler.line(line, findings);
        }
    });
    tests.flush(findings);
    compiler.flush(findings);
    read
}

/// The logs as a person reads them.
pub(crate) fn brief_of_logs(findings: &Findings, detail: Detail) -> String {
    let (first, between, last) = findings.kept();
    let dropped = usize::try_from(between).unwrap_or(usize::MAX);
    let left_out = |more: usize| format!("… and {more} more in the log");
    let line = |found: &&Found| ErrorLine::from(*found).to_string();
    let mut lines: Vec<String> = first.iter().map(line).collect();
    let kept_first = lines.len();
    lines.extend(last.iter().map(line));
    let mut lines = if detail == Detail::Verbose {
        if dropped > 0 {
            lines.insert(kept_first, left_out(dropped));
        }
        lines
    } else {
        within_limit(lines, |more| left_out(more.saturating_add(dropped)))
    };
    if detail != Detail::Quiet {
        let counts = findings.counts;
        lines.push(format!("SUMMARY: {} passed, {} failed, {} skipped", counts.passed, counts.failed, counts.skipped));
        if findings.tally.total() > 0 {
            lines.push(format!("TOP_ERRORS: {}", findings.tally));
        }
    }
    lines.into_iter().map(|line| line + "\n").collect()
}

/// The same as JSON lines: failures and a summary.
pub(crate) fn json_of_logs(findings: &Findings) -> String {
    let (first, _, last) = findings.kept();
    let failures = first.into_iter().chain(last).map(|found| json_line("failure", found));
    failures.collect::<String>() + &json_line("summary", &SummaryFacts::of(findings.counts, &findings.tally, None))
}

/// The same with annotations.
pub(crate) fn github_of_logs(findings: &Findings, detail: Detail) -> String {
    let (first, between, last) = findings.kept();
    let commands = first.into_iter().chain(last).map(|found| annotation(&ErrorLine::from(found)));
    let more = usize::try_from(between).unwrap_or(usize::MAX);
    with_annotations(commands.collect(), more, &disarmed(&brief_of_logs(findings, detail)))
}

/// Ends the reading of logs: a log that only says that something failed has a failure all the same.
pub(crate) fn settled(mut findings: Findings) -> Findings {
    findings.settle();
    findings
}

impl<'a> From<&'a Found> for ErrorLine<'a> {
    fn from(found: &'a Found) -> Self {
        ErrorLine {
            category: found.category.as_str(),
            subject: found.subject.as_deref(),
            message: &found.message,
            place: found.place.as_ref(),
            id: found.id.as_str(),
        }
    }
}

#[cfg(test)]
mod tests;
