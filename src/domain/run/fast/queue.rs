//! Which binary is next: those whose tests failed last time, then those that a change touches, then the others as they come.

use std::collections::BTreeSet;

use crate::domain::run::diagnostics::TestExecutable;

/// A binary that has not run yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) test: TestExecutable,
    /// Its tests that failed last time.
    pub(super) failed: BTreeSet<String>,
    /// Whether a change touches it.
    pub(super) affected: bool,
    /// Whether it waits for the end of the build.
    pub(super) held: bool,
}

/// The binaries that wait.
#[derive(Debug, Default)]
pub(super) struct Queue(Vec<Waiting>);

impl Queue {
    pub(super) fn push(&mut self, waiting: Waiting) {
        self.0.push(waiting);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes the next one out. Those that are held come only when everything is `built`.
    pub(super) fn next(&mut self, built: bool) -> Option<Waiting> {
        let ready = self.0.iter().enumerate().filter(|(_, waiting)| built || !waiting.held);
        let rank = |waiting: &Waiting| (waiting.failed.is_empty(), !waiting.affected);
        let (at, _) = ready.min_by_key(|(at, waiting)| (rank(waiting), *at))?;
        Some(self.0.remove(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cargo_metadata::PackageId;

    fn waiting(id: &str) -> Waiting {
        let package = PackageId { repr: "path+file:///p".to_owned() };
        let test = TestExecutable { path: id.into(), id: id.to_owned(), package, is_integration: false };
        Waiting { test, failed: BTreeSet::new(), affected: false, held: false }
    }

    #[test]
    fn what_failed_comes_first_and_what_is_held_last() {
        let mut queue = Queue::default();
        queue.push(waiting("plain"));
        queue.push(Waiting { held: true, ..waiting("held") });
        queue.push(Waiting { affected: true, ..waiting("affected") });
        queue.push(Waiting { failed: BTreeSet::from(["t".to_owned()]), ..waiting("failed") });
        let mut next = |built| queue.next(built).map(|waiting| waiting.test.id);
        assert_eq!(next(false).as_deref(), Some("failed"));
        assert_eq!(next(false).as_deref(), Some("affected"));
        assert_eq!(next(false).as_deref(), Some("plain"));
        assert_eq!(next(false), None);
        assert_eq!(next(true).as_deref(), Some("held"));
        assert!(queue.is_empty());
    }
}
