//! Golden files: the answers that are right, kept beside each other in a folder of the repository.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};

use super::answer::{Answer, MOST_BYTES, Status, is_plain};
use super::normalise::Rules;
use crate::domain::contract::{Diff, Stream};
use crate::ports::fs;

/// Where the parts of one case's answer are kept.
pub(super) struct Golden<'a> {
    diff: &'a Diff,
    root: &'a Utf8Path,
    /// Each part's file begins with it, relative to the root.
    stem: Utf8PathBuf,
}

impl<'a> Golden<'a> {
    /// Of a case, by its path relative to the root.
    pub(super) fn of(diff: &'a Diff, root: &'a Utf8Path, folder: &Utf8Path, case: &Utf8Path) -> Golden<'a> {
        Golden { diff, root, stem: folder.join(case) }
    }

    fn file(&self, part: &str) -> Utf8PathBuf {
        Utf8PathBuf::from(format!("{}.{}", self.stem, part.replace('/', "-")))
    }

    /// The answer that is kept; nothing where none was ever written.
    pub(super) fn read(&self) -> fs::Result<Option<Answer>> {
        let read = |part: &str| -> fs::Result<Option<Vec<u8>>> {
            let path = self.root.join(self.file(part));
            if is_plain(self.root, &path) { fs::read_from(&path, 0, MOST_BYTES + 1).map(Some) } else { Ok(None) }
        };
        let status = match read("status")? {
            Some(text) => String::from_utf8_lossy(&text).trim().parse().ok().map(Status::Exited),
            None => None,
        };
        let mut parts = BTreeMap::new();
        for name in self.parts() {
            parts.insert(name.clone(), read(&name)?);
        }
        Ok(status.map(|status| Answer { status, parts }))
    }

    fn parts(&self) -> Vec<String> {
        let streams = [(Stream::Stdout, "stdout"), (Stream::Stderr, "stderr")];
        let streams = streams.into_iter().filter(|(stream, _)| self.diff.compare.contains(stream));
        streams.map(|(_, name)| name.to_owned()).chain(self.diff.files.iter().map(Utf8PathBuf::to_string)).collect()
    }

    /// Makes an answer the right one. The files that are other now.
    pub(super) fn write(&self, answer: &Answer, rules: &Rules<'_>) -> fs::Result<Vec<Utf8PathBuf>> {
        let normal = |bytes: &Vec<u8>| match std::str::from_utf8(bytes) {
            Ok(text) => rules.apply(text).into_bytes(),
            Err(_) => bytes.clone(),
        };
        let Status::Exited(code) = answer.status else { return Ok(Vec::new()) };
        let status = ("status".to_owned(), Some(format!("{code}\n").into_bytes()));
        let parts = answer.parts.iter().map(|(name, bytes)| (name.clone(), bytes.as_ref().map(normal)));
        let mut written = Vec::new();
        for (name, bytes) in parts.chain([status]) {
            let file = self.file(&name);
            let path = self.root.join(&file);
            let before = is_plain(self.root, &path).then(|| fs::read_from(&path, 0, MOST_BYTES + 1)).transpose()?;
            if before == bytes {
                continue;
            }
            match bytes {
                Some(bytes) => {
                    fs::create_dir(path.parent().unwrap_or(self.root))?;
                    fs::replace(&path, &bytes)?;
                }
                None => fs::remove_file(&path)?,
            }
            written.push(file);
        }
        Ok(written)
    }
}
