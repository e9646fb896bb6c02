//! What was found in a log: each failure once, in bounded memory.

use std::collections::{HashMap, HashSet, VecDeque};

use serde::Serialize;

use crate::base::{Category, Digest, FailureId, FailureKind};
use crate::domain::record::{Counts, Place};
use crate::domain::report::tally::Tally;

/// A failure as a log tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Found {
    pub(crate) id: FailureId,
    pub(crate) category: Category,
    pub(crate) subject: Option<String>,
    pub(crate) message: String,
    pub(crate) place: Option<Place>,
}

/// So many failures are kept of the first ones, and as many of the last.
const KEPT: usize = 2_000;
/// So many are told apart; what comes after them is counted as if it were new.
const DISTINCT: usize = 200_000;
/// More classes than any honest log has.
const CLASSES: usize = 1_000;

/// The failures of one or several logs.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    first: Vec<Found>,
    last: VecDeque<Found>,
    seen: HashSet<FailureId>,
    /// By class, file, message and spot: a library and its tests report the same finding.
    spots: HashSet<u64>,
    /// How often a message came up in a file, by class, file and message.
    nth: HashMap<u64, u32>,
    pub(crate) tally: Tally,
    pub(crate) counts: Counts,
    /// What a tool says when it gives up; it is no failure of its own where its causes were found.
    closing: Option<(Category, String)>,
}

impl Findings {
    /// Takes a failure unless its id is known.
    pub(super) fn add(&mut self, found: Found) {
        if self.seen.contains(&found.id) {
            return;
        }
        if self.seen.len() < DISTINCT {
            self.seen.insert(found.id.clone());
        }
        let class = if self.tally.classes() < CLASSES { found.category.as_str() } else { "OTHER" };
        self.tally.add(class);
        if self.first.len() < KEPT {
            self.first.push(found);
        } else {
            self.last.push_back(found);
            if self.last.len() > KEPT {
                self.last.pop_front();
            }
        }
    }

    /// Takes a compiler's finding, named as a run names it: by class, file and message, and the n-th of the same by n.
    pub(super) fn add_compile(&mut self, kind: FailureKind, category: Category, message: String, place: Option<Place>) {
        let file = place.as_ref().map_or("", |place| place.file.as_str()).to_owned();
        let same = [category.as_str(), &file, &message];
        let spot = place.as_ref().map_or(String::new(), Place::to_string);
        let spot = hash(&[same[0], same[1], same[2], &spot]);
        if self.spots.contains(&spot) {
            return;
        }
        let mut nth = 0;
        if self.spots.len() < DISTINCT {
            self.spots.insert(spot);
            let count = self.nth.entry(hash(&same)).or_default();
            nth = *count;
            *count += 1;
        }
        let id = FailureId::new(kind, &[same[0], same[1], same[2], &nth.to_string()]);
        self.add(Found { id, category, subject: None, message, place });
    }

    /// Adds what a test run says of itself.
    pub(super) fn add_counts(&mut self, counts: Counts) {
        self.counts = self.counts + counts;
    }

    /// Remembers the first closing words, for logs that hold nothing else.
    pub(super) fn closing(&mut self, category: Category, message: &str) {
        self.closing.get_or_insert_with(|| (category, message.to_owned()));
    }

    /// A log that only says that something failed has a failure all the same.
    pub(super) fn settle(&mut self) {
        if let Some((category, message)) = self.closing.take()
            && self.tally.total() == 0
        {
            self.add_compile(FailureKind::Build, category, message, None);
        }
    }

    /// The failures that were kept, and how many were not, which lie between the two parts.
    pub(crate) fn kept(&self) -> (Vec<&Found>, u64, Vec<&Found>) {
        let kept = (self.first.len() + self.last.len()) as u64;
        (self.first.iter().collect(), self.tally.total() - kept, self.last.iter().collect())
    }
}

fn hash(fields: &[&str]) -> u64 {
    Digest::of_fields(fields.iter().map(|field| field.as_bytes())).leading_bits()
}
