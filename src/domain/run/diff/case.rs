//! The cases of a differential test: files, what a command generates, or the one of a replayed failure.

use camino::{Utf8Path, Utf8PathBuf};

use super::super::context::{Call, Context, RunError};
use super::answer::{MOST_BYTES, is_plain};
use crate::domain::contract::Diff;
use crate::domain::ladder::PlannedStep;
use crate::ports::fs;
use crate::ports::process::Wish;
use crate::ports::supervisor::Ended;

/// So many files at most are cases.
const MOST_CASES: usize = 100_000;

/// What is asked of both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Case {
    /// A file; of the workspace, by its path relative to the root, or one that a failure has kept.
    File { path: Utf8PathBuf, at: Option<Utf8PathBuf> },
    /// What the command prints for this number.
    Generated { seed: u64 },
}

impl Case {
    /// As reports call it.
    pub(super) fn name(&self) -> String {
        match self {
            Case::File { at: Some(at), .. } => at.to_string(),
            Case::File { path, at: None } => path.file_name().unwrap_or_default().to_owned(),
            Case::Generated { seed } => format!("the case of seed {seed}"),
        }
    }

    /// Its path relative to the root, if it is a file of the workspace.
    pub(super) fn at(&self) -> Option<&Utf8Path> {
        match self {
            Case::File { at, .. } => at.as_deref(),
            Case::Generated { .. } => None,
        }
    }

    fn content(&self) -> Option<String> {
        match self {
            Case::File { path, .. } => fs::digest(path),
            Case::Generated { .. } => None,
        }
    }

    /// Its file; a generated one is made in `folder`. How that failed, where it did.
    pub(super) fn lay(
        &self,
        run: &Context<'_>,
        step: &PlannedStep,
        diff: &Diff,
        folder: &Utf8Path,
    ) -> Result<Result<Utf8PathBuf, String>, RunError> {
        let seed = match self {
            Case::File { path, .. } => return Ok(Ok(path.clone())),
            Case::Generated { seed } => seed,
        };
        fs::create_dir(folder)?;
        let (case, log) = (folder.join("case"), folder.join("log"));
        let (number, root) = (seed.to_string(), run.workspace.root.as_str());
        let words = diff.generate.as_deref().unwrap_or_default().iter();
        let call = Call {
            argv: words.map(|word| word.replace("{seed}", &number).replace("{root}", root)).collect(),
            env: diff.env.iter().map(|(name, value)| (name.clone(), Some(value.clone()))).collect(),
            stdout: Some(case.clone()),
            log: Some(log),
            ..Call::default()
        };
        let limited = PlannedStep { limit: diff.timeout.duration().min(step.limit), ..step.clone() };
        let is_long = || fs::size(&case).is_some_and(|size| size > MOST_BYTES);
        let report = run.call(&limited, &call, &mut || if is_long() { Wish::Stop } else { Wish::GoOn })?;
        Ok(match report.ended {
            _ if is_long() => Err(format!("prints more than {} MiB", MOST_BYTES >> 20)),
            Ended::Exited(0) => Ok(case),
            Ended::Exited(code) => Err(format!("ended with {code}")),
            Ended::NotStarted(why) => Err(format!("cannot be started: {why}")),
            Ended::TimedOut => Err("was stopped at its time limit".to_owned()),
            ended => Err(format!("did not end by itself: {ended:?}")),
        })
    }
}

/// All cases, in an order that is the same in every run; of a replayed failure only its own.
pub(super) fn all(run: &Context<'_>, diff: &Diff) -> Vec<Case> {
    let files = files(run, diff);
    if let Some((name, input)) = &run.plan.input {
        // What is kept of it lies elsewhere; by its content it is known again.
        let content = fs::digest(input);
        let same = files.into_iter().find(|case| case.content() == content);
        let kept = Case::File { path: input.clone(), at: None };
        return (*name == diff.name).then(|| same.unwrap_or(kept)).into_iter().collect();
    }
    let count = diff.generate.as_ref().map_or(0, |_| diff.count);
    let first = run.plan.seed.number();
    files.into_iter().chain((0..count).map(|n| Case::Generated { seed: first.wrapping_add(n.into()) })).collect()
}

fn files(run: &Context<'_>, diff: &Diff) -> Vec<Case> {
    let root = &run.workspace.root;
    let files = diff.cases.iter().flat_map(|glob| fs::matching(root, &glob.0));
    let mut files: Vec<Utf8PathBuf> = files.filter(|path| is_plain(root, path)).take(MOST_CASES).collect();
    files.sort();
    files.dedup();
    let file = |path: Utf8PathBuf| {
        let at = path.strip_prefix(root).ok().map(Utf8Path::to_owned);
        Case::File { path, at }
    };
    files.into_iter().map(file).collect()
}
