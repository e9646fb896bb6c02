//! One go at a failure, and what several of them come to.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use crate::base::{Category, ExitCode, FailureId, Seed};
use crate::domain::record::{Containment, Failure, FailureRecord, Mode, RunId, TestName, Verdict};

/// What the process that carries out one go is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) manifest: Utf8PathBuf,
    pub(crate) id: FailureId,
    pub(crate) step: String,
    pub(crate) mode: Mode,
    pub(crate) seed: Seed,
    pub(crate) test: Option<TestName>,
    /// A fuzz target and what it failed on.
    pub(crate) input: Option<(String, Utf8PathBuf)>,
    pub(crate) packages: Vec<String>,
    pub(crate) locked: bool,
    pub(crate) offline: bool,
    /// Whether a sandbox held the step.
    pub(crate) contained: bool,
}

impl Order {
    /// The step of a recorded failure: of tests that one alone, of fuzz inputs that one.
    pub(crate) fn of(record: &FailureRecord, root: &Utf8Path, input: Option<Utf8PathBuf>) -> Order {
        let FailureRecord { failure, ground, seed, .. } = record;
        let deep = ground.as_ref().is_some_and(|ground| ground.mode == Mode::Deep);
        Order {
            manifest: root.join("Cargo.toml"),
            id: failure.id.clone(),
            step: failure.step.clone(),
            // `fast` may sample; beyond that both run the same tests.
            mode: if deep { Mode::Deep } else { Mode::Full },
            seed: *seed,
            test: failure.test.clone(),
            input: failure.subject.clone().zip(input),
            packages: ground.as_ref().map(|ground| ground.packages.clone()).unwrap_or_default(),
            locked: ground.as_ref().is_some_and(|ground| ground.locked),
            offline: ground.as_ref().is_some_and(|ground| ground.offline),
            contained: ground.as_ref().is_some_and(|ground| ground.sandbox != Containment::Off),
        }
    }
}

/// What it tells in return.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Go {
    pub(crate) verdict: Verdict,
    pub(crate) run: RunId,
    pub(crate) failures: Vec<Failure>,
    /// What held it.
    pub(crate) sandbox: Containment,
}

/// What one go, or several, say of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Answer {
    Reproduced,
    Different,
    NotReproduced,
    /// No answer: the run ended otherwise.
    None(Verdict),
}

impl Answer {
    /// The word that the line begins with.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Answer::Reproduced => "REPRODUCED",
            Answer::Different => "DIFFERENT",
            Answer::NotReproduced => "NOT REPRODUCED",
            Answer::None(verdict) => verdict.word(),
        }
    }

    /// What the process answers.
    pub(crate) fn exit_code(self) -> ExitCode {
        match self {
            Answer::Reproduced => ExitCode::Red,
            Answer::Different => ExitCode::Different,
            Answer::NotReproduced => ExitCode::Green,
            Answer::None(verdict) => verdict.exit_code(),
        }
    }
}

impl Go {
    /// What this go says of a failure, and the failure that it saw. `beside` are the others that its run knew of.
    pub(crate) fn answer(
        &self,
        before: &FailureRecord,
        root: &Utf8Path,
        beside: &BTreeSet<FailureId>,
    ) -> (Answer, Option<&Failure>) {
        let id = &before.failure.id;
        // A flaky test has another id when it is a property; its name is the same.
        let is_it =
            |failure: &&Failure| failure.id == *id || (failure.test.is_some() && failure.test == before.failure.test);
        if let Some(again) = self.failures.iter().find(is_it) {
            return match same(&before.failure, again, before.ground.as_ref().map(|g| g.root.as_path()), root) {
                true => (Answer::Reproduced, Some(again)),
                false => (Answer::Different, Some(again)),
            };
        }
        match self.verdict {
            Verdict::Green => (Answer::NotReproduced, None),
            // What fails in its place may hide it: a test that no longer builds has not passed.
            Verdict::Red => match self.failures.iter().find(|failure| !beside.contains(&failure.id)) {
                Some(other) => (Answer::Different, Some(other)),
                None if before.failure.test.is_some() => (Answer::Different, self.failures.first()),
                None => (Answer::NotReproduced, None),
            },
            verdict => (Answer::None(verdict), None),
        }
    }
}

/// Whether it is the same failure with the same words. Of the folders that the two ran in nothing counts.
fn same(before: &Failure, again: &Failure, old: Option<&Utf8Path>, new: &Utf8Path) -> bool {
    let neutral = |text: &str, root: Option<&Utf8Path>| match root.filter(|root| root.as_str().len() > 1) {
        Some(root) => text.replace(root.as_str(), "{root}"),
        None => text.to_owned(),
    };
    let words = |failure: &Failure, root| {
        let text = neutral(&failure.message, root);
        // The same input may lie elsewhere.
        let cause =
            failure.replay.input.as_ref().and_then(|_| text.rsplit_once(" on ")).map(|(cause, _)| cause.to_owned());
        cause.unwrap_or(text)
    };
    let (old, new) = (words(before, old), words(again, Some(new)));
    // Alone a flaky test just fails, or doesn't; how it failed is the end of what was said of it.
    let is_flaky = before.category == Category::flaky() && old.ends_with(&format!(": {new}"));
    is_flaky || (before.category == again.category && old == new)
}

/// All goes together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) goes: u32,
    pub(crate) reproduced: u32,
    pub(crate) different: u32,
    pub(crate) ended: Option<Verdict>,
}

impl Tally {
    /// Counts one go.
    pub(crate) fn add(&mut self, answer: Answer) {
        self.goes += 1;
        match answer {
            Answer::Reproduced => self.reproduced += 1,
            Answer::Different => self.different += 1,
            Answer::NotReproduced => {}
            Answer::None(verdict) => self.ended = Some(verdict),
        }
    }

    /// What they come to: one go that reproduces it is enough.
    pub(crate) fn answer(&self) -> Answer {
        match self.ended {
            _ if self.reproduced > 0 => Answer::Reproduced,
            _ if self.different > 0 => Answer::Different,
            Some(verdict) => Answer::None(verdict),
            None => Answer::NotReproduced,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::FailureKind;
    use crate::domain::record::Replay;

    fn failure(name: &str, message: &str) -> Failure {
        Failure {
            id: FailureId::new(FailureKind::Test, &[name]),
            category: Category::named("ASSERT"),
            tier: "1".parse().unwrap(),
            step: "unit".to_owned(),
            subject: None,
            message: message.to_owned(),
            place: None,
            test: Some(TestName { binary: "demo".to_owned(), name: name.to_owned() }),
            excerpt: String::new(),
            log: "1-unit.log".into(),
            replay: Replay::default(),
        }
    }

    fn asked(verdict: Verdict, failures: Vec<Failure>) -> Answer {
        let before = FailureRecord::new(RunId("r".to_owned()), Seed::default(), failure("a", "1 != 2"), None);
        let go = Go { verdict, run: RunId("s".to_owned()), failures, sandbox: Containment::Off };
        go.answer(&before, "/x".into(), &BTreeSet::new()).0
    }

    #[test]
    fn the_same_words_are_the_same_failure_and_nothing_else_is_green() {
        assert_eq!(asked(Verdict::Red, vec![failure("a", "1 != 2")]), Answer::Reproduced);
        assert_eq!(asked(Verdict::Red, vec![failure("a", "1 != 3")]), Answer::Different);
        assert_eq!(asked(Verdict::Red, vec![failure("b", "1 != 2")]), Answer::Different);
        assert_eq!(asked(Verdict::Green, vec![]), Answer::NotReproduced);
        for verdict in [Verdict::NothingVerified, Verdict::Lacking, Verdict::TimeLimit, Verdict::Interrupted] {
            assert_eq!(asked(verdict, vec![]), Answer::None(verdict));
            assert_ne!(Answer::None(verdict).exit_code(), ExitCode::Green);
        }
    }

    #[test]
    fn a_flaky_test_that_fails_alone_with_the_same_words_is_reproduced() {
        let mut flaky = failure("a", "failed at first, passed when run again (1 of 5 runs): 1 != 2");
        flaky.category = Category::flaky();
        let before = FailureRecord::new(RunId("r".to_owned()), Seed::default(), flaky, None);
        let answer = |message: &str| {
            let mut again = failure("a", message);
            again.id = FailureId::new(FailureKind::Property, &["a"]);
            let go = Go {
                verdict: Verdict::Red,
                run: RunId("s".to_owned()),
                failures: vec![again],
                sandbox: Containment::Off,
            };
            go.answer(&before, "/x".into(), &BTreeSet::new()).0
        };
        assert_eq!((answer("1 != 2"), answer("1 != 3")), (Answer::Reproduced, Answer::Different));
    }

    #[test]
    fn one_go_of_many_is_enough_and_an_end_is_no_pass() {
        let tally = |answers: &[Answer]| {
            let mut tally = Tally::default();
            answers.iter().for_each(|answer| tally.add(*answer));
            tally.answer()
        };
        let (yes, no, other) = (Answer::Reproduced, Answer::NotReproduced, Answer::Different);
        assert_eq!(tally(&[no, yes, other]), yes);
        assert_eq!(tally(&[no, other, no]), other);
        assert_eq!(tally(&[no, no]), no);
        assert_eq!(tally(&[no, Answer::None(Verdict::Lacking)]), Answer::None(Verdict::Lacking));
    }
}
