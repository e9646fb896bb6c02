//! The audit log: a line for each command that judged or changed something. Each line has the digest of the one before it, so that
//! none can be changed, removed or moved without all that follow; and the last one's is kept apart, so that none can be cut off.
//!
//! Who has the user's rights can write everything anew, the place apart included: that is for signatures to prevent.

mod verify;

pub(crate) use verify::{Broken, Sound, verify};

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use crate::base::{Digest, text};
use crate::domain::record::{AuditHead, RunId};
use crate::ports::journal::Journal;
use crate::ports::{clock, env, fs, git, host};

/// So many characters of an argument are kept, and so many arguments.
const LONGEST_ARGUMENT: usize = 200;
const MOST_ARGUMENTS: usize = 64;

/// What a command has done.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deed<'a> {
    /// The workspace's folder.
    pub(crate) root: &'a str,
    /// Of the files that were judged.
    pub(crate) tree: Option<&'a Digest>,
    /// A verdict, or what came of it in a word.
    pub(crate) outcome: String,
    pub(crate) code: u8,
    pub(crate) cached: bool,
    pub(crate) run: Option<&'a RunId>,
    /// Of the run's `run.json`.
    pub(crate) record: Option<Digest>,
}

/// A line of the log, without its own digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Counted from 1.
    pub(crate) line: u64,
    pub(crate) at: String,
    pub(crate) user: String,
    pub(crate) host: String,
    pub(crate) pid: u32,
    pub(crate) argv: Vec<String>,
    pub(crate) root: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) commit: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tree: Option<Digest>,
    pub(crate) outcome: String,
    pub(crate) code: u8,
    pub(crate) cached: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) run: Option<RunId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) record: Option<Digest>,
    /// What was written before and is no more there, as the place apart has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) lost: Option<AuditHead>,
    /// The digest of the line before; that of nothing in the first one.
    pub(crate) previous: Digest,
}

/// The log of one `target/harness`.
#[derive(Clone, Debug)]
pub(crate) struct AuditLog {
    pub(crate) path: Utf8PathBuf,
    /// The file outside of the repository that keeps the head; none where there is no home for it.
    pub(crate) apart: Option<Utf8PathBuf>,
    runs: Utf8PathBuf,
}

impl AuditLog {
    /// The one in this folder.
    pub(crate) fn of(harness_dir: &Utf8Path) -> AuditLog {
        let path = harness_dir.join("audit.jsonl");
        let apart = env::state_home().map(|home| {
            let key = Digest::of_fields([path.as_str().as_bytes()]);
            home.join("cargo-harness/audit").join(format!("{}.json", key.prefix(16)))
        });
        AuditLog { path, apart, runs: harness_dir.join("runs") }
    }

    /// Adds a line about this process.
    ///
    /// # Errors
    /// The log can't be written.
    pub(crate) fn append(&self, deed: Deed<'_>) -> fs::Result<AuditHead> {
        if let Some(folder) = self.path.parent() {
            fs::create_dir(folder)?;
        }
        let mut journal = Journal::open(&self.path)?;
        let last = journal.last()?;
        let known = last.as_deref().and_then(read_line).map(|(entry, hash)| AuditHead { lines: entry.line, hash });
        let kept = self.kept();
        let is_behind = |kept: &AuditHead| {
            known.as_ref().is_none_or(|last| last.lines < kept.lines || (last.lines == kept.lines && last != kept))
        };
        // A last line that can't be read is none of ours: what it stands for is lost as well.
        let lost = kept.filter(is_behind).or_else(|| (last.is_some() && known.is_none()).then(AuditHead::none));
        let before = known.unwrap_or_else(AuditHead::none);
        let entry = Entry {
            line: before.lines + 1,
            at: clock::timestamp(),
            user: host::user(),
            host: host::name(),
            pid: std::process::id(),
            argv: env::args().take(MOST_ARGUMENTS).map(|arg| text::capped(&arg, LONGEST_ARGUMENT)).collect(),
            root: deed.root.to_owned(),
            commit: git::head(Utf8Path::new(deed.root)),
            tree: deed.tree.cloned(),
            outcome: deed.outcome,
            code: deed.code,
            cached: deed.cached,
            run: deed.run.cloned(),
            record: deed.record,
            lost,
            previous: before.hash,
        };
        let (line, hash) = write_line(&entry);
        journal.append(&line)?;
        let head = AuditHead { lines: entry.line, hash };
        self.keep(&head);
        Ok(head)
    }

    /// Its end as it is now.
    ///
    /// # Errors
    /// The log can't be read or mended.
    pub(crate) fn head(&self) -> fs::Result<Option<AuditHead>> {
        if !fs::is_present(&self.path) {
            return Ok(None);
        }
        let last = Journal::open(&self.path)?.last()?;
        Ok(last.as_deref().and_then(read_line).map(|(entry, hash)| AuditHead { lines: entry.line, hash }))
    }

    /// What one line of it says; none where it is not as it was written.
    pub(crate) fn entry(line: &str) -> Option<Entry> {
        read_line(line).map(|(entry, _)| entry)
    }

    /// The head as the place apart has it.
    pub(super) fn kept(&self) -> Option<AuditHead> {
        let text = fs::read_text(self.apart.as_deref()?).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Where it can't be kept, `verify` says that it is missing.
    fn keep(&self, head: &AuditHead) {
        let Some(path) = &self.apart else { return };
        let text = serde_json::to_string(head).unwrap_or_default();
        if fs::replace(path, text.as_bytes()).is_err()
            && let Some(folder) = path.parent()
            && fs::create_dir(folder).is_ok()
        {
            let _ = fs::replace(path, text.as_bytes());
        }
    }
}

/// The line of an entry, and its digest, which stands at its end.
fn write_line(entry: &Entry) -> (String, Digest) {
    let body = serde_json::to_string(entry).unwrap_or_default();
    let hash = Digest::of_fields([body.as_bytes()]);
    let open = body.strip_suffix('}').unwrap_or(&body);
    (format!("{open},\"hash\":\"{hash}\"}}"), hash)
}

/// What a line says, and its digest where that is right.
fn read_line(line: &str) -> Option<(Entry, Digest)> {
    let (open, hash) = line.strip_suffix("\"}")?.rsplit_once(",\"hash\":\"")?;
    let body = format!("{open}}}");
    let digest = Digest::of_fields([body.as_bytes()]);
    let entry = serde_json::from_str(&body).ok()?;
    (digest.to_string() == hash).then_some((entry, digest))
}

#[cfg(test)]
pub(super) mod tests {
    #![expect(clippy::disallowed_methods, reason = "the tests stand outside of the doors")]

    use super::*;

    /// A log in a folder of its own, whose head is kept there too.
    pub(crate) struct Scratch {
        pub(crate) log: AuditLog,
        _folder: tempfile::TempDir,
    }

    impl Scratch {
        pub(crate) fn new() -> Scratch {
            let folder = tempfile::tempdir().unwrap();
            let path = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
            let log = AuditLog { apart: Some(path.join("state/head.json")), ..AuditLog::of(&path.join("harness")) };
            Scratch { log, _folder: folder }
        }

        pub(crate) fn with(lines: u64) -> Scratch {
            let scratch = Scratch::new();
            (0..lines).for_each(|n| drop(scratch.append(&format!("deed {n}"))));
            scratch
        }

        pub(crate) fn append(&self, outcome: &str) -> AuditHead {
            self.log.append(Deed { outcome: outcome.to_owned(), ..Deed::default() }).unwrap()
        }

        pub(crate) fn lines(&self) -> Vec<String> {
            std::fs::read_to_string(&self.log.path).unwrap().lines().map(str::to_owned).collect()
        }

        pub(crate) fn put(&self, lines: &[String]) {
            let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
            std::fs::write(&self.log.path, text).unwrap();
        }
    }

    #[test]
    fn each_line_has_the_digest_of_the_one_before() {
        let scratch = Scratch::with(3);
        let read: Vec<(Entry, Digest)> = scratch.lines().iter().map(|line| read_line(line).unwrap()).collect();
        assert_eq!(read[0].0.previous, AuditHead::none().hash);
        assert_eq!((&read[1].0.previous, &read[2].0.previous), (&read[0].1, &read[1].1));
        assert_eq!(read.iter().map(|(entry, _)| entry.line).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(scratch.log.kept(), Some(AuditHead { lines: 3, hash: read[2].1.clone() }));
    }

    #[test]
    fn writers_beside_each_other_lose_nothing() {
        let scratch = Scratch::new();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..25).for_each(|_| drop(scratch.append("side by side"))));
            }
        });
        assert_eq!(verify(&scratch.log).unwrap().unwrap().lines, 100);
    }

    #[test]
    fn a_line_without_its_end_is_mended_and_no_alarm() {
        for cut in [1, 40, 300] {
            let scratch = Scratch::with(2);
            let text = std::fs::read_to_string(&scratch.log.path).unwrap();
            let unfinished = &text[..cut];
            std::fs::write(&scratch.log.path, format!("{text}{unfinished}")).unwrap();
            assert_eq!(verify(&scratch.log).unwrap().unwrap().unfinished, cut);
            scratch.append("next");
            let sound = verify(&scratch.log).unwrap().unwrap();
            assert_eq!((sound.lines, sound.unfinished), (3, 0));
        }
    }

    #[test]
    fn a_writer_that_was_killed_before_it_kept_the_head_leaves_no_alarm() {
        let scratch = Scratch::with(2);
        let apart = scratch.log.apart.clone().unwrap();
        let before = std::fs::read(&apart).unwrap();
        scratch.append("third");
        std::fs::write(&apart, before).unwrap();
        assert_eq!(verify(&scratch.log).unwrap().unwrap().lines, 3);
        scratch.append("fourth");
        assert_eq!(verify(&scratch.log).unwrap().unwrap().lines, 4);
    }
}
