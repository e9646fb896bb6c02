//! Files: every write is either an atomic replacement or an append.

#![expect(clippy::disallowed_methods, reason = "this is the door")]

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};

use camino::{Utf8Path, Utf8PathBuf};

use crate::base::{ExitCode, Explain};

/// A file operation that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {verb} {path}: {cause}")]
pub(crate) struct FsError {
    verb: &'static str,
    path: Utf8PathBuf,
    /// Not the error's source: the message has it already, and whoever prints a chain would print it twice.
    cause: io::Error,
}

impl FsError {
    /// What kind of error the system gave.
    pub(crate) fn kind(&self) -> io::ErrorKind {
        self.cause.kind()
    }
}

impl Explain for FsError {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Environment
    }

    fn hint(&self) -> Option<String> {
        match self.cause.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Some("free some space on that disk".to_owned())
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Some("the harness writes below the target folder; choose another with CARGO_TARGET_DIR".to_owned())
            }
            _ => None,
        }
    }
}

/// The result of a file operation.
pub(crate) type Result<T> = std::result::Result<T, FsError>;

pub(super) fn failed(verb: &'static str, path: &Utf8Path) -> impl FnOnce(io::Error) -> FsError {
    let path = path.to_owned();
    move |cause| FsError { verb, path, cause: bare(cause) }
}

/// The system's own error without the name of a temporary file, which tells a user nothing.
fn bare(error: io::Error) -> io::Error {
    let inner = error.get_ref().and_then(|inner| inner.source()).and_then(|inner| inner.downcast_ref::<io::Error>());
    match inner.and_then(io::Error::raw_os_error) {
        Some(number) => io::Error::from_raw_os_error(number),
        None => error,
    }
}

/// A whole text file. Larger than 16 MiB is refused: nothing that is read whole is ever that large honestly.
pub(crate) fn read_text(path: &Utf8Path) -> Result<String> {
    read_text_up_to(path, 16 << 20)
}

/// The same with another limit in bytes.
pub(crate) fn read_text_up_to(path: &Utf8Path, limit: u64) -> Result<String> {
    let mut text = String::new();
    let read = |file: File| file.take(limit + 1).read_to_string(&mut text);
    let length = File::open(path).and_then(read).map_err(failed("read", path))?;
    if length as u64 > limit {
        return Err(failed("read", path)(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("over {} MiB", limit >> 20),
        )));
    }
    Ok(text)
}

/// The same, or nothing where there is no such file.
pub(crate) fn read_text_if_present(path: &Utf8Path) -> Result<Option<String>> {
    match read_text(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Opens a file for reading.
pub(crate) fn open(path: &Utf8Path) -> Result<File> {
    File::open(path).map_err(failed("read", path))
}

/// Creates an empty file, or empties one that is there.
pub(crate) fn create(path: &Utf8Path) -> Result<File> {
    File::create(path).map_err(failed("write", path))
}

/// Opens a file for appending; each `write` call lands whole after what others wrote.
pub(crate) fn append(path: &Utf8Path) -> Result<File> {
    OpenOptions::new().create(true).append(true).open(path).map_err(failed("write", path))
}

/// Appends in one call.
pub(crate) fn append_bytes(path: &Utf8Path, bytes: &[u8]) -> Result<()> {
    append(path)?.write_all(bytes).map_err(failed("write", path))
}

/// Appends one file's content to another.
pub(crate) fn append_file(from: &Utf8Path, to: &Utf8Path) -> Result<()> {
    let (mut from, mut log) = (open(from)?, append(to)?);
    io::copy(&mut from, &mut log).map(|_| ()).map_err(failed("write", to))
}

/// Replaces a file's content so that a reader, or a crash, sees the old or the new and nothing between.
pub(crate) fn replace(path: &Utf8Path, bytes: &[u8]) -> Result<()> {
    let write = || -> io::Result<()> {
        fresh(path, bytes)?.persist(path)?;
        Ok(())
    };
    write().map_err(failed("write", path))
}

/// How the names of files begin that are not whole yet.
const UNFINISHED: &str = ".new-";

/// Removes unfinished files of a folder that nobody can be writing any more: they are an hour old.
pub(crate) fn remove_abandoned(folder: &Utf8Path) -> Result<()> {
    let names = names(folder)?;
    let abandoned = names.iter().filter(|name| name.starts_with(UNFINISHED)).map(|name| folder.join(name));
    let is_old = |path: &Utf8PathBuf| {
        let modified = std::fs::metadata(path).and_then(|data| data.modified());
        modified.is_ok_and(|at| at.elapsed().is_ok_and(|age| age.as_secs() > 3600))
    };
    abandoned.filter(is_old).try_for_each(|path| remove_file(&path))
}

/// A temporary file beside `path` with this content, readable to whom the umask allows.
fn fresh(path: &Utf8Path, bytes: &[u8]) -> io::Result<tempfile::NamedTempFile> {
    let folder = path.parent().unwrap_or(Utf8Path::new("."));
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    let mut file = tempfile::Builder::new().prefix(UNFINISHED).permissions(permissions).tempfile_in(folder)?;
    file.write_all(bytes)?;
    Ok(file)
}

/// Creates a file whole, readable as the user's umask has it; one that is there already is left as it is, and the answer is false.
pub(crate) fn create_whole(path: &Utf8Path, bytes: &[u8]) -> Result<bool> {
    let write = || match fresh(path, bytes)?.persist_noclobber(path) {
        Ok(_) => Ok(true),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error.into()),
    };
    write().map_err(failed("write", path))
}

/// Makes `link` point at `target`, replacing what it pointed at before in one step.
pub(crate) fn replace_symlink(link: &Utf8Path, target: &Utf8Path) -> Result<()> {
    let folder = link.parent().unwrap_or(Utf8Path::new("."));
    let make = || -> io::Result<()> {
        let fresh = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .make_in(folder, |path| std::os::unix::fs::symlink(target, path))?;
        let path = fresh.into_temp_path();
        std::fs::rename(&path, link)?;
        Ok(())
    };
    make().map_err(failed("write", link))
}

/// Creates a folder with its parents.
pub(crate) fn create_dir(path: &Utf8Path) -> Result<()> {
    std::fs::create_dir_all(path).map_err(failed("create the folder", path))
}

/// The names in a folder, sorted; none where there is no such folder.
pub(crate) fn names(folder: &Utf8Path) -> Result<Vec<String>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed("list", folder)(error)),
    };
    let mut names: Vec<String> = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

/// Removes a file; one that is gone already is no error.
pub(crate) fn remove_file(path: &Utf8Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Removes a folder with all that is in it; one that is gone already is no error.
pub(crate) fn remove_dir(path: &Utf8Path) -> Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path)(error)),
        _ => Ok(()),
    }
}

/// A file's size in bytes, or nothing where there is no such file.
pub(crate) fn size(path: &Utf8Path) -> Option<u64> {
    std::fs::metadata(path).ok().filter(|data| data.is_file()).map(|data| data.len())
}

/// Whether anything has this name, be it a folder or a link to nowhere.
pub(crate) fn is_present(path: &Utf8Path) -> bool {
    std::fs::symlink_metadata(path).is_ok()
}

/// Whether something is here, links followed.
pub(crate) fn exists(path: &Utf8Path) -> bool {
    path.exists()
}

/// Gives a program a second name, or where that can't be had a second file.
pub(crate) fn copy_program(from: &Utf8Path, to: &Utf8Path) -> Result<()> {
    let link = || {
        let flags = rustix::fs::AtFlags::SYMLINK_FOLLOW;
        rustix::fs::linkat(rustix::fs::CWD, from.as_std_path(), rustix::fs::CWD, to.as_std_path(), flags)
    };
    link().map_err(io::Error::from).or_else(|_| std::fs::copy(from, to).map(drop)).map_err(failed("write", to))
}

/// Whether a folder stands here.
pub(crate) fn is_dir(path: &Utf8Path) -> bool {
    std::fs::metadata(path).is_ok_and(|data| data.is_dir())
}

/// Whether a program could be started from here.
pub(crate) fn is_program(path: &Utf8Path) -> bool {
    !is_dir(path) && rustix::fs::access(path.as_std_path(), rustix::fs::Access::EXEC_OK).is_ok()
}

/// Whether files could be created in this folder, or in the one that it would have to be created in.
pub(crate) fn is_writable(folder: &Utf8Path) -> bool {
    let nearest = folder.ancestors().find(|folder| is_present(folder)).unwrap_or(folder);
    let access = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
    is_dir(nearest) && rustix::fs::access(nearest.as_std_path(), access).is_ok()
}

/// Whether a character device stands here.
pub(crate) fn is_char_device(path: &Utf8Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    std::fs::metadata(path).is_ok_and(|data| data.file_type().is_char_device())
}

/// Whether something that is no regular file stands here, such as a folder or a pipe.
pub(crate) fn is_other_than_file(path: &Utf8Path) -> bool {
    std::fs::metadata(path).is_ok_and(|data| !data.is_file())
}

/// The first and the last bytes of a file, `each` at most, and how many lie between them. Bytes that aren't UTF-8 are replaced.
pub(crate) fn head_and_tail(path: &Utf8Path, each: u64) -> Result<(String, u64, String)> {
    let read = || -> io::Result<(String, u64, String)> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut head = Vec::new();
        Read::by_ref(&mut file).take(each).read_to_end(&mut head)?;
        let tail_at = length.saturating_sub(each).max(head.len() as u64);
        file.seek(SeekFrom::Start(tail_at))?;
        let mut tail = Vec::new();
        file.take(each).read_to_end(&mut tail)?;
        let between = tail_at - head.len() as u64;
        Ok((String::from_utf8_lossy(&head).into_owned(), between, String::from_utf8_lossy(&tail).into_owned()))
    };
    read().map_err(failed("read", path))
}

/// The files below a folder whose names end in `.extension`, sorted, `limit` at most; hidden folders, `target` and links are
/// not entered.
pub(crate) fn files_below(folder: &Utf8Path, extension: &str, limit: usize) -> Vec<Utf8PathBuf> {
    let mut found = Vec::new();
    let mut queue = vec![folder.to_owned()];
    while let Some(folder) = queue.pop() {
        let Ok(entries) = folder.read_dir_utf8() else { continue };
        for entry in entries.flatten() {
            let Ok(kind) = entry.file_type() else { continue };
            let path = entry.path();
            if kind.is_dir() && !entry.file_name().starts_with('.') && entry.file_name() != "target" {
                queue.push(path.to_owned());
            } else if kind.is_file() && path.extension() == Some(extension) && found.len() < limit {
                found.push(path.to_owned());
            }
        }
    }
    found.sort();
    found
}

/// The files that a pattern, relative to `folder`, matches, and all that lie in the folders that it matches, sorted. A pattern
/// that is none matches nothing.
pub(crate) fn matching(folder: &Utf8Path, pattern: &str) -> Vec<Utf8PathBuf> {
    // An absolute pattern replaces the folder.
    let pattern = Utf8PathBuf::from(glob::Pattern::escape(folder.as_str())).join(pattern);
    let found = glob::glob(pattern.as_str()).into_iter().flatten().flatten();
    let found = found.filter_map(|path| Utf8PathBuf::from_path_buf(path).ok());
    let mut files: Vec<Utf8PathBuf> = found.flat_map(|path| all_below(path, usize::MAX)).collect();
    files.sort();
    files.dedup();
    files
}

/// The files below a folder, about `most` of them at most; links are not followed. Of anything else than a folder, that itself.
pub(crate) fn all_below(path: Utf8PathBuf, most: usize) -> Vec<Utf8PathBuf> {
    let mut files = Vec::new();
    let mut queue = vec![path];
    while let Some(path) = queue.pop().filter(|_| files.len() < most) {
        match path.read_dir_utf8() {
            Ok(entries) if !path.is_symlink() => queue.extend(entries.flatten().map(|entry| entry.into_path())),
            _ => files.push(path),
        }
    }
    files
}

/// Gives a file, or what a link leads to, the present time.
pub(crate) fn touch(path: &Utf8Path) -> Result<()> {
    let now = rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
    let times = rustix::fs::Timestamps { last_access: now, last_modification: now };
    rustix::fs::utimensat(rustix::fs::CWD, path.as_std_path(), &times, rustix::fs::AtFlags::empty())
        .map_err(|error| failed("touch", path)(error.into()))
}

/// What a symbolic link says.
pub(crate) fn link_target(path: &Utf8Path) -> Option<String> {
    path.read_link_utf8().ok().map(Utf8PathBuf::into_string)
}

/// The bytes of a file from an offset on, `most` at most; none where there is no such file.
pub(crate) fn read_from(path: &Utf8Path, offset: u64, most: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut read = |mut file: File| -> io::Result<()> {
        file.seek(SeekFrom::Start(offset))?;
        file.take(most).read_to_end(&mut bytes).map(|_| ())
    };
    match File::open(path) {
        Ok(file) => read(file).map_err(failed("read", path))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed("read", path)(error)),
    }
    Ok(bytes)
}

/// Calls `each` with every line of a file; a line longer than 64 KiB comes in pieces.
pub(crate) fn each_line(path: &Utf8Path, mut each: impl FnMut(&str)) -> Result<()> {
    use std::io::BufRead;
    let mut reader = io::BufReader::new(open(path)?);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read =
            Read::by_ref(&mut reader).take(64 << 10).read_until(b'\n', &mut line).map_err(failed("read", path))?;
        if read == 0 {
            return Ok(());
        }
        each(String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']));
    }
}

/// The BLAKE3 digest of a file's content; none where it can't be read.
pub(crate) fn digest(path: &Utf8Path) -> Option<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path).ok()?).ok()?;
    Some(hasher.finalize().to_hex().to_string())
}

/// The BLAKE3 digest of the names and contents of all files below a folder; none where they have more than `most` bytes together, or
/// one can't be read. Links count by what they say.
pub(crate) fn folder_digest(root: &Utf8Path, most: u64) -> Option<String> {
    let mut hasher = blake3::Hasher::new();
    let mut left = most;
    let mut queue = vec![root.to_owned()];
    while let Some(folder) = queue.pop() {
        let mut entries: Vec<_> = folder.read_dir_utf8().ok()?.collect::<io::Result<_>>().ok()?;
        entries.sort_by(|a, b| a.file_name().cmp(b.file_name()));
        for entry in entries {
            let (path, kind) = (entry.path(), entry.file_type().ok()?);
            hasher.update(path.strip_prefix(root).unwrap_or(path).as_str().as_bytes());
            if kind.is_dir() {
                queue.push(path.to_owned());
            } else if kind.is_file() {
                left = left.checked_sub(size(path)?)?;
                hasher.update(digest(path)?.as_bytes());
            } else {
                hasher.update(link_target(path).unwrap_or_default().as_bytes());
            }
        }
    }
    Some(hasher.finalize().to_hex().to_string())
}

/// What stands at a path, itself and not what it leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Absent,
    File {
        size: u64,
        executable: bool,
    },
    Folder,
    Link,
    /// A device, a socket, a pipe.
    Other,
}

/// Looks at a path without following it.
pub(crate) fn entry(path: &Utf8Path) -> Entry {
    use std::os::unix::fs::PermissionsExt;
    match std::fs::symlink_metadata(path) {
        Err(_) => Entry::Absent,
        Ok(data) if data.is_symlink() => Entry::Link,
        Ok(data) if data.is_dir() => Entry::Folder,
        Ok(data) if data.is_file() => {
            Entry::File { size: data.len(), executable: data.permissions().mode() & 0o100 != 0 }
        }
        Ok(_) => Entry::Other,
    }
}

/// Makes a file a program, or none.
///
/// # Errors
/// The file isn't there or isn't ours.
pub(crate) fn set_executable(path: &Utf8Path, executable: bool) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let change = || -> io::Result<()> {
        let mode = std::fs::metadata(path)?.permissions().mode();
        // As git does: whoever may read it may execute it.
        let mode = if executable { mode | ((mode & 0o444) >> 2) } else { mode & !0o111 };
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
    };
    change().map_err(failed("change", path))
}

/// Removes whatever stands at a path, and nothing that it leads to.
///
/// # Errors
/// It can't be removed.
pub(crate) fn remove_dir_or_file(path: &Utf8Path) -> Result<()> {
    if entry(path) == Entry::Folder { remove_dir(path) } else { remove_file(path) }
}

/// Moves a file or folder to where nothing is yet, on the same file system.
///
/// # Errors
/// It can't be moved.
pub(crate) fn rename(from: &Utf8Path, to: &Utf8Path) -> Result<()> {
    std::fs::rename(from, to).map_err(failed("move", from))
}

/// A folder with a name of its own in another, which goes when the value does.
///
/// # Errors
/// It can't be made.
pub(crate) fn temporary_dir(within: &Utf8Path) -> Result<tempfile::TempDir> {
    tempfile::Builder::new().prefix(UNFINISHED).tempdir_in(within).map_err(failed("create a folder in", within))
}
