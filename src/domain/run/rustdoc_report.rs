//! What rustdoc prints of the examples that it runs.
//!
//! An example's output appears in it only below `failures:`, so that nothing that an example prints can stand for a result.

use std::collections::BTreeMap;

use camino::Utf8Path;

use crate::domain::record::TestOutcome;
use crate::ports::fs;

/// What rustdoc reports, of all packages together.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Rustdoc {
    /// By example, `src/lib.rs - add (line 6)`: how it ended.
    pub(super) results: Vec<(String, TestOutcome)>,
    /// The output of those that failed.
    pub(super) output: BTreeMap<String, String>,
    pub(super) announced: u64,
}

/// Where in rustdoc's report a line stands.
enum At {
    Outside,
    Results,
    Output(Option<String>),
}

/// The output that is kept of one example.
const KEPT: usize = 16 << 10;

/// Reads what rustdoc has printed.
pub(super) fn read(stdout: &Utf8Path) -> fs::Result<Rustdoc> {
    let mut rustdoc = Rustdoc::default();
    let mut at = At::Outside;
    fs::each_line(stdout, |line| at = step(&mut rustdoc, std::mem::replace(&mut at, At::Outside), line))?;
    Ok(rustdoc)
}

fn step(rustdoc: &mut Rustdoc, at: At, line: &str) -> At {
    let announced = line.strip_prefix("running ").and_then(|rest| rest.split(' ').next()?.parse::<u64>().ok());
    match at {
        At::Outside => match announced {
            Some(count) => {
                rustdoc.announced += count;
                At::Results
            }
            None => At::Outside,
        },
        At::Results if line == "failures:" => At::Output(None),
        At::Results if line.starts_with("test result: ") => At::Outside,
        At::Results => {
            if let Some((name, outcome)) = line.strip_prefix("test ").and_then(result) {
                rustdoc.results.push((name.to_owned(), outcome));
            }
            At::Results
        }
        At::Output(current) => {
            let header = line.strip_prefix("---- ").and_then(|rest| rest.strip_suffix(" stdout ----"));
            if let Some(name) = header.filter(|name| rustdoc.results.iter().any(|(known, _)| known == name)) {
                return At::Output(Some(name.to_owned()));
            }
            if line.starts_with("test result: FAILED. ") && current.is_none() {
                return At::Outside;
            }
            // The second `failures:` block lists names only; the summary ends it.
            if line == "failures:" {
                return At::Output(None);
            }
            if let Some(name) = &current {
                let text = rustdoc.output.entry(name.clone()).or_default();
                if text.len() < KEPT {
                    text.push_str(line);
                    text.push('\n');
                }
            }
            At::Output(current)
        }
    }
}

fn result(text: &str) -> Option<(&str, TestOutcome)> {
    let (name, word) = text.rsplit_once(" ... ")?;
    let outcome = match word.split([',', ' ']).next()? {
        "ok" => TestOutcome::Passed,
        "FAILED" => TestOutcome::Failed,
        "ignored" => TestOutcome::Ignored,
        _ => return None,
    };
    Some((name, outcome))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reported(text: &str) -> Rustdoc {
        let mut rustdoc = Rustdoc::default();
        let mut at = At::Outside;
        for line in text.lines() {
            at = step(&mut rustdoc, at, line);
        }
        rustdoc
    }

    #[test]
    fn an_example_cannot_print_itself_a_result() {
        let rustdoc = reported(
            "\nrunning 2 tests\ntest src/lib.rs - a (line 3) ... FAILED\ntest src/lib.rs - b (line 6) - compile fail ... ok\n\n\
             failures:\n\n---- src/lib.rs - a (line 3) stdout ----\nTest executable failed (exit status: 101).\n\nstdout:\n\
             test src/lib.rs - a (line 3) ... ok\ntest result: ok. 1 passed\n\nfailures:\n    src/lib.rs - a (line 3)\n\n\
             test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.1s\n",
        );
        let outcomes: Vec<TestOutcome> = rustdoc.results.iter().map(|(_, outcome)| *outcome).collect();
        assert_eq!(outcomes, [TestOutcome::Failed, TestOutcome::Passed]);
        assert_eq!(rustdoc.announced, 2);
        assert!(rustdoc.output["src/lib.rs - a (line 3)"].contains("exit status: 101"));
    }
}
