//! Keeps on what a run's failures stand, so that each can be replayed.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};

use super::context::{Context, RunError};
use super::environment;
use super::known::Question;
use crate::base::{Digest, FailureId};
use crate::domain::provenance::Tree;
use crate::domain::provenance::snapshot::{self, CHANGES, TakeError};
use crate::domain::record::{Ground, RecordedTree};
use crate::ports::worktree::Repository;
use crate::ports::{fs, git};

/// The file of a run's folder that says how the tree differed from its commit.
pub(crate) const TREE: &str = "tree.json";

/// Writes how the tree differs from its commit into the run's folder, and tells the rest.
pub(super) fn keep(run: &Context<'_>, contract: &Digest, failed: BTreeSet<FailureId>) -> Result<Ground, RunError> {
    let root = &run.workspace.root;
    let repository = Repository::find(root);
    let prefix = repository.as_ref().and_then(|repository| root.strip_prefix(&repository.top).ok());
    let prefix = prefix.map(Utf8Path::to_owned).unwrap_or_default();
    let (lock, store) = (prefix.join("Cargo.lock"), run.dir.path.join(CHANGES));
    let mut tree = match &repository {
        None => RecordedTree::default(),
        Some(repository) => match snapshot::take(repository, &lock, &run.workspace.target_dir, &store) {
            Ok(tree) => tree,
            Err(TakeError::Fs(error)) => return Err(error.into()),
            // The failure is what counts; that its tree can't be rebuilt, `repro --exact` says.
            Err(TakeError::Git(error)) => {
                RecordedTree { omitted: BTreeMap::from([(".".into(), error.to_string())]), ..RecordedTree::default() }
            }
        },
    };
    tree.failed = failed;
    if let Some(before) = run.question.map(Question::tree) {
        let (root, target_dir) = (&run.workspace.root, &run.workspace.target_dir);
        let now = Tree::take(root, target_dir, before.patterns(), Some(before.clone()));
        let before = contents(before);
        tree.files = now.as_ref().map(contents).unwrap_or_default();
        let moved = tree.files.iter().filter(|(path, digest)| before.get(*path).is_some_and(|then| then != *digest));
        let moved = moved.filter(|(path, _)| path.file_name() != Some("Cargo.lock"));
        tree.omitted
            .extend(moved.map(|(path, _)| (path.clone(), "as it was before it was written during the run".to_owned())));
    }
    let text = serde_json::to_string(&tree).unwrap_or_default();
    fs::replace(&run.dir.path.join(TREE), text.as_bytes())?;
    let settings = &run.contract.run;
    let limits = [("test-timeout", settings.test_timeout), ("step-timeout", settings.step_timeout)];
    Ok(Ground {
        root: root.clone(),
        prefix,
        commit: repository.as_ref().and_then(Repository::head),
        base: repository.as_ref().and_then(|_| git::base(root)),
        dirty: !tree.changes.is_empty() || !tree.omitted.is_empty(),
        rustc: run.toolchain.verbose_version(),
        mode: run.plan.mode,
        contract: contract.clone(),
        lock: fs::digest(&root.join("Cargo.lock")),
        packages: run.flags.packages.clone(),
        locked: run.flags.locked,
        offline: run.flags.offline,
        sandbox: run.sandbox.record.containment,
        limits: limits.map(|(name, limit)| (name.to_owned(), limit.to_string())).into(),
        environment: environment::recorded(run.contract.variables()),
    })
}

/// The digest of each file of a tree, by its path from the workspace's root.
pub(crate) fn contents(tree: &Tree) -> BTreeMap<Utf8PathBuf, Digest> {
    tree.contents().into_iter().map(|(path, (digest, _))| (path, digest)).collect()
}

/// What a run recorded of its tree; nothing where it is no longer there, or not what the harness wrote.
pub(crate) fn read(run: &Utf8Path) -> Option<RecordedTree> {
    serde_json::from_str(&fs::read_text_up_to(&run.join(TREE), MOST_TEXT).ok()?).ok()
}

/// No list of files is longer: 1,000,000 of them are shorter.
const MOST_TEXT: u64 = 256 << 20;

/// The folder of a run that keeps the inputs on which fuzz targets failed.
pub(crate) const INPUTS: &str = "inputs";

/// Keeps an input beside the failure that it showed, under a name that is the failure's.
pub(super) fn keep_input(run: &Context<'_>, id: &FailureId, input: &Utf8Path) -> fs::Result<Utf8PathBuf> {
    let kept = Utf8Path::new(INPUTS).join(id.as_str());
    let bytes = fs::read_from(input, 0, snapshot::MOST_BYTES)?;
    fs::create_dir(&run.dir.path.join(INPUTS))?;
    fs::replace(&run.dir.path.join(&kept), &bytes)?;
    Ok(kept)
}
