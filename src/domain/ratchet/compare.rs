//! Compares the numbers of a change with those that may not be passed.
//!
//! What counts is the sum of a kind over all files: code that moves from one file to another, or a file with another name, changes no
//! sum, and a file's number that falls hides none that rises elsewhere. A binary's size and a program's number stand each for itself.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::provenance::{Counts, Ratchets};

/// So many files are named.
const NAMED: usize = 3;

/// What is compared.
#[derive(Debug)]
pub(crate) struct Sides<'a> {
    /// The kinds that are judged.
    pub(crate) kinds: &'a BTreeSet<String>,
    /// What the base's lock holds, and the change's.
    pub(crate) base_lock: Option<&'a Ratchets>,
    pub(crate) head_lock: Option<&'a Ratchets>,
    /// What the sources themselves have; the base's by the names that its files have now.
    pub(crate) base: &'a Counts,
    pub(crate) now: &'a Counts,
}

/// What a comparison finds; each with what it is about.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Comparison {
    pub(crate) worse: Vec<(String, String)>,
    /// What the change's own lock lets through that the base's doesn't.
    pub(crate) loosened: Vec<(String, String)>,
    pub(crate) better: Vec<String>,
    /// Sums that are the same although files differ.
    pub(crate) moved: Vec<String>,
    /// How many sums were compared.
    pub(crate) compared: usize,
}

/// A sum that is judged by itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Unit {
    /// Of a kind over all files.
    Kind(String),
    /// Of one binary or program.
    One(String, String),
}

impl Unit {
    fn of(subject: &str, kind: &str) -> Unit {
        match subject.split_once(':') {
            Some(("bin" | "command", _)) => Unit::One(subject.to_owned(), kind.to_owned()),
            _ => Unit::Kind(kind.to_owned()),
        }
    }

    fn name(&self) -> String {
        match self {
            Unit::Kind(kind) => kind.clone(),
            Unit::One(subject, kind) if subject.starts_with("bin:") => format!("{kind} of {}", &subject[4..]),
            Unit::One(subject, _) => subject.trim_start_matches("command:").to_owned(),
        }
    }
}

/// The sums of all numbers.
fn sums(counts: &Counts) -> BTreeMap<Unit, u64> {
    let mut sums = BTreeMap::new();
    for (subject, numbers) in counts {
        for (kind, number) in numbers {
            let sum: &mut u64 = sums.entry(Unit::of(subject, kind)).or_default();
            *sum = sum.saturating_add(*number);
        }
    }
    sums
}

/// What a lock says of a sum; nothing where it doesn't count it.
fn held(lock: Option<&Ratchets>, sums: &BTreeMap<Unit, u64>, unit: &Unit) -> Option<u64> {
    match unit {
        Unit::Kind(kind) => lock?.kinds.contains(kind).then(|| sums.get(unit).copied().unwrap_or_default()),
        Unit::One(..) => sums.get(unit).copied(),
    }
}

/// Compares.
pub(crate) fn compare(sides: &Sides<'_>) -> Comparison {
    let of_lock = |lock: Option<&Ratchets>| lock.map(|lock| sums(&lock.counts)).unwrap_or_default();
    let (base_sums, head_sums) = (of_lock(sides.base_lock), of_lock(sides.head_lock));
    let (base, now) = (sums(sides.base), sums(sides.now));
    let kinds = sides.kinds.iter().map(|kind| Unit::Kind(kind.clone()));
    let ones = now.keys().filter(|unit| matches!(unit, Unit::One(..))).cloned();
    let mut found = Comparison::default();
    for unit in kinds.chain(ones).collect::<BTreeSet<_>>() {
        let count = now.get(&unit).copied().unwrap_or_default();
        let recorded = held(sides.base_lock, &base_sums, &unit);
        let known = base.get(&unit).copied();
        let counted = if matches!(unit, Unit::Kind(_)) { Some(known.unwrap_or_default()) } else { known };
        let Some(limit) = recorded.or(counted) else { continue };
        let own = held(sides.head_lock, &head_sums, &unit);
        let unit_found = Judged { unit: &unit, limit, is_recorded: recorded.is_some(), own, count, sides };
        unit_found.judge(&mut found);
    }
    found
}

/// One sum with what it may not pass.
struct Judged<'a> {
    unit: &'a Unit,
    limit: u64,
    is_recorded: bool,
    own: Option<u64>,
    count: u64,
    sides: &'a Sides<'a>,
}

impl Judged<'_> {
    fn judge(&self, found: &mut Comparison) {
        let Judged { unit, limit, is_recorded, own, count, .. } = self;
        let (name, count) = (unit.name(), *count);
        let word = if *is_recorded { "recorded" } else { "in the base" };
        found.compared += 1;
        let grown = self.grown();
        let where_ = if grown.is_empty() { String::new() } else { format!(": {}", grown.join(", ")) };
        match own {
            None if *is_recorded => {
                found.loosened.push((name.clone(), format!("{limit} recorded, and no longer in Harness.lock")));
            }
            Some(own) if own > limit => {
                found.loosened.push((name.clone(), format!("{limit} {word}, raised to {own} in Harness.lock{where_}")));
            }
            _ => {}
        }
        let least = own.filter(|own| own < limit);
        match own.unwrap_or(*limit) {
            allowed if count > allowed && least.is_some() => {
                found.worse.push((name, format!("{count} are there, and Harness.lock says {allowed}{where_}")));
            }
            allowed if count > allowed => found.worse.push((name, format!("{allowed} {word}, {count} now{where_}"))),
            allowed if count < allowed && self.sides.head_lock.is_some() && *is_recorded => {
                found.better.push(format!("{name}: {allowed} {word}, {count} now"));
            }
            _ if !grown.is_empty() => found.moved.push(format!("{name}: {count} as before, of other files{where_}")),
            _ => {}
        }
    }

    /// The files that have more than they had.
    fn grown(&self) -> Vec<String> {
        let Unit::Kind(kind) = self.unit else { return Vec::new() };
        let number = |counts: &Counts, file: &str| counts.get(file).and_then(|of| of.get(kind)).copied().unwrap_or(0);
        let all = self.sides.now.keys().map(|file| (file, number(self.sides.base, file), number(self.sides.now, file)));
        let mut grown: Vec<String> =
            all.filter(|(_, was, is)| is > was).map(|(file, was, is)| format!("{file} {was} -> {is}")).collect();
        if grown.len() > NAMED {
            let more = grown.len() - NAMED;
            grown.truncate(NAMED);
            grown.push(format!("{more} more"));
        }
        grown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(all: &[(&str, u64)]) -> Counts {
        let one = |(file, number): &(&str, u64)| ((*file).to_owned(), BTreeMap::from([("unsafe".to_owned(), *number)]));
        all.iter().map(one).collect()
    }

    fn lock(all: &[(&str, u64)]) -> Ratchets {
        Ratchets { kinds: BTreeSet::from(["unsafe".to_owned()]), counts: counts(all) }
    }

    fn compared(base_lock: Option<Ratchets>, head_lock: Option<Ratchets>, base: &Counts, now: &Counts) -> Comparison {
        let kinds = BTreeSet::from(["unsafe".to_owned()]);
        let (base_lock, head_lock) = (base_lock.as_ref(), head_lock.as_ref());
        compare(&Sides { kinds: &kinds, base_lock, head_lock, base, now })
    }

    fn same(both: Ratchets, base: &[(&str, u64)], now: &[(&str, u64)]) -> Comparison {
        compared(Some(both.clone()), Some(both), &counts(base), &counts(now))
    }

    #[test]
    fn more_than_recorded_is_worse_and_names_the_files() {
        let found = same(lock(&[("a", 2)]), &[("a", 2)], &[("a", 2), ("b", 1)]);
        assert_eq!(found.worse, [("unsafe".to_owned(), "2 recorded, 3 now: b 0 -> 1".to_owned())]);
        assert!(found.loosened.is_empty() && found.better.is_empty());
    }

    #[test]
    fn code_that_moves_is_no_alarm_and_less_of_one_file_hides_no_more_of_another() {
        let found = same(lock(&[("a", 2)]), &[("a", 2)], &[("b", 2)]);
        assert_eq!(
            (found.worse.len(), found.moved),
            (0, vec!["unsafe: 2 as before, of other files: b 0 -> 2".to_owned()])
        );
        assert_eq!(same(lock(&[("a", 2), ("b", 2)]), &[("a", 2), ("b", 2)], &[("a", 0), ("b", 5)]).worse.len(), 1);
    }

    #[test]
    fn a_raised_or_missing_line_is_loosened_and_what_it_allows_is_not_worse() {
        let (base, now) = (counts(&[("a", 1)]), counts(&[("a", 3)]));
        let raised = compared(Some(lock(&[("a", 1)])), Some(lock(&[("a", 3)])), &base, &now);
        assert_eq!((raised.worse.len(), raised.loosened.len()), (0, 1));
        let beyond = compared(Some(lock(&[("a", 1)])), Some(lock(&[("a", 2)])), &base, &now);
        assert_eq!((beyond.worse.len(), beyond.loosened.len()), (1, 1));
        let gone = compared(Some(lock(&[("a", 1)])), None, &base, &now);
        assert_eq!((gone.worse.len(), gone.loosened.len()), (1, 1));
    }

    #[test]
    fn a_lock_that_says_less_than_there_is_is_worse() {
        let (base, now) = (counts(&[("a", 2)]), counts(&[("a", 2)]));
        let found = compared(Some(lock(&[("a", 2)])), Some(lock(&[("a", 1)])), &base, &now);
        assert_eq!(found.worse, [("unsafe".to_owned(), "2 are there, and Harness.lock says 1".to_owned())]);
    }

    #[test]
    fn without_a_record_the_bases_own_source_is_the_limit() {
        let (base, now) = (counts(&[("a", 1)]), counts(&[("a", 2)]));
        assert_eq!(compared(None, None, &base, &now).worse[0].1, "1 in the base, 2 now: a 1 -> 2");
        assert_eq!(compared(None, None, &now, &base).worse, []);
    }

    #[test]
    fn less_than_recorded_is_better() {
        let found = same(lock(&[("a", 2)]), &[("a", 2)], &[("a", 1)]);
        assert_eq!(found.better, ["unsafe: 2 recorded, 1 now"]);
    }
}
