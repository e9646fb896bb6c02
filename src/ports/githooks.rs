//! Where git looks for hooks, the settings that say so, and hooks of others that are run in passing.

#![expect(clippy::disallowed_methods, reason = "this is the door to hooks")]

use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;

use camino::{Utf8Path, Utf8PathBuf};

use super::{fs, process};

/// More than git has to say to a hook, however many references are pushed.
const MOST_INPUT: u64 = 16 << 20;

/// Git did not do what it was asked to, in its own words.
#[derive(Debug, thiserror::Error)]
#[error("git {verb}: {text}")]
pub(crate) struct SettingError {
    verb: String,
    text: String,
}

/// Where a setting is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    /// `local`, `worktree`, `global`, `system` or `command`.
    pub(crate) scope: String,
    pub(crate) value: String,
}

fn git(root: &Utf8Path, args: &[&str]) -> Result<Option<String>, SettingError> {
    // `core.hooksPath` counts here, and nothing that is asked runs a hook.
    let words = ["git", "-C", root.as_str(), "-c", "core.fsmonitor=false"];
    let argv: Vec<String> = words.iter().chain(args).map(|word| (*word).to_owned()).collect();
    let verb = || args.first().copied().unwrap_or_default().to_owned();
    let output =
        process::capture_briefly(&argv).map_err(|error| SettingError { verb: verb(), text: error.to_string() })?;
    match output.success {
        true => Ok(Some(output.stdout.trim_end_matches('\n').to_owned())),
        false if output.stderr.trim().is_empty() => Ok(None),
        false => Err(SettingError { verb: verb(), text: output.stderr.lines().next().unwrap_or_default().to_owned() }),
    }
}

/// A path that git itself uses: `hooks` is the folder where it looks for hooks now.
///
/// # Errors
/// Git's own words.
pub(crate) fn path(root: &Utf8Path, name: &str) -> Result<Utf8PathBuf, SettingError> {
    let answer = git(root, &["rev-parse", "--path-format=absolute", "--git-path", name])?;
    Ok(answer.unwrap_or_default().into())
}

/// The value of a setting that counts; none where it isn't set.
///
/// # Errors
/// Git's own words.
pub(crate) fn setting(root: &Utf8Path, name: &str) -> Result<Option<Setting>, SettingError> {
    let answer = git(root, &["config", "--show-scope", "--null", "--get", name])?;
    Ok(answer.and_then(|text| {
        let (scope, value) = text.trim_end_matches('\0').split_once('\0')?;
        Some(Setting { scope: scope.to_owned(), value: value.to_owned() })
    }))
}

/// A setting that is a path, with `~` spelled out.
///
/// # Errors
/// Git's own words.
pub(crate) fn path_setting(root: &Utf8Path, name: &str) -> Result<Option<Utf8PathBuf>, SettingError> {
    Ok(git(root, &["config", "--type=path", "--get", name])?.map(|path| root.join(path)))
}

/// The value of a setting in a file.
///
/// # Errors
/// Git's own words.
pub(crate) fn setting_in(file: &Utf8Path, name: &str) -> Result<Option<String>, SettingError> {
    git(Utf8Path::new("."), &["config", "--file", file.as_str(), "--get", name])
}

/// Sets a setting of a file, or with `None` takes it away.
///
/// # Errors
/// Git's own words.
pub(crate) fn set(file: &Utf8Path, name: &str, value: Option<&str>) -> Result<(), SettingError> {
    let place = ["config", "--file", file.as_str()];
    let change: &[&str] = match value {
        Some(value) => &["--replace-all", name, value],
        None => &["--unset-all", name],
    };
    // What isn't there needs no taking away.
    git(Utf8Path::new("."), &[&place[..], change].concat()).map(|_| ())
}

/// A file's bytes, and who may read, write and run it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Whole {
    pub(crate) bytes: Vec<u8>,
    pub(crate) mode: u32,
}

/// Reads a file whole, up to 16 MiB; none where there is none.
///
/// # Errors
/// It can't be read.
pub(crate) fn read(path: &Utf8Path) -> fs::Result<Option<Whole>> {
    let mut bytes = Vec::new();
    let read = || -> io::Result<u32> {
        let file = std::fs::File::open(path)?;
        let mode = file.metadata()?.permissions().mode() & 0o7777;
        file.take(MOST_INPUT).read_to_end(&mut bytes)?;
        Ok(mode)
    };
    match { read }() {
        Ok(mode) => Ok(Some(Whole { bytes, mode })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(fs::failed("read", path)(error)),
    }
}

/// Puts a file into its place whole, as it was.
///
/// # Errors
/// It can't be written.
pub(crate) fn write(path: &Utf8Path, whole: &Whole) -> fs::Result<()> {
    let write = || -> io::Result<()> {
        let folder = path.parent().unwrap_or(Utf8Path::new("."));
        let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(folder)?;
        file.write_all(&whole.bytes)?;
        file.as_file().set_permissions(std::fs::Permissions::from_mode(whole.mode))?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(fs::failed("write", path))
}

/// Whether git would run it as a hook.
pub(crate) fn is_program(path: &Utf8Path) -> bool {
    std::fs::metadata(path).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

/// All that stands on standard input.
///
/// # Errors
/// It can't be read, or is over 16 MiB.
pub(crate) fn input() -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io::stdin().lock().take(MOST_INPUT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_INPUT {
        return Err(io::Error::other("over 16 MiB on standard input"));
    }
    Ok(bytes)
}

/// Runs a hook of somebody else's as git runs it, and gives its exit status; a signal's number counts from 128.
///
/// # Errors
/// It can't be started.
pub(crate) fn run(program: &Utf8Path, args: &[String], input: &[u8]) -> io::Result<u8> {
    use std::os::unix::process::ExitStatusExt;
    let command = duct::cmd(program.as_std_path(), args).stdin_bytes(input).unchecked();
    // One that doesn't read to its end is no error.
    let status = command.run()?.status;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    Ok(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}
