//! What `fast` sees and remembers of test binaries: which were green, and what they read.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8PathBuf;

use super::Binary;
use super::green::{Green, Greens, Slot};
use crate::domain::record::{TestName, TestOutcome};
use crate::domain::run::context::Context;
use crate::domain::run::judge::{Evidence, Judgement};
use crate::ports::reads::{Mark, Reads};

/// What a go needs beside the suite.
pub(in crate::domain::run) struct Means<'a> {
    pub(super) greens: Option<Greens<'a>>,
    pub(super) reads: Option<Reads>,
}

impl<'a> Means<'a> {
    /// Where not every folder of the tree can be watched, the whole tree counts as read.
    pub(in crate::domain::run) fn new(run: &Context<'a>) -> Means<'a> {
        let greens = run.question.map(|question| Greens::new(run, question));
        let reads = run.question.and_then(|question| Reads::watch(question.tree().folders()).ok());
        Means { greens, reads }
    }

    /// From now on.
    pub(in crate::domain::run) fn mark(&self) -> Option<Mark> {
        self.reads.as_ref().map(Reads::mark)
    }

    /// What was opened since then, where that was seen.
    pub(super) fn since(&self, mark: Option<Mark>) -> Option<BTreeSet<Utf8PathBuf>> {
        self.reads.as_ref().zip(mark).and_then(|(reads, mark)| reads.since(mark))
    }

    /// The binaries that may be taken over by the next run: all of their tests have passed, wherever they ran. `isolated` are those of
    /// which some ran elsewhere, since that mark.
    pub(in crate::domain::run) fn greens(
        &self,
        binaries: Vec<Binary>,
        judgement: &Judgement,
        evidence: &Evidence,
        (isolated, since): (&BTreeSet<String>, Option<Mark>),
    ) -> Vec<(Slot, Green)> {
        let Some(greens) = self.greens.as_ref().filter(|_| judgement.step_faults.is_empty()) else { return Vec::new() };
        let elsewhere = self.since(since);
        let mut tests: BTreeMap<&str, Vec<&(TestName, TestOutcome, u64)>> = BTreeMap::new();
        for outcome in &judgement.outcomes {
            tests.entry(&outcome.0.binary).or_default().push(outcome);
        }
        let bad: BTreeSet<&str> = judgement.faults.iter().map(|(test, _)| test.binary.as_str()).collect();
        let unrun: BTreeSet<&str> =
            judgement.unrun.iter().chain(evidence.left_out()).map(|test| test.binary.as_str()).collect();
        let is_green = |binary: &Binary| {
            let id = binary.id.as_str();
            !bad.contains(id) && !unrun.contains(id) && (evidence.has_listed(id) || tests.contains_key(id))
        };
        let named = |id: &str, wanted: TestOutcome| {
            let of = tests.get(id).into_iter().flatten().filter(move |(_, outcome, _)| *outcome == wanted);
            of.map(|(test, _, ms)| (test.name.clone(), *ms)).collect::<Vec<_>>()
        };
        binaries
            .into_iter()
            .filter(is_green)
            .filter_map(|binary| {
                let id = binary.id.as_str();
                let (passed, ignored) = (named(id, TestOutcome::Passed), named(id, TestOutcome::Ignored));
                let opened = match isolated.contains(id) {
                    true => {
                        binary.opened.zip(elsewhere.clone()).map(|(own, other)| own.into_iter().chain(other).collect())
                    }
                    false => binary.opened,
                };
                let slot = binary.slot?;
                let ignored = ignored.into_iter().map(|(name, _)| name).collect();
                let green = greens.green(&slot, opened, passed, ignored);
                Some((slot, green))
            })
            .collect()
    }
}
