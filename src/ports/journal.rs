//! A log that only grows, line by line, written by one process at a time. What a killed writer has left of a line is dropped by the
//! next one: it was never whole, so nothing is lost.

#![expect(clippy::disallowed_methods, reason = "this is a door to files")]

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};

use camino::{Utf8Path, Utf8PathBuf};

use super::fs::{FsError, Result, failed};

/// No line is longer.
const LONGEST: u64 = 64 << 10;

/// The log, open for this process alone as long as this lives.
pub(crate) struct Journal {
    path: Utf8PathBuf,
    file: File,
}

impl Journal {
    /// Opens it, or creates an empty one.
    ///
    /// # Errors
    /// It can't be written, or locked.
    pub(crate) fn open(path: &Utf8Path) -> Result<Journal> {
        let open = || -> io::Result<File> {
            let file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
            file.lock()?;
            Ok(file)
        };
        Ok(Journal { path: path.to_owned(), file: open().map_err(failed("write", path))? })
    }

    /// The last line without its break, once what is unfinished behind it is gone; none where there is no line at all.
    ///
    /// # Errors
    /// It can't be read or mended.
    pub(crate) fn last(&mut self) -> Result<Option<String>> {
        self.last_line().map_err(failed("read", &self.path))
    }

    fn last_line(&mut self) -> io::Result<Option<String>> {
        let length = self.file.metadata()?.len();
        let from = length.saturating_sub(2 * LONGEST);
        self.file.seek(SeekFrom::Start(from))?;
        let mut tail = Vec::new();
        Read::by_ref(&mut self.file).take(2 * LONGEST).read_to_end(&mut tail)?;
        let whole = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        // Without any break in so long a tail it was not this program that wrote it: then nothing is removed.
        if whole < tail.len() && (whole > 0 || from == 0) {
            self.file.set_len(from + whole as u64)?;
        }
        let Some(lines) = tail[..whole].strip_suffix(b"\n") else { return Ok(None) };
        let start = lines.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        Ok(Some(String::from_utf8_lossy(&lines[start..]).into_owned()))
    }

    /// Appends a line in one go.
    ///
    /// # Errors
    /// It can't be written; what was written of it is dropped by the next one who asks for the last line.
    pub(crate) fn append(&mut self, line: &str) -> Result<()> {
        self.file.write_all(format!("{line}\n").as_bytes()).map_err(failed("write", &self.path))
    }
}

/// The whole lines of a log, and how many bytes follow the last one; none where there is no such log.
///
/// # Errors
/// It can't be read.
pub(crate) fn lines(path: &Utf8Path) -> Result<Option<(Vec<String>, usize)>> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err::<_, FsError>(failed("read", path)(error)),
    };
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let text = String::from_utf8_lossy(&bytes[..whole]);
    Ok(Some((text.lines().map(str::to_owned).collect(), bytes.len() - whole)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> (tempfile::TempDir, Utf8PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(folder.path().join("log")).unwrap();
        (folder, path)
    }

    #[test]
    fn an_unfinished_line_is_dropped_wherever_its_writer_was_killed() {
        let (_folder, path) = log();
        let whole = "first\nsecond\nthird\n";
        for cut in 0..=whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let complete = whole[..cut].rfind('\n').map_or("", |at| &whole[..=at]);
            let last = Journal::open(&path).unwrap().last().unwrap();
            assert_eq!(last.as_deref(), complete.lines().last(), "cut at {cut}");
            Journal::open(&path).unwrap().append("next").unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{complete}next\n"), "cut at {cut}");
        }
    }

    #[test]
    fn what_nobody_can_have_written_is_left_as_it_is() {
        let (_folder, path) = log();
        let garbage = "x".repeat(200 << 10);
        std::fs::write(&path, &garbage).unwrap();
        assert_eq!(Journal::open(&path).unwrap().last().unwrap(), None);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), garbage);
    }
}
