//! The lines by which nextest tells of tests, before and after 0.9.90.

use super::explain::End;
use crate::domain::record::Counts;

/// What a status line says: `FAIL`, `SIGSEGV`, `TIMEOUT`, `TRY 2 FAIL`, `PASS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Status {
    word: String,
    /// One of several tries, whose test may pass yet.
    pub(super) is_attempt: bool,
}

impl Status {
    /// The status with the binary's id and the test's name in `FAIL [   0.091s] (1/8) demo tests::boom`.
    pub(super) fn of(line: &str) -> Option<(Status, &str, &str)> {
        let (status, rest) = line.trim_start().split_once(" [")?;
        let (time, rest) = rest.split_once("] ")?;
        let status = status.trim();
        let is_word = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || " +-/".contains(c);
        let time = time.trim().trim_start_matches("> ").strip_suffix('s')?;
        if status.is_empty() || !status.chars().all(is_word) || time.trim().parse::<f64>().is_err() {
            return None;
        }
        let rest = rest.trim_start();
        let rest = match rest.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
            Some((_, rest)) => rest.trim_start(),
            None => rest,
        };
        let (binary, name) = rest.split_once(' ')?;
        let attempt = status.strip_prefix("TRY ").and_then(|rest| rest.split_once(' '));
        let word = attempt.map_or(status, |(_, word)| word).to_owned();
        Some((Status { word, is_attempt: attempt.is_some() }, binary, name.trim()))
    }

    pub(super) fn is_bad(&self) -> bool {
        !matches!(self.end(), End::Failed) || self.word.starts_with("FAIL") || self.word == "XFAIL"
    }

    /// How the test's process ended.
    pub(super) fn end(&self) -> End<'_> {
        match self.word.as_str() {
            "TIMEOUT" | "TMT" => End::TimedOut,
            "LEAK-FAIL" | "LKFAIL" => End::Leaked,
            "ABORT" | "ABRT" => End::Signalled("SIGABRT"),
            "SEGV" => End::Signalled("SIGSEGV"),
            word if word.starts_with("SIG") => End::Signalled(word),
            _ => End::Failed,
        }
    }
}

/// `Summary [   0.198s] 8 tests run: 2 passed (1 slow), 6 failed, 1 timed out, 1 skipped`.
pub(super) fn summary(line: &str) -> Option<Counts> {
    let rest = line.trim_start().strip_prefix("Summary [")?;
    let (_, counts) = rest.split_once(": ")?;
    let mut found = Counts::default();
    let mut depth = 0;
    // What stands in parentheses is counted outside of them already.
    let outside = |c: char| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        depth == 0 && c != ')'
    };
    let mut outside = outside;
    let counts: String = counts.chars().filter(|c| outside(*c)).collect();
    for part in counts.split(',') {
        let Some((number, what)) = part.trim().split_once(' ') else { continue };
        let number: u64 = number.parse().ok()?;
        match what.trim() {
            "passed" => found.passed += number,
            "skipped" => found.skipped += number,
            "failed" | "timed out" | "exec failed" => found.failed += number,
            _ => {}
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::{Status, summary};
    use crate::domain::record::Counts;

    #[test]
    fn status_lines_of_old_and_new_versions_are_read() {
        for line in ["        FAIL [   0.091s] (1/8) demo tests::boom", "        FAIL [   0.091s] demo tests::boom"] {
            let (status, binary, name) = Status::of(line).unwrap();
            assert!(status.is_bad() && !status.is_attempt);
            assert_eq!((binary, name), ("demo", "tests::boom"));
        }
        let bad = |line| Status::of(line).map(|(status, ..)| (status.is_bad(), status.is_attempt));
        assert_eq!(bad("   TRY 2 FAIL [   0.1s] (1/8) demo::it x"), Some((true, true)));
        assert_eq!(bad("     SIGABRT [   0.1s] demo::it x"), Some((true, false)));
        assert_eq!(bad("     TIMEOUT [  60.0s] demo::it x"), Some((true, false)));
        assert_eq!(bad("        SLOW [> 60.000s] demo::it x"), Some((false, false)));
        assert_eq!(bad("   FLAKY 2/3 [   0.1s] demo::it x"), Some((false, false)));
        assert_eq!(bad("value [a] b c"), None);
    }

    #[test]
    fn a_summary_counts_each_test_once() {
        let line = "     Summary [   0.198s] 9 tests run: 2 passed (1 slow, 1 flaky), 6 failed, 1 timed out, 1 skipped";
        assert_eq!(summary(line), Some(Counts { passed: 2, failed: 7, skipped: 1 }));
    }
}
