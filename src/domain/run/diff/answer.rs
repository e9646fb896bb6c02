//! What a program answers to a case: asked now, known from before, or kept as golden files.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::super::cache::{Cache, Kind};
use super::super::classify::signal_name;
use super::super::context::{Call, Context, RunError};
use crate::base::{Digest, shell};
use crate::domain::contract::{Diff, Stream};
use crate::domain::ladder::PlannedStep;
use crate::ports::env;
use crate::ports::fs::{self, Entry};
use crate::ports::process::Wish;
use crate::ports::supervisor::Ended;

/// An answer that is longer, in any of its parts, is none.
pub(super) const MOST_BYTES: u64 = 16 << 20;

/// Longer answers of an oracle are asked for again.
const MOST_KEPT: usize = 256 << 10;

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Status {
    Exited(i32),
    Signalled(i32),
    TimedOut,
    TooMuch,
    NotStarted(String),
}

impl Status {
    /// What the program did, in words that follow its name.
    pub(super) fn end(&self) -> String {
        match self {
            Status::Exited(code) => format!("ended with exit status {code}"),
            Status::Signalled(number) => format!("was ended by {}", signal_name(*number)),
            Status::TimedOut => "was stopped at its time limit".to_owned(),
            Status::TooMuch => format!("was stopped after {} MiB of output", MOST_BYTES >> 20),
            Status::NotStarted(why) => format!("cannot be started: {why}"),
        }
    }
}

/// What a program said and left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) status: Status,
    /// By `stdout`, `stderr` and the names of files; nothing where a file wasn't left.
    pub(super) parts: BTreeMap<String, Option<Vec<u8>>>,
}

/// Who is asked, and where.
pub(super) struct Asked<'a> {
    pub(super) diff: &'a Diff,
    /// The command, with its placeholders.
    pub(super) command: &'a [String],
    pub(super) case: &'a Utf8Path,
    /// A folder of this question's own; that of the program lies within it.
    pub(super) work: Utf8PathBuf,
}

impl Asked<'_> {
    /// The folder that the program runs in.
    pub(super) fn dir(&self) -> Utf8PathBuf {
        self.work.join("dir")
    }

    /// The command as it is run.
    pub(super) fn argv(&self, root: &Utf8Path) -> Vec<String> {
        let dir = self.dir();
        let fill = |word: &String| {
            word.replace("{case}", self.case.as_str()).replace("{dir}", dir.as_str()).replace("{root}", root.as_str())
        };
        self.command.iter().map(fill).collect()
    }

    /// Runs it. Nothing where the user or a limit of the whole step has stopped it.
    pub(super) fn ask(&self, run: &Context<'_>, step: &PlannedStep) -> Result<Option<Answer>, RunError> {
        let dir = self.dir();
        fs::create_dir(&dir)?;
        let [stdout, stderr] = ["stdout", "stderr"].map(|name| self.work.join(name));
        let argv = self.argv(&run.workspace.root);
        let limited = PlannedStep { limit: self.diff.timeout.duration().min(step.limit), ..step.clone() };
        let call = Call {
            argv: argv.clone(),
            dir: Some(dir.clone()),
            env: self.diff.env.iter().map(|(name, value)| (name.clone(), Some(value.clone()))).collect(),
            stdout: Some(stdout.clone()),
            log: Some(stderr.clone()),
            writes: vec![dir.clone()],
            ..Call::default()
        };
        let mut too_much = false;
        let report = run.call(&limited, &call, &mut || {
            too_much = [&stdout, &stderr].iter().any(|path| fs::size(path).is_some_and(|size| size > MOST_BYTES));
            if too_much { Wish::Stop } else { Wish::GoOn }
        })?;
        // The log begins with the command.
        let header = format!("$ {}\n", shell::quote(&argv)).len() as u64;
        let mut parts = BTreeMap::from([
            ("stdout".to_owned(), Some(fs::read_from(&stdout, 0, MOST_BYTES + 1)?)),
            ("stderr".to_owned(), Some(fs::read_from(&stderr, header, MOST_BYTES + 1)?)),
        ]);
        parts.extend(self.diff.files.iter().map(|name| (name.to_string(), left(&dir, name))));
        let is_long = |part: &Option<Vec<u8>>| part.as_ref().is_some_and(|bytes| bytes.len() as u64 > MOST_BYTES);
        too_much |= parts.values().any(is_long);
        parts.retain(|name, _| match name.as_str() {
            "stdout" => self.diff.compare.contains(&Stream::Stdout),
            "stderr" => self.diff.compare.contains(&Stream::Stderr),
            _ => true,
        });
        fs::remove_dir(&self.work)?;
        let status = match report.ended {
            _ if too_much => Status::TooMuch,
            Ended::Exited(code) => Status::Exited(code),
            Ended::Signalled(number) => Status::Signalled(number),
            Ended::TimedOut => Status::TimedOut,
            Ended::NotStarted(why) => Status::NotStarted(why),
            Ended::Stopped | Ended::OverLimit(_) | Ended::Lost(_) => return Ok(None),
        };
        Ok(Some(Answer { status, parts }))
    }

    /// By everything that the answer rests on: the command, the files that it names, its environment, what contains it, and the case.
    pub(super) fn key(&self, run: &Context<'_>) -> Digest {
        let root = &run.workspace.root;
        let files = self.command.iter().enumerate().map(|(n, word)| named_file(root, word, n == 0));
        let files = files.map(|file| file.and_then(|file| fs::digest(&file)).unwrap_or_default());
        let facts = format!(
            "{:?} {:?} {:?} {:?} {:?}",
            self.command, self.diff.env, self.diff.files, self.diff.compare, run.sandbox.record.containment
        );
        let case = fs::digest(self.case).unwrap_or_default();
        let fields: Vec<String> = [facts, case].into_iter().chain(files).collect();
        Digest::of_fields(fields.iter().map(|field| field.as_bytes()))
    }

    /// What was answered to the same question before.
    pub(super) fn known(&self, run: &Context<'_>, key: &Digest) -> Option<Answer> {
        Cache::new(run.output.root()).read(Kind::Oracle, key)
    }

    /// Keeps an answer, if it is one.
    pub(super) fn keep(run: &Context<'_>, key: &Digest, answer: &Answer) -> fs::Result<()> {
        let size: usize = answer.parts.values().flatten().map(Vec::len).sum();
        if matches!(answer.status, Status::Exited(_)) && size <= MOST_KEPT {
            Cache::new(run.output.root()).write(Kind::Oracle, key, answer)?;
        }
        Ok(())
    }
}

/// The file that a word of a command names, if it names one: a program by the path, anything else from the root.
fn named_file(root: &Utf8Path, word: &str, is_program: bool) -> Option<Utf8PathBuf> {
    let path = root.join(word.replace("{root}", root.as_str()));
    if !is_program || word.contains('/') {
        return Some(path).filter(|path| fs::size(path).is_some());
    }
    let folders = env::var("PATH").unwrap_or_default();
    let mut programs = folders.split(':').map(|folder| Utf8Path::new(folder).join(word));
    programs.find(|program| fs::is_program(program))
}

/// A file that was left in a folder: itself, and not what a link leads to.
fn left(dir: &Utf8Path, name: &Utf8Path) -> Option<Vec<u8>> {
    let path = dir.join(name);
    is_plain(dir, &path).then(|| fs::read_from(&path, 0, MOST_BYTES + 1).ok()).flatten()
}

/// Whether a path is a file that really lies below a folder.
pub(super) fn is_plain(folder: &Utf8Path, path: &Utf8Path) -> bool {
    let real = |path: &Utf8Path| path.canonicalize_utf8().ok();
    let is_below = || real(path).zip(real(folder)).is_some_and(|(path, folder)| path.starts_with(folder));
    matches!(fs::entry(path), Entry::File { .. }) && is_below()
}
