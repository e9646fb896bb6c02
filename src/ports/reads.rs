//! Which files of a tree are opened, by whomever.
//!
//! The kernel tells it for each folder that is watched (inotify). It doesn't tell who opened a file, so that more may be found than
//! one program has read, but never less.

use std::collections::BTreeSet;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::sync::Mutex;

use camino::Utf8PathBuf;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};

/// Watches folders, without those within them.
#[derive(Debug)]
pub(crate) struct Reads {
    inotify: OwnedFd,
    /// By the number that the kernel gives a watch, which counts from 1.
    folders: Vec<Utf8PathBuf>,
    seen: Mutex<Seen>,
}

/// What was opened since the watch began, in order.
#[derive(Debug, Default)]
struct Seen {
    opened: Vec<Utf8PathBuf>,
    /// Whether the kernel had more to tell than it keeps.
    lost: bool,
}

/// A moment in what a watch sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark(usize);

impl Reads {
    /// Begins to watch.
    ///
    /// # Errors
    /// The system allows no more watches, or a folder is gone.
    pub(crate) fn watch(folders: impl IntoIterator<Item = Utf8PathBuf>) -> io::Result<Reads> {
        let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        let mut reads = Reads { inotify, folders: Vec::new(), seen: Mutex::default() };
        for folder in folders {
            let number = inotify::add_watch(&reads.inotify, folder.as_std_path(), WatchFlags::OPEN)?;
            let at = usize::try_from(number).map_err(io::Error::other)?;
            reads.folders.resize(reads.folders.len().max(at + 1), Utf8PathBuf::new());
            reads.folders[at] = folder;
        }
        Ok(reads)
    }

    /// Now.
    pub(crate) fn mark(&self) -> Mark {
        self.drain();
        Mark(self.seen.lock().map_or(0, |seen| seen.opened.len()))
    }

    /// Takes over what the kernel has to tell, which keeps little; to be called now and then.
    pub(crate) fn drain(&self) {
        let Ok(mut seen) = self.seen.lock() else { return };
        let mut buffer = [MaybeUninit::uninit(); 16 << 10];
        let mut reader = Reader::new(&self.inotify, &mut buffer);
        while let Ok(event) = reader.next() {
            if event.events().contains(ReadFlags::QUEUE_OVERFLOW) {
                seen.lost = true;
                continue;
            }
            let folder = usize::try_from(event.wd()).ok().and_then(|at| self.folders.get(at));
            let name = event.file_name().map(|name| name.to_str());
            match (folder, name) {
                (Some(folder), Some(Ok(name))) => {
                    let path = folder.join(name);
                    if seen.opened.last() != Some(&path) {
                        seen.opened.push(path);
                    }
                }
                (Some(folder), None) => seen.opened.push(folder.clone()),
                _ => seen.lost = true,
            }
        }
    }

    /// The files and folders that were opened since then; none where some of it was lost.
    pub(crate) fn since(&self, mark: Mark) -> Option<BTreeSet<Utf8PathBuf>> {
        self.drain();
        let seen = self.seen.lock().ok()?;
        (!seen.lost).then(|| seen.opened.get(mark.0..).unwrap_or_default().iter().cloned().collect())
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test reads and writes its own files")]
mod tests {
    use super::*;

    #[test]
    fn what_is_opened_after_a_mark_is_seen_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(folder.path().canonicalize().unwrap()).unwrap();
        for name in ["before", "within", "never"] {
            std::fs::write(path.join(name), name).unwrap();
        }
        std::fs::create_dir(path.join("below")).unwrap();
        let reads = Reads::watch([path.clone(), path.join("below")]).unwrap();
        std::fs::read(path.join("before")).unwrap();
        let mark = reads.mark();
        std::fs::read(path.join("within")).unwrap();
        std::fs::read_dir(path.join("below")).unwrap().for_each(drop);
        let seen = reads.since(mark).unwrap();
        assert_eq!(seen, BTreeSet::from([path.join("within"), path.join("below")]));
    }
}
