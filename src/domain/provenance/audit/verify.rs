//! Whether the audit log is what was written.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{AuditLog, Entry, read_line};
use crate::base::Digest;
use crate::base::text::counted;
use crate::domain::record::AuditHead;
use crate::ports::{fs, journal};

/// Records of runs are no larger.
const LARGEST: u64 = 256 << 20;

/// A log in which nothing is out of place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sound {
    pub(crate) lines: u64,
    pub(crate) head: Digest,
    /// Bytes of a line whose writer was killed.
    pub(crate) unfinished: usize,
    /// Whether the head is kept apart, so that a cut tail would be seen.
    pub(crate) is_kept: bool,
}

/// What is wrong, and from which line on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    #[error("line {line} is not what was written")]
    Changed { line: u64 },
    #[error("line {line} does not follow the one before it: a line was removed or moved")]
    OutOfOrder { line: u64 },
    #[error("line {line} is missing and all that follow it: the log has {found}, and {kept} were written")]
    Cut { line: u64, found: u64, kept: u64 },
    #[error("the log is gone, and {} been written", have(*kept))]
    Gone { kept: u64 },
    #[error("line {line} is another one than was written at its place")]
    Rewritten { line: u64 },
    #[error("line {line} begins anew, though {} been written before", have(*kept))]
    Anew { line: u64, kept: u64 },
    #[error("line {line} recorded {run}, whose run.json has been changed since")]
    Record { line: u64, run: String },
}

fn have(lines: u64) -> String {
    format!("{} {}", counted(lines, "line"), if lines == 1 { "has" } else { "have" })
}

/// The part of a `run.json` that matters here.
#[derive(Deserialize)]
struct Run {
    audit: Option<AuditHead>,
}

/// Reads the whole log.
///
/// # Errors
/// It can't be read. The inner error is what is wrong with it.
pub(crate) fn verify(log: &AuditLog) -> fs::Result<Result<Sound, Broken>> {
    let kept = log.kept();
    let runs = runs(log)?;
    let (lines, unfinished) = journal::lines(&log.path)?.unwrap_or_default();
    Ok(check(&lines, kept.as_ref(), &runs).map(|head| Sound {
        lines: head.lines,
        head: head.hash,
        unfinished,
        is_kept: kept.is_some(),
    }))
}

/// By run: the text of its `run.json`.
fn runs(log: &AuditLog) -> fs::Result<BTreeMap<String, String>> {
    let names = fs::names(&log.runs)?.into_iter();
    let read = |name: String| {
        let text = fs::read_text_up_to(&log.runs.join(&name).join("run.json"), LARGEST).ok()?;
        Some((name, text))
    };
    Ok(names.filter_map(read).collect())
}

fn check(lines: &[String], kept: Option<&AuditHead>, runs: &BTreeMap<String, String>) -> Result<AuditHead, Broken> {
    let mut heads = vec![AuditHead::none()];
    let mut entries: Vec<Entry> = Vec::new();
    for (number, line) in (1..).zip(lines) {
        let (entry, hash) = read_line(line).ok_or(Broken::Changed { line: number })?;
        let follows = heads.last().is_some_and(|before| entry.previous == before.hash && entry.line == number);
        if let Some(lost) = entry.lost.as_ref().filter(|_| entry.line != number || follows) {
            return Err(Broken::Anew { line: number, kept: lost.lines });
        }
        if !follows {
            return Err(Broken::OutOfOrder { line: number });
        }
        heads.push(AuditHead { lines: number, hash });
        entries.push(entry);
    }
    let cited = runs.values().filter_map(|text| serde_json::from_str::<Run>(text).ok()?.audit);
    for kept in kept.cloned().into_iter().chain(cited) {
        holds(&heads, &kept)?;
    }
    for entry in &entries {
        let Some((run, record)) = entry.run.as_ref().zip(entry.record.as_ref()) else { continue };
        if runs.get(&run.0).is_some_and(|text| Digest::of_fields([text.as_bytes()]) != *record) {
            return Err(Broken::Record { line: entry.line, run: run.to_string() });
        }
    }
    Ok(heads.pop().unwrap_or_else(AuditHead::none))
}

/// Whether the log still has what it once ended with.
fn holds(heads: &[AuditHead], kept: &AuditHead) -> Result<(), Broken> {
    let found = heads.len() as u64 - 1;
    match heads.get(usize::try_from(kept.lines).unwrap_or(usize::MAX)) {
        Some(head) if head == kept => Ok(()),
        Some(_) => Err(Broken::Rewritten { line: kept.lines }),
        None if found == 0 => Err(Broken::Gone { kept: kept.lines }),
        None => Err(Broken::Cut { line: found + 1, found, kept: kept.lines }),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "the tests stand outside of the doors")]

    use super::super::tests::Scratch;
    use super::*;
    use proptest::prelude::*;

    fn broken(scratch: &Scratch) -> Broken {
        verify(&scratch.log).unwrap().unwrap_err()
    }

    #[test]
    fn an_edit_a_deletion_a_reordering_and_a_cut_tail_are_found() {
        let spoilt = |spoil: &dyn Fn(&mut Vec<String>)| {
            let scratch = Scratch::with(6);
            let mut lines = scratch.lines();
            spoil(&mut lines);
            scratch.put(&lines);
            broken(&scratch)
        };
        assert_eq!(spoilt(&|lines| lines[2] = lines[2].replace("deed 2", "deed 9")), Broken::Changed { line: 3 });
        assert_eq!(spoilt(&|lines| drop(lines.remove(3))), Broken::OutOfOrder { line: 4 });
        assert_eq!(spoilt(&|lines| lines.swap(1, 2)), Broken::OutOfOrder { line: 2 });
        assert_eq!(spoilt(&|lines| lines.truncate(4)), Broken::Cut { line: 5, found: 4, kept: 6 });
        assert_eq!(spoilt(&|lines| lines.clear()), Broken::Gone { kept: 6 });
        assert_eq!(spoilt(&|lines| drop(lines.remove(0))), Broken::OutOfOrder { line: 1 });
    }

    #[test]
    fn a_log_that_is_gone_stays_gone_when_the_next_command_begins_another_one() {
        let scratch = Scratch::with(3);
        std::fs::remove_file(&scratch.log.path).unwrap();
        assert_eq!(broken(&scratch), Broken::Gone { kept: 3 });
        scratch.append("after");
        assert_eq!(broken(&scratch), Broken::Anew { line: 1, kept: 3 });
        let lines = Scratch::with(5);
        lines.put(&lines.lines()[..2]);
        lines.append("after");
        assert_eq!(broken(&lines), Broken::Anew { line: 3, kept: 5 });
    }

    #[test]
    fn a_log_that_was_written_anew_is_another_one() {
        let (scratch, other) = (Scratch::with(3), Scratch::with(3));
        scratch.put(&other.lines());
        assert_eq!(broken(&scratch), Broken::Rewritten { line: 3 });
    }

    #[test]
    fn without_the_head_the_runs_still_tell_of_a_cut_tail() {
        let scratch = Scratch::with(4);
        let head = scratch.log.kept().unwrap();
        let run = scratch.log.runs.join("1");
        std::fs::create_dir_all(&run).unwrap();
        std::fs::write(run.join("run.json"), format!("{{\"audit\":{}}}", serde_json::to_string(&head).unwrap()))
            .unwrap();
        std::fs::remove_file(scratch.log.apart.as_ref().unwrap()).unwrap();
        assert!(!verify(&scratch.log).unwrap().unwrap().is_kept);
        scratch.put(&scratch.lines()[..3]);
        assert_eq!(broken(&scratch), Broken::Cut { line: 4, found: 3, kept: 4 });
    }

    #[test]
    fn no_log_at_all_is_sound() {
        assert_eq!(verify(&Scratch::new().log).unwrap().unwrap().lines, 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_byte_of_it_can_be_another_one(at in 0usize..2000, bit in 0u8..8) {
            let scratch = Scratch::with(4);
            let mut bytes = std::fs::read(&scratch.log.path).unwrap();
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            std::fs::write(&scratch.log.path, bytes).unwrap();
            prop_assert!(verify(&scratch.log).unwrap().is_err());
        }
    }
}
