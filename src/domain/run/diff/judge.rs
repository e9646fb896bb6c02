//! One case: both sides are asked, their answers compared, and a difference becomes a failure.

use camino::{Utf8Path, Utf8PathBuf};

use super::super::context::{Context, RunError};
use super::super::ground;
use super::answer::{Answer, Asked, Status};
use super::case::Case;
use super::compare::{Difference, Side, differences};
use super::golden::Golden;
use super::normalise::Rules;
use crate::base::text::one_line;
use crate::base::{Category, FailureId, FailureKind, shell};
use crate::domain::contract::{Diff, ExpectedDifference};
use crate::domain::ladder::PlannedStep;
use crate::domain::record::{Failure, KeptInput, Replay};
use crate::ports::fs;

/// A failure carries along so much of what was drawn.
const EXCERPT: usize = 4 << 10;

/// What a case came to.
pub(super) enum Judged {
    Same,
    /// It differs, as somebody knows.
    Expected,
    /// It was expected to differ, and doesn't.
    NoLonger,
    /// Its golden files were written; these are other now.
    Blessed(Vec<Utf8PathBuf>),
    Differs(Box<Failure>),
    /// By the user, or by a limit of the whole step.
    Stopped,
}

/// One case of one program.
pub(super) struct Question<'a> {
    pub(super) run: &'a Context<'a>,
    pub(super) step: &'a PlannedStep,
    pub(super) diff: &'a Diff,
    pub(super) case: Case,
    /// Its place among all.
    pub(super) n: usize,
}

/// The folder of all cases' work; no program may write in it beyond a folder of its own.
pub(super) fn work(run: &Context<'_>, step: &PlannedStep) -> Utf8PathBuf {
    run.dir.path.join("cases").join(&step.name)
}

/// What is wrong with a case, before it is a failure.
struct Wrong {
    category: Category,
    differences: Vec<Difference>,
}

impl Wrong {
    fn plain(category: Category, message: String) -> Wrong {
        Wrong { category, differences: vec![Difference { message: one_line(&message), drawing: String::new() }] }
    }
}

/// The answer that is wanted, and where it comes from.
struct Wanted {
    answer: Answer,
    from: From,
}

enum From {
    Oracle,
    /// An oracle's, from an earlier run.
    Cache,
    Golden,
}

impl From {
    fn who(&self) -> &'static str {
        match self {
            From::Oracle | From::Cache => "oracle",
            From::Golden => "golden file",
        }
    }
}

/// Nothing where somebody stopped it.
type Answered<T> = Result<Option<T>, RunError>;

impl Question<'_> {
    /// Asks, compares, and where they differ asks once more.
    pub(super) fn judge(&self) -> Result<Judged, RunError> {
        let folder = self.work("case");
        let case = match self.case.lay(self.run, self.step, self.diff, &folder)? {
            Ok(case) => case,
            Err(why) => {
                let wrong = Wrong::plain(Category::setup(), format!("its generator {why}"));
                return Ok(Judged::Differs(Box::new(self.failure(&folder.join("case"), &wrong)?)));
            }
        };
        let judged = self.judged(&case)?;
        fs::remove_dir(&folder)?;
        Ok(judged)
    }

    fn judged(&self, case: &Utf8Path) -> Result<Judged, RunError> {
        let known = self.known();
        if self.run.plan.bless
            && let Some(golden) = self.golden()
        {
            return self.bless(case, &golden);
        }
        let Some(found) = self.subject(case).ask(self.run, self.step)? else { return Ok(Judged::Stopped) };
        let wrong = match self.wanted(case)? {
            None => return Ok(Judged::Stopped),
            Some(Err(wrong)) => Some(wrong),
            Some(Ok(wanted)) => match self.differing(case, &wanted, &found) {
                none if none.is_empty() => None,
                differences => match self.again(case, wanted, &found, differences)? {
                    None => return Ok(Judged::Stopped),
                    Some(wrong) => wrong,
                },
            },
        };
        Ok(match (wrong, known) {
            (None, None) => Judged::Same,
            (None, Some(_)) => Judged::NoLonger,
            (Some(wrong), Some(_)) if wrong.category == Category::diff() => Judged::Expected,
            (Some(wrong), _) => Judged::Differs(Box::new(self.failure(case, &wrong)?)),
        })
    }

    /// Whether it really differs: an answer from before may be outdated, and either side may answer in two ways.
    fn again(
        &self,
        case: &Utf8Path,
        wanted: Wanted,
        found: &Answer,
        differences: Vec<Difference>,
    ) -> Answered<Option<Wrong>> {
        let mut wanted = wanted;
        let mut differences = differences;
        if !matches!(wanted.from, From::Golden) {
            let Some(answer) = self.oracle(case).ask(self.run, self.step)? else { return Ok(None) };
            let fresh = Wanted { answer, from: From::Oracle };
            let varies = !self.differing_oracles(case, &wanted, &fresh).is_empty();
            if matches!(wanted.from, From::Oracle) && varies {
                let text = "its oracle answers the case in two ways: normalise what varies";
                return Ok(Some(Some(Wrong::plain(Category::setup(), text.to_owned()))));
            }
            if varies {
                Asked::keep(self.run, &self.oracle(case).key(self.run), &fresh.answer)?;
                differences = self.differing(case, &fresh, found);
                if differences.is_empty() {
                    return Ok(Some(None));
                }
                wanted = fresh;
            }
        }
        if !matches!(found.status, Status::Exited(_)) {
            return Ok(Some(Some(Wrong { category: Category::diff(), differences })));
        }
        let Some(second) = self.subject(case).ask(self.run, self.step)? else { return Ok(None) };
        if self.differing(case, &wanted, &second).is_empty() {
            let first = &differences[0].message;
            let text = format!("differed at first, not when asked again: {first}");
            return Ok(Some(Some(Wrong::plain(Category::flaky(), text))));
        }
        Ok(Some(Some(Wrong { category: Category::diff(), differences })))
    }

    /// What is wanted, or why nothing can be.
    fn wanted(&self, case: &Utf8Path) -> Answered<Result<Wanted, Wrong>> {
        if self.diff.golden.is_some() {
            let answer = self.golden().map(|golden| golden.read()).transpose()?.flatten();
            let missing = || {
                let text = "there is no golden file: see what it answers, then `cargo harness diff --bless`";
                Wrong::plain(Category::setup(), text.to_owned())
            };
            return Ok(Some(answer.map(|answer| Wanted { answer, from: From::Golden }).ok_or_else(missing)));
        }
        let oracle = self.oracle(case);
        let key = oracle.key(self.run);
        if let Some(answer) = oracle.known(self.run, &key) {
            return Ok(Some(Ok(Wanted { answer, from: From::Cache })));
        }
        let Some(answer) = oracle.ask(self.run, self.step)? else { return Ok(None) };
        if !matches!(answer.status, Status::Exited(_)) {
            let text = format!("its oracle gives no answer: it {}", answer.status.end());
            return Ok(Some(Err(Wrong::plain(Category::setup(), text))));
        }
        Asked::keep(self.run, &key, &answer)?;
        Ok(Some(Ok(Wanted { answer, from: From::Oracle })))
    }

    fn bless(&self, case: &Utf8Path, golden: &Golden<'_>) -> Result<Judged, RunError> {
        let subject = self.subject(case);
        let rules = self.rules(case, &subject.dir());
        let Some(answer) = subject.ask(self.run, self.step)? else { return Ok(Judged::Stopped) };
        if !matches!(answer.status, Status::Exited(_)) {
            let wrong =
                Wrong::plain(Category::diff(), format!("no golden file is made of it: it {}", answer.status.end()));
            return Ok(Judged::Differs(Box::new(self.failure(case, &wrong)?)));
        }
        Ok(Judged::Blessed(golden.write(&answer, &rules)?))
    }

    fn golden(&self) -> Option<Golden<'_>> {
        let (folder, at) = self.diff.golden.as_deref().zip(self.case.at())?;
        Some(Golden::of(self.diff, &self.run.workspace.root, folder, at))
    }

    fn known(&self) -> Option<&ExpectedDifference> {
        let at = self.case.at()?;
        let matches = |glob: &str| glob::Pattern::new(glob).is_ok_and(|pattern| pattern.matches(at.as_str()));
        self.diff.expected.iter().find(|expected| matches(&expected.case.0))
    }

    fn subject<'c>(&'c self, case: &'c Utf8Path) -> Asked<'c> {
        Asked { diff: self.diff, command: &self.diff.subject, case, work: self.work("subject") }
    }

    fn oracle<'c>(&'c self, case: &'c Utf8Path) -> Asked<'c> {
        let command = self.diff.oracle.as_deref().unwrap_or_default();
        Asked { diff: self.diff, command, case, work: self.work("oracle") }
    }

    /// A folder for one of its programs.
    fn work(&self, whose: &str) -> Utf8PathBuf {
        work(self.run, self.step).join(format!("{}.{whose}", self.n))
    }

    fn rules(&self, case: &Utf8Path, dir: &Utf8Path) -> Rules<'_> {
        let root = self.run.workspace.root.as_path();
        Rules::new(&self.diff.normalise, &[(case, "{case}"), (dir, "{dir}"), (root, "{root}")])
    }

    fn differing(&self, case: &Utf8Path, wanted: &Wanted, found: &Answer) -> Vec<Difference> {
        self.compared(case, wanted, &Side { answer: found, rules: self.rules(case, &self.subject(case).dir()) })
    }

    fn differing_oracles(&self, case: &Utf8Path, first: &Wanted, second: &Wanted) -> Vec<Difference> {
        let rules = self.rules(case, &self.oracle(case).dir());
        self.compared(case, first, &Side { answer: &second.answer, rules })
    }

    fn compared(&self, case: &Utf8Path, wanted: &Wanted, found: &Side<'_>) -> Vec<Difference> {
        let side = Side { answer: &wanted.answer, rules: self.rules(case, &self.oracle(case).dir()) };
        differences(self.diff, wanted.from.who(), &side, found)
    }

    /// With a log of its own, and the case kept beside it.
    fn failure(&self, case: &Utf8Path, wrong: &Wrong) -> Result<Failure, RunError> {
        let (run, step, diff) = (self.run, self.step, self.diff);
        let name = self.case.name();
        let content = fs::digest(case).unwrap_or_default();
        let id = FailureId::new(FailureKind::Differential, &[&diff.name, &content]);
        let argv = self.subject(case).argv(&run.workspace.root);
        let messages: Vec<&str> = wrong.differences.iter().map(|one| one.message.as_str()).collect();
        let drawings: String = wrong.differences.iter().map(|one| one.drawing.as_str()).collect();
        let log = run.beside(step, &format!("{}.{id}.log", diff.name));
        let text = format!("$ {}\ncase: {name}\n{}\n{drawings}", shell::quote(&argv), messages.join("\n"));
        fs::replace(&log, text.as_bytes())?;
        let rule = run.contract.categories.iter().find(|rule| text.lines().any(|line| rule.pattern.0.is_match(line)));
        let input = match fs::size(case) {
            Some(_) => {
                let kept = ground::keep_input(run, &id, case)?;
                Some(KeptInput { at: self.case.at().map(Utf8Path::to_owned), kept })
            }
            None => None,
        };
        let scene = run.scene(step, &run.dir.path, &log);
        Ok(Failure {
            id,
            category: rule.map_or_else(|| wrong.category.clone(), |rule| Category::named(&rule.name)),
            subject: Some(diff.name.clone()),
            // The end is no part of what makes it the same failure.
            message: format!("{} on {name}", messages.first().unwrap_or(&"it differs")),
            excerpt: text.chars().take(EXCERPT).collect(),
            replay: Replay { argv, env: diff.env.clone(), input, ..Replay::default() },
            ..scene.step_failure(Category::diff(), "")
        })
    }
}
