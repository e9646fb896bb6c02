//! When to run: once a change has settled, and one run at a time. It is told what happens and at which time, and knows no
//! clock of its own.

use std::collections::BTreeSet;
use std::time::Duration;

use camino::Utf8PathBuf;

use crate::ports::changes::{Change, How};

/// How long nothing must change before a run begins: editors save in several steps.
const QUIET: Duration = Duration::from_millis(60);

/// How long a command that follows a verdict may go on once a change waits for it: long enough for one that formats the
/// sources, and not for ever for one that is a server.
const PATIENCE: Duration = Duration::from_secs(1);

/// So many runs in a row may be stopped by changes; the next one may end. A run that writes into its own sources would
/// otherwise never come to a verdict.
const RESTARTS: u32 = 3;

/// Why a run begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// It is the first one.
    Begin,
    /// A key.
    Asked,
    /// These files are different.
    Changed(BTreeSet<Utf8PathBuf>),
}

/// Decides when the next run begins and whether the one under way is stopped for it.
#[derive(Debug)]
pub(super) struct Pace {
    phase: Phase,
    paused: bool,
    next: Option<Next>,
    /// What the run under way is here for.
    paths: BTreeSet<Utf8PathBuf>,
    /// Files that came up during the run; they may be its own.
    late: BTreeSet<Utf8PathBuf>,
    /// Whether the run under way is here only for files that came up during the one before.
    for_late: bool,
    /// Whether the runs have been seen to make new files by themselves.
    litters: bool,
    restarts: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    Running,
    /// The run was told to stop.
    Stopping,
    /// The command that follows a verdict.
    After,
}

#[derive(Debug)]
struct Next {
    cause: Cause,
    at: Duration,
    for_late: bool,
}

impl Pace {
    /// The first run is due at once.
    pub(super) fn new() -> Pace {
        let next = Next { cause: Cause::Begin, at: Duration::ZERO, for_late: false };
        Pace {
            phase: Phase::Idle,
            paused: false,
            next: Some(next),
            paths: BTreeSet::new(),
            late: BTreeSet::new(),
            for_late: false,
            litters: false,
            restarts: 0,
        }
    }

    /// Files are different. The answer is whether the run under way must be stopped.
    pub(super) fn changed(&mut self, changes: &[Change], now: Duration) -> bool {
        let under_way = matches!(self.phase, Phase::Running | Phase::Stopping);
        let counted: BTreeSet<Utf8PathBuf> = changes
            .iter()
            .filter(|change| !under_way || self.is_from_outside(change))
            .map(|change| change.path.clone())
            .collect();
        if counted.is_empty() {
            return false;
        }
        self.plan(counted, now + QUIET, false);
        let stop = self.phase == Phase::Running && !self.paused && self.restarts < RESTARTS;
        if stop {
            self.phase = Phase::Stopping;
            self.restarts += 1;
        }
        stop
    }

    /// A run is wanted now. The answer is whether what is under way must be stopped.
    pub(super) fn asked(&mut self) -> bool {
        match &mut self.next {
            Some(next) => next.at = Duration::ZERO,
            None => self.next = Some(Next { cause: Cause::Asked, at: Duration::ZERO, for_late: false }),
        }
        let stop = matches!(self.phase, Phase::Running | Phase::After);
        if self.phase == Phase::Running {
            self.phase = Phase::Stopping;
        }
        stop
    }

    /// From now on changes are only noted, or no longer only noted.
    pub(super) fn pause(&mut self) {
        self.paused = !self.paused;
    }

    /// Whether changes are only noted.
    pub(super) fn is_paused(&self) -> bool {
        self.paused
    }

    /// The run has ended. The answer is whether it ended by itself, and so with a verdict on what it began with.
    pub(super) fn ended(&mut self, now: Duration) -> bool {
        let by_itself = self.phase == Phase::Running;
        let mut late = std::mem::take(&mut self.late);
        if by_itself {
            self.restarts = 0;
            // Where the lock file is missing, cargo writes it.
            late.retain(|path| path.file_name() != Some("Cargo.lock"));
            // Files came up again in a run that was here for such files only: nobody but the run makes them.
            self.litters = !late.is_empty() && (self.litters || self.for_late);
            if !late.is_empty() && !self.litters {
                let only_late = self.next.is_none();
                self.plan(late, now + QUIET, only_late);
            }
        }
        // What a stopped run was here for has had no verdict yet.
        if self.phase == Phase::Stopping
            && let Some(next) = &mut self.next
        {
            next.cause.add(std::mem::take(&mut self.paths));
        }
        self.phase = Phase::Idle;
        by_itself
    }

    /// A command follows the verdict.
    pub(super) fn goes_on(&mut self) {
        self.phase = Phase::After;
    }

    /// Whether the command that follows a verdict has kept a change waiting for long enough.
    pub(super) fn is_overdue(&self, now: Duration) -> bool {
        let waits = |next: &Next| now >= next.at + PATIENCE;
        self.phase == Phase::After && !self.paused && self.next.as_ref().is_some_and(waits)
    }

    /// Why a run begins now, if one does.
    pub(super) fn begin(&mut self, now: Duration) -> Option<Cause> {
        let is_due = |next: &mut Next| next.at == Duration::ZERO || (!self.paused && now >= next.at);
        if self.phase != Phase::Idle {
            return None;
        }
        let next = self.next.take_if(is_due)?;
        self.phase = Phase::Running;
        self.for_late = next.for_late;
        self.paths = match &next.cause {
            Cause::Changed(paths) => paths.clone(),
            Cause::Begin | Cause::Asked => BTreeSet::new(),
        };
        Some(next.cause)
    }

    /// How long until a run may be due.
    pub(super) fn rest(&self, now: Duration) -> Option<Duration> {
        let next = self.next.as_ref().filter(|_| self.phase == Phase::Idle && !self.paused)?;
        Some(next.at.saturating_sub(now))
    }

    /// Whether a change during a run is surely not the run's own.
    fn is_from_outside(&mut self, change: &Change) -> bool {
        let Change { path, how } = change;
        match how {
            How::Same => false,
            How::New => {
                self.late.insert(path.clone());
                false
            }
            How::Gone => !self.late.remove(path),
            How::Written => !self.late.contains(path),
        }
    }

    fn plan(&mut self, paths: BTreeSet<Utf8PathBuf>, at: Duration, for_late: bool) {
        let mut next = Next { cause: Cause::Changed(paths), at, for_late };
        if let Some(before) = self.next.take() {
            // What a key has asked for stays due at once.
            if before.at == Duration::ZERO {
                next.at = Duration::ZERO;
            }
            if let Cause::Changed(paths) = before.cause {
                next.cause.add(paths);
            }
        }
        self.next = Some(next);
    }
}

impl Cause {
    fn add(&mut self, more: BTreeSet<Utf8PathBuf>) {
        match self {
            Cause::Changed(paths) => paths.extend(more),
            Cause::Begin | Cause::Asked if !more.is_empty() => *self = Cause::Changed(more),
            Cause::Begin | Cause::Asked => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn written(path: &str) -> Change {
        Change { path: path.into(), how: How::Written }
    }

    fn new(path: &str) -> Change {
        Change { path: path.into(), how: How::New }
    }

    fn changed(paths: &[&str]) -> Option<Cause> {
        Some(Cause::Changed(paths.iter().map(Utf8PathBuf::from).collect()))
    }

    /// The first run has ended.
    fn idle() -> Pace {
        let mut pace = Pace::new();
        assert_eq!(pace.begin(ms(0)), Some(Cause::Begin));
        assert!(pace.ended(ms(100)));
        pace
    }

    /// A run for a change of `a.rs` is under way.
    fn running() -> Pace {
        let mut pace = idle();
        assert!(!pace.changed(&[written("a.rs")], ms(200)));
        assert_eq!(pace.begin(ms(300)), changed(&["a.rs"]));
        pace
    }

    #[test]
    fn changes_in_a_row_are_one_run_once_it_is_quiet() {
        let mut pace = idle();
        pace.changed(&[written("a.rs")], ms(200));
        pace.changed(&[written("b.rs"), new("c.rs")], ms(240));
        assert_eq!(pace.begin(ms(299)), None);
        assert_eq!(pace.rest(ms(299)), Some(ms(1)));
        assert_eq!(pace.begin(ms(300)), changed(&["a.rs", "b.rs", "c.rs"]));
        assert_eq!(pace.begin(ms(400)), None);
    }

    #[test]
    fn a_change_during_a_run_stops_it_once_and_begins_another() {
        let mut pace = running();
        assert!(pace.changed(&[written("b.rs")], ms(310)));
        assert!(!pace.changed(&[written("b.rs")], ms(320)));
        assert_eq!(pace.begin(ms(500)), None);
        assert!(!pace.ended(ms(510)), "it was stopped");
        assert_eq!(pace.begin(ms(510)), changed(&["a.rs", "b.rs"]));
    }

    #[test]
    fn what_a_run_touches_without_changing_it_is_nothing() {
        let mut pace = running();
        let same = Change { path: "golden.txt".into(), how: How::Same };
        assert!(!pace.changed(&[same.clone(), new("Cargo.lock")], ms(310)));
        assert!(!pace.changed(&[written("Cargo.lock")], ms(320)), "it is made and then written");
        assert!(pace.ended(ms(400)));
        assert_eq!(pace.begin(ms(1000)), None);
        assert!(!pace.changed(&[same], ms(1100)), "nothing is under way");
        assert_eq!(pace.begin(ms(1160)), changed(&["golden.txt"]));
    }

    #[test]
    fn a_file_that_comes_and_goes_during_a_run_is_nothing() {
        let mut pace = running();
        assert!(!pace.changed(&[new("tmp-1")], ms(310)));
        assert!(!pace.changed(&[Change { path: "tmp-1".into(), how: How::Gone }], ms(320)));
        assert!(pace.ended(ms(400)));
        assert_eq!(pace.begin(ms(1000)), None);
    }

    #[test]
    fn a_file_that_comes_up_during_a_run_is_looked_at_by_one_more_run_and_not_by_another() {
        let mut pace = running();
        assert!(!pace.changed(&[new("log-1")], ms(310)));
        assert!(pace.ended(ms(400)));
        assert_eq!(pace.begin(ms(460)), changed(&["log-1"]));
        assert!(!pace.changed(&[new("log-2")], ms(470)));
        assert!(pace.ended(ms(500)));
        assert_eq!(pace.begin(ms(1000)), None);
        // That is known from then on, until a run makes none.
        pace.changed(&[written("a.rs")], ms(1000));
        assert_eq!(pace.begin(ms(1060)), changed(&["a.rs"]));
        assert!(!pace.changed(&[new("log-3")], ms(1070)));
        assert!(pace.ended(ms(1100)));
        assert_eq!(pace.begin(ms(2000)), None);
    }

    #[test]
    fn a_run_that_writes_into_its_sources_comes_to_a_verdict_all_the_same() {
        let mut pace = running();
        let mut now = 310;
        let mut restarts = 0;
        while pace.changed(&[written("golden.txt")], ms(now)) {
            restarts += 1;
            assert!(!pace.ended(ms(now + 10)));
            assert_eq!(pace.begin(ms(now + 70)).map(|_| ()), Some(()));
            now += 100;
        }
        assert_eq!(restarts, RESTARTS);
        assert!(pace.ended(ms(now + 10)), "it ends by itself");
    }

    #[test]
    fn a_pause_notes_changes_and_a_key_runs_all_the_same() {
        let mut pace = running();
        pace.pause();
        assert!(!pace.changed(&[written("b.rs")], ms(310)), "the run goes on");
        assert!(pace.ended(ms(400)));
        assert_eq!((pace.begin(ms(1000)), pace.rest(ms(1000))), (None, None));
        assert!(!pace.asked());
        assert_eq!(pace.begin(ms(1001)), changed(&["b.rs"]));
        pace.changed(&[written("b.rs")], ms(1010));
        assert!(pace.ended(ms(1100)));
        pace.pause();
        assert_eq!(pace.begin(ms(1101)), changed(&["b.rs"]));
    }

    #[test]
    fn a_key_stops_what_is_under_way_and_runs_without_waiting() {
        let mut pace = running();
        assert!(pace.asked());
        assert!(!pace.asked(), "it is stopping");
        pace.changed(&[written("b.rs")], ms(310));
        assert!(!pace.ended(ms(320)));
        assert_eq!(pace.begin(ms(320)), changed(&["a.rs", "b.rs"]));
        assert!(pace.ended(ms(400)));
        assert!(!pace.asked());
        assert_eq!(pace.begin(ms(401)), Some(Cause::Asked));
    }

    #[test]
    fn a_change_waits_a_little_for_the_command_after_a_verdict_and_a_key_does_not() {
        let mut pace = running();
        assert!(pace.ended(ms(400)));
        pace.goes_on();
        assert!(!pace.changed(&[new("formatted.rs")], ms(410)));
        assert_eq!(pace.begin(ms(1000)), None);
        assert_eq!([1000, 1469, 1470].map(|now| pace.is_overdue(ms(now))), [false, false, true]);
        assert!(pace.asked());
        assert!(!pace.ended(ms(1010)));
        assert_eq!(pace.begin(ms(1010)), changed(&["formatted.rs"]));
    }
}
