//! What the system tells of a path without reading it, by which it is known whether to read it again.

#![expect(clippy::disallowed_methods, reason = "this is a door to files and to the clock")]

use std::os::unix::fs::MetadataExt;
use std::time::{SystemTime, UNIX_EPOCH};

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::fs;
use crate::base::Digest;

/// Two changes within so long may carry the same times: the coarsest clock that file systems stamp with ticks a hundred times
/// a second, and half as much again for a loaded machine.
const TICK: i64 = 15_000_000;

/// The status of one path. As long as it is the same and `is_settled`, the content is the same: the change time can't be set back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Packed", into = "Packed")]
pub(crate) struct Stamp {
    mode: u32,
    size: u64,
    inode: u64,
    device: u64,
    /// Nanoseconds since 1970, as is `changed`.
    modified: i64,
    changed: i64,
}

/// Without the names of the fields: thousands of these are written and read.
type Packed = (u32, u64, u64, u64, i64, i64);

impl From<Packed> for Stamp {
    fn from((mode, size, inode, device, modified, changed): Packed) -> Stamp {
        Stamp { mode, size, inode, device, modified, changed }
    }
}

impl From<Stamp> for Packed {
    fn from(stamp: Stamp) -> Packed {
        (stamp.mode, stamp.size, stamp.inode, stamp.device, stamp.modified, stamp.changed)
    }
}

impl Stamp {
    /// Of the path itself, be it a link or not; none where nothing has this name.
    pub(crate) fn of(path: &Utf8Path) -> Option<Stamp> {
        std::fs::symlink_metadata(path).ok().map(|data| Stamp::from(&data))
    }

    /// Of what the path leads to.
    pub(crate) fn through(path: &Utf8Path) -> Option<Stamp> {
        std::fs::metadata(path).ok().map(|data| Stamp::from(&data))
    }

    /// Whether a change after `now`, when this was taken, would show: one in the same tick of the clock may not.
    pub(crate) fn is_settled(&self, now: i64) -> bool {
        self.changed.max(self.modified) + TICK < now
    }

    /// When the content was last written, by the file's own account, which anybody can set.
    pub(crate) fn modified(&self) -> i64 {
        self.modified
    }

    /// Whether a regular file has this status.
    pub(crate) fn is_file(&self) -> bool {
        self.kind() == 0o100_000
    }

    /// Whether a folder has it.
    pub(crate) fn is_dir(&self) -> bool {
        self.kind() == 0o040_000
    }

    /// Whether a symbolic link has it.
    pub(crate) fn is_link(&self) -> bool {
        self.kind() == 0o120_000
    }

    fn kind(&self) -> u32 {
        self.mode & 0o170_000
    }
}

impl From<&std::fs::Metadata> for Stamp {
    fn from(data: &std::fs::Metadata) -> Stamp {
        let nanoseconds = |seconds: i64, rest: i64| seconds.saturating_mul(1_000_000_000).saturating_add(rest);
        Stamp {
            mode: data.mode(),
            size: data.size(),
            inode: data.ino(),
            device: data.dev(),
            modified: nanoseconds(data.mtime(), data.mtime_nsec()),
            changed: nanoseconds(data.ctime(), data.ctime_nsec()),
        }
    }
}

/// Nanoseconds since 1970 now.
pub(crate) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as i64)
}

/// What stood at a path when it was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Witness {
    path: Utf8PathBuf,
    /// Absent where nothing was there, or where the status doesn't tell a later change.
    stamp: Option<Stamp>,
    /// Absent where nothing was there, and where the status alone decides.
    content: Option<Digest>,
}

impl Witness {
    /// A file or folder that is judged by its content: a new status with the same content is no change.
    pub(crate) fn content(path: Utf8PathBuf) -> Witness {
        let now = now();
        let stamp = Stamp::through(&path);
        let content = stamp.map(|stamp| content_digest(&path, &stamp));
        Witness { path, stamp: stamp.filter(|stamp| stamp.is_settled(now)), content }
    }

    /// A file that is too large to be read each time: a new status is a change.
    pub(crate) fn status(path: Utf8PathBuf) -> Witness {
        let stamp = Stamp::through(&path);
        Witness { path, stamp, content: None }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// Whether a change after `now`, when it was looked at, would show in its status.
    pub(crate) fn is_settled(&self, now: i64) -> bool {
        self.stamp.is_none_or(|stamp| stamp.is_settled(now))
    }

    /// Whether all is as it was.
    pub(crate) fn holds(&self) -> bool {
        let stamp = Stamp::through(&self.path);
        match (&self.content, stamp) {
            (None, stamp) => stamp == self.stamp,
            (Some(_), None) => false,
            (Some(_), Some(stamp)) if self.stamp == Some(stamp) => true,
            (Some(content), Some(stamp)) => content_digest(&self.path, &stamp) == *content,
        }
    }

    /// For a digest over several: the path, and what was there.
    pub(crate) fn fields(&self) -> [String; 2] {
        let seen = match (&self.content, &self.stamp) {
            (Some(content), _) => content.to_string(),
            (None, Some(stamp)) => format!("{stamp:?}"),
            (None, None) => "absent".to_owned(),
        };
        [self.path.to_string(), seen]
    }

    /// Whether it was last changed before a moment in nanoseconds since 1970; what isn't there was. Of a folder, where anything may
    /// come and go, nothing else can be told.
    pub(crate) fn is_older_than(&self, moment: i64) -> bool {
        match (&self.content, Stamp::through(&self.path)) {
            (Some(_), Some(stamp)) if stamp.is_dir() => true,
            (Some(_), _) if self.stamp.is_none() => false,
            _ => self.stamp.is_none_or(|stamp| stamp.changed < moment),
        }
    }
}

/// What a path with this status holds: type, permissions, a file's bytes, and a folder's names as far as they are those of Rust
/// sources and of folders. Pipes and devices are never opened.
pub(crate) fn content_digest(path: &Utf8Path, stamp: &Stamp) -> Digest {
    let content = if stamp.is_file() {
        fs::digest(path).unwrap_or_else(|| "unreadable".to_owned())
    } else if stamp.is_dir() {
        let names = fs::names(path).unwrap_or_default();
        names.into_iter().filter(|name| name.ends_with(".rs") || !name.contains('.')).collect::<Vec<_>>().join("/")
    } else {
        String::new()
    };
    Digest::of_fields([stamp.mode.to_le_bytes().as_slice(), content.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> (tempfile::TempDir, Utf8PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(folder.path().join("file")).unwrap();
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    #[test]
    fn an_edit_with_its_old_time_restored_shows_in_the_status() {
        let (_folder, path) = file("one");
        let before = Stamp::of(&path).unwrap();
        std::fs::write(&path, "two").unwrap();
        let modified = UNIX_EPOCH + std::time::Duration::from_nanos(before.modified as u64);
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        let after = Stamp::of(&path).unwrap();
        assert_eq!(before.modified, after.modified);
        // Within one tick of the clock the change time may be the same: that is what `is_settled` is for.
        assert!(before != after || !before.is_settled(before.changed));
    }

    #[test]
    fn a_witness_judges_by_content_and_a_status_by_itself() {
        let (_folder, path) = file("one");
        let (content, status) = (Witness::content(path.clone()), Witness::status(path.clone()));
        assert!(content.holds() && status.holds());
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(UNIX_EPOCH).unwrap();
        assert!(content.holds() && !status.holds());
        std::fs::write(&path, "two").unwrap();
        assert!(!content.holds());
        std::fs::remove_file(&path).unwrap();
        assert!(!content.holds() && !status.holds());
        let absent = Witness::content(path.clone());
        assert!(absent.holds());
        std::fs::write(&path, "").unwrap();
        assert!(!absent.holds());
    }
}
