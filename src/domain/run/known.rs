//! Green verdicts of earlier runs, given again as long as nothing that could change them is another.
//!
//! A verdict is found under the digest of the request, the environment, the machine and the tree. It counts if the surroundings
//! that were looked at when it was reached hold, which are other files in each workspace. Only green ones are kept.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::cache::{Cache, Kind};
use super::environment;
use super::output::Output;
use super::place::Place;
use crate::base::Digest;
use crate::domain::ladder::{Plan, PlannedStep};
use crate::domain::provenance::{Surroundings, Tree, TreeError, request_digest};
use crate::domain::record::{Outcome, RunId, RunRecord, StepRecord, TestRecord, Verdict};
use crate::ports::stamp::{self, Stamp};
use crate::ports::{fs, git};

/// What a verdict also rests on beside the tree and its surroundings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Base {
    Irrelevant,
    /// Old warnings were let pass, or changed files were chosen, by this commit.
    Commit(Option<String>),
}

impl Base {
    fn holds(&self, root: &Utf8Path) -> bool {
        match self {
            Base::Irrelevant => true,
            Base::Commit(commit) => git::base(root) == *commit,
        }
    }
}

/// A green run.
#[derive(Debug, Serialize, Deserialize)]
struct GreenRun {
    run: RunId,
    /// Of the run's files, by which a changed or forgotten one is noticed.
    files: Digest,
    surroundings: Surroundings,
    base: Base,
}

/// A green step.
#[derive(Debug, Serialize, Deserialize)]
struct GreenStep {
    record: StepRecord,
    tests: Vec<TestRecord>,
    surroundings: Surroundings,
    base: Base,
}

/// What is asked, of which tree, in which workspace.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    place: Place,
    /// Of the request as a whole, and of what all steps of it have in common.
    request: Digest,
    ground: Digest,
    tree: Tree,
    /// Whether there was no lock file. Then cargo writes one, which is no change of the tree by somebody else.
    lacks_lock: bool,
    /// In nanoseconds since 1970.
    put: i64,
    /// Whether an earlier answer will do.
    reuse: bool,
}

/// How a question is put.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wording<'a> {
    /// The whole request.
    pub(crate) request: &'a str,
    /// What holds for each of its steps.
    pub(crate) ground: &'a str,
    /// Whether an earlier answer will do.
    pub(crate) reuse: bool,
}

/// A run that need not be repeated.
pub(crate) struct Recalled {
    pub(crate) record: RunRecord,
    pub(crate) tests: Vec<TestRecord>,
}

/// What a run rests on beside its tree.
pub(super) struct Grounds<'a> {
    pub(super) members: Vec<&'a Utf8Path>,
    pub(super) sysroot: Option<Utf8PathBuf>,
    /// What the compiler read outside of the tree.
    pub(super) outside: BTreeSet<Utf8PathBuf>,
    /// Whether what git has committed took part in it.
    pub(super) rests_on_base: bool,
    /// The lock file as the first steps left it.
    pub(super) lock: Option<Stamp>,
    /// Folders of external projects.
    pub(super) builds: Vec<Utf8PathBuf>,
}

/// A run's tree and surroundings, which were the same all along.
pub(super) struct Settled {
    tree: Tree,
    surroundings: Surroundings,
    base: Base,
}

/// Why a run's verdict can't be kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unsettled {
    #[error("{0} was written during the run")]
    Touched(Utf8PathBuf),
    #[error("git ignores {0}, and `run.inputs` of the contract does not name it")]
    Ignored(Utf8PathBuf),
    #[error("a flaky test passed only when it was run again")]
    Luck,
    #[error("a step has reached the network")]
    Network,
    #[error(transparent)]
    Tree(#[from] TreeError),
}

impl Unsettled {
    /// Whether it is no more than cargo's own lock file.
    pub(super) fn is_lock(&self) -> bool {
        matches!(self, Unsettled::Touched(path) if path.file_name() == Some("Cargo.lock"))
    }
}

impl Question {
    /// Looks at the tree. Without `patterns` those hold that the contract had when the tree was looked at before.
    ///
    /// # Errors
    /// The tree can't be digested: nothing can be recalled or kept.
    pub(crate) fn put(place: &Place, wording: Wording<'_>, patterns: Option<&[String]>) -> Result<Question, TreeError> {
        let put = stamp::now();
        let environment = environment::digest();
        let before: Option<Tree> = place.cache().read(Kind::Tree, &tree_key(place));
        let earlier = before.as_ref().map(|tree| tree.patterns().to_vec()).unwrap_or_default();
        let tree = Tree::take(&place.root, &place.target_dir, patterns.unwrap_or(&earlier), before.clone())?;
        if before.is_some_and(|before| before != tree) {
            keep_tree(place, &tree);
        }
        let digest = |words: &str| request_digest(words, &place.root, &environment);
        Ok(Question {
            request: digest(wording.request),
            ground: digest(wording.ground),
            lacks_lock: !fs::is_present(&lock_file(place)),
            place: place.clone(),
            tree,
            put,
            reuse: wording.reuse,
        })
    }

    /// The same of the tree as it is now.
    pub(super) fn put_again(self) -> Question {
        let put = stamp::now();
        let patterns = self.tree.patterns().to_vec();
        match Tree::take(&self.place.root, &self.place.target_dir, &patterns, Some(self.tree.clone())) {
            Ok(tree) => Question { tree, put, ..self },
            // What can't be looked at now can't at the end of the run either, and nothing is kept.
            Err(_) => self,
        }
    }

    /// The tree as it was when the question was put.
    pub(crate) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Whether earlier results may stand for new ones.
    pub(super) fn reuses(&self) -> bool {
        self.reuse
    }

    /// What earlier runs found out.
    pub(super) fn cache(&self) -> Cache {
        self.place.cache()
    }

    /// What holds for every step: request, environment, machine, harness.
    pub(super) fn ground(&self) -> &Digest {
        &self.ground
    }

    /// The green run that has answered this already.
    pub(crate) fn recall(&self, output: &Output) -> Option<Recalled> {
        let key = run_key(&self.request, &self.tree);
        let green: GreenRun = self.reuse.then(|| self.cache().read(Kind::Run, &key)).flatten()?;
        let (run, tests) = output.texts(&green.run)?;
        let is_whole = files_digest(&run, &tests) == green.files;
        if !is_whole || !green.surroundings.hold() || !green.base.holds(&self.place.root) {
            return None;
        }
        let record: RunRecord = serde_json::from_str(&run).ok()?;
        let tests = tests.lines().map(serde_json::from_str).collect::<Result<Vec<TestRecord>, _>>().ok()?;
        (record.verdict == Verdict::Green && record.id == green.run).then_some(Recalled { record, tests })
    }

    /// The green step that has been taken already, with its tests.
    pub(super) fn recall_step(&self, step: &PlannedStep) -> Option<(StepRecord, Vec<TestRecord>)> {
        let key = step_key(&self.ground, &self.tree, step);
        let green: GreenStep = self.reuse.then(|| self.cache().read(Kind::Step, &key)).flatten()?;
        let holds = green.surroundings.hold() && green.base.holds(&self.place.root);
        (holds && is_green(&green.record)).then_some((green.record, green.tests))
    }

    /// Looks at everything again after the run. What was touched meanwhile makes its verdict one on no single tree: the answer is then
    /// the first such file.
    pub(super) fn settle(&self, grounds: Grounds<'_>) -> Result<Settled, Unsettled> {
        let patterns = self.tree.patterns();
        let after = Tree::take(&self.place.root, &self.place.target_dir, patterns, Some(self.tree.clone()))?;
        keep_tree(&self.place, &after);
        if let Some(dir) = grounds.builds.into_iter().find(|dir| !after.has_files_in(&self.place.root.join(dir))) {
            return Err(Unsettled::Ignored(dir));
        }
        let lock = Some(lock_file(&self.place)).filter(|lock| self.lacks_lock && Stamp::of(lock) == grounds.lock);
        if let Some(touched) = after.touched_since(&self.tree).find(|path| lock.as_ref() != Some(path)) {
            return Err(Unsettled::Touched(self.named(&touched)));
        }
        let mut surroundings = Surroundings::look(&self.place.root, &grounds.members, grounds.sysroot.as_deref());
        surroundings.add(grounds.outside);
        grounds.members.iter().for_each(|package| surroundings.add_targets(package));
        surroundings.leave_to(&after);
        if let Some(touched) = surroundings.touched_since(self.put).find(|path| lock.as_deref() != Some(*path)) {
            return Err(Unsettled::Touched(self.named(touched)));
        }
        let base = match grounds.rests_on_base {
            true => Base::Commit(git::base(&self.place.root)),
            false => Base::Irrelevant,
        };
        Ok(Settled { tree: after, surroundings, base })
    }

    /// The lock file as it is now.
    pub(super) fn lock(&self) -> Option<Stamp> {
        Stamp::of(&lock_file(&self.place))
    }

    /// A path as a user would name it.
    fn named(&self, path: &Utf8Path) -> Utf8PathBuf {
        path.strip_prefix(&self.place.root).unwrap_or(path).to_owned()
    }

    /// Keeps a green run whose files are written, and of another one its green steps.
    ///
    /// # Errors
    /// The cache can't be written.
    pub(super) fn keep(
        &self,
        output: &Output,
        (record, tests): (&RunRecord, &[TestRecord]),
        plan: &Plan,
        settled: Settled,
    ) -> fs::Result<()> {
        let Settled { tree, surroundings, base } = settled;
        let cache = self.cache();
        if record.verdict == Verdict::Green {
            let Some((run, tests)) = output.texts(&record.id) else { return Ok(()) };
            let files = files_digest(&run, &tests);
            let green = GreenRun { run: record.id.clone(), files, surroundings, base };
            return cache.write(Kind::Run, &run_key(&self.request, &tree), &green);
        }
        for step in plan.rungs.iter().flat_map(|(_, steps)| steps) {
            let Some(record) = record.steps.iter().find(|record| record.name == step.name && is_green(record)) else {
                continue;
            };
            let tests = tests.iter().filter(|test| test.step == step.name).cloned().collect();
            let (surroundings, base) = (surroundings.clone(), base.clone());
            let green = GreenStep { record: record.clone(), tests, surroundings, base };
            cache.write(Kind::Step, &step_key(&self.ground, &tree, step), &green)?;
        }
        Ok(())
    }
}

fn is_green(step: &StepRecord) -> bool {
    matches!(step.outcome, Outcome::Ok | Outcome::None) && step.failures.is_empty()
}

fn run_key(request: &Digest, tree: &Tree) -> Digest {
    Digest::of_fields([request.as_bytes(), tree.digest().as_bytes()])
}

fn step_key(ground: &Digest, tree: &Tree, step: &PlannedStep) -> Digest {
    Digest::of_fields([ground.as_bytes(), tree.digest().as_bytes(), format!("{step:?}").as_bytes()])
}

fn tree_key(place: &Place) -> Digest {
    Digest::of_fields([place.root.as_str().as_bytes()])
}

/// A tree that can't be kept is looked at anew the next time.
fn keep_tree(place: &Place, tree: &Tree) {
    let _ = place.cache().write(Kind::Tree, &tree_key(place), tree);
}

fn lock_file(place: &Place) -> Utf8PathBuf {
    place.root.join("Cargo.lock")
}

fn files_digest(run: &str, tests: &str) -> Digest {
    Digest::of_fields([run.as_bytes(), tests.as_bytes()])
}
