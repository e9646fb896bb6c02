//! Writes better numbers down: lines of a lock are lowered, none is raised, added or removed, and no other line is touched.

use std::collections::BTreeMap;

use crate::domain::provenance::{Counts, Ratchets};

/// A line that was lowered.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Lowered {
    /// What it is of.
    pub(crate) of: String,
    pub(crate) kind: String,
    pub(crate) was: u64,
    pub(crate) now: u64,
}

/// The text of a lock with its numbers lowered as far as the sums of `now` have fallen, and what was lowered.
///
/// A file whose code has moved to another keeps what that one holds: by the sum nothing is better there.
pub(crate) fn tighten(text: &str, held: &Ratchets, now: &Counts) -> (String, Vec<Lowered>) {
    let number = |counts: &Counts, of: &str, kind: &str| counts.get(of).and_then(|all| all.get(kind)).copied();
    let sum = |counts: &Counts, kind: &str, is_one: bool, of: &str| -> u64 {
        let counts = counts.iter().filter(|(other, _)| if is_one { *other == of } else { !is_of_one(other) });
        counts.filter_map(|(_, all)| all.get(kind)).fold(0, |sum, number| sum.saturating_add(*number))
    };
    let mut lowered = Vec::new();
    let mut left: BTreeMap<(String, bool), u64> = BTreeMap::new();
    for (of, numbers) in &held.counts {
        for (kind, was) in numbers {
            let is_one = is_of_one(of);
            // What nobody has measured this time stays.
            if is_one && number(now, of, kind).is_none() {
                continue;
            }
            let key = (if is_one { format!("{of} {kind}") } else { kind.clone() }, is_one);
            let fallen = || sum(&held.counts, kind, is_one, of).saturating_sub(sum(now, kind, is_one, of));
            let left = left.entry(key).or_insert_with(fallen);
            let by = was.saturating_sub(number(now, of, kind).unwrap_or_default()).min(*left);
            if by > 0 {
                *left -= by;
                lowered.push(Lowered { of: of.clone(), kind: kind.clone(), was: *was, now: was - by });
            }
        }
    }
    let mut text = text.to_owned();
    lowered.retain(|line| write(&mut text, line));
    (text, lowered)
}

fn is_of_one(of: &str) -> bool {
    of.starts_with("bin:") || of.starts_with("command:")
}

/// Puts one number into its line; whether there is such a line.
fn write(text: &mut String, line: &Lowered) -> bool {
    let mut within = false;
    let mut at = 0;
    for old in text.split_inclusive('\n') {
        let plain = old.trim();
        if plain.starts_with('[') {
            within = subject(plain).as_deref() == Some(&line.of);
        } else if within && plain == format!("{} = {}", line.kind, line.was) {
            let new = old.replacen(&line.was.to_string(), &line.now.to_string(), 1);
            text.replace_range(at..at + old.len(), &new);
            return true;
        }
        at += old.len();
    }
    false
}

/// Of `[ratchets.counts."src/a.rs"]`, what it is of.
fn subject(header: &str) -> Option<String> {
    let table: toml::Table = toml::from_str(header).ok()?;
    let counts = table.get("ratchets")?.get("counts")?.as_table()?;
    counts.keys().next().cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# by hand\nversion = 1\n\n[ratchets]\nkinds = [\"unsafe\"]\n\n[ratchets.counts.\"a.rs\"]\nunsafe = 3\n\n\
        [ratchets.counts.\"b.rs\"]\nunsafe = 3 \n\n[ratchets.counts.\"bin:x\"]\nsize = 90\n";

    fn held() -> Ratchets {
        let table: toml::Table = toml::from_str(TEXT).unwrap();
        table["ratchets"].clone().try_into().unwrap()
    }

    fn numbers(all: &[(&str, &str, u64)]) -> Counts {
        let mut counts = Counts::new();
        for (of, kind, number) in all {
            counts.entry((*of).to_owned()).or_default().insert((*kind).to_owned(), *number);
        }
        counts
    }

    #[test]
    fn only_the_lines_that_are_better_are_other_lines_afterwards() {
        let (text, lowered) = tighten(TEXT, &held(), &numbers(&[("a.rs", "unsafe", 3), ("b.rs", "unsafe", 1)]));
        assert_eq!(text, TEXT.replace("\"b.rs\"]\nunsafe = 3", "\"b.rs\"]\nunsafe = 1"));
        assert_eq!(lowered.len(), 1);
    }

    #[test]
    fn nothing_is_raised_and_what_has_moved_is_no_gain() {
        for now in [
            numbers(&[("a.rs", "unsafe", 4), ("b.rs", "unsafe", 3)]),
            numbers(&[("c.rs", "unsafe", 6)]),
            numbers(&[("a.rs", "unsafe", 6), ("bin:x", "size", 91)]),
        ] {
            assert_eq!(tighten(TEXT, &held(), &now), (TEXT.to_owned(), Vec::new()), "{now:?}");
        }
        let (text, _) = tighten(TEXT, &held(), &numbers(&[("c.rs", "unsafe", 4), ("bin:x", "size", 9)]));
        assert_eq!(text, TEXT.replacen("unsafe = 3", "unsafe = 1", 1).replace("90", "9"));
    }

    #[test]
    fn what_is_gone_stays_as_a_line_with_nothing() {
        let (text, _) = tighten(TEXT, &held(), &Counts::new());
        assert_eq!(text.matches("unsafe = 0").count(), 2);
        assert!(text.contains("size = 90"));
    }
}
