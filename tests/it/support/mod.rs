//! A repository of its own for each test, and the program run in it with nothing of the caller's environment.

#![expect(clippy::disallowed_methods, reason = "the tests stand outside of the doors that they test")]

mod facts;
mod random;
mod running;
mod tools;

pub(crate) use facts::{Facts, Failed};
pub(crate) use random::{Random, number};
pub(crate) use running::{nothing_is_torn, wait_until};
pub(crate) use tools::{Runner, has_bubblewrap};

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use camino::{Utf8Path, Utf8PathBuf};
use regex::Regex;
use tempfile::TempDir;

/// A copy of a fixture in a folder that goes when the test ends.
pub(crate) struct Repo {
    root: Utf8PathBuf,
    home: Utf8PathBuf,
    env: Vec<(String, String)>,
    _folder: TempDir,
    /// Held by the one test at a time that uses the folder of dependencies.
    alone: Option<std::fs::File>,
}

/// What the program answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Repo {
    /// Copies `fixtures/<name>`; a manifest is stored as `Cargo_test.toml`, because cargo packages no folder with a real one.
    pub(crate) fn from_fixture(name: &str) -> Repo {
        let repo = Repo::empty();
        let fixture = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
        assert!(fixture.is_dir(), "there is no fixture {fixture}");
        copy(&fixture, &repo.root);
        repo
    }

    /// A folder with nothing in it.
    pub(crate) fn empty() -> Repo {
        let folder = tempfile::Builder::new().prefix("harness-").tempdir().unwrap();
        let top = Utf8PathBuf::from_path_buf(folder.path().canonicalize().unwrap()).unwrap();
        let (root, home) = (top.join("repo"), top.join("home"));
        std::fs::create_dir(&root).unwrap();
        std::fs::create_dir(&home).unwrap();
        Repo { root, home, env: Vec::new(), _folder: folder, alone: None }
    }

    /// Sets a variable for every later call.
    pub(crate) fn set_env(&mut self, name: &str, value: &str) -> &mut Repo {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// For a fixture that depends on crates: this package's own lock file, so that they are here already, and a target
    /// folder that outlives the test, so that they are built once. Another test that wants it waits.
    pub(crate) fn with_dependencies(&mut self) -> &mut Repo {
        let lock = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock");
        std::fs::copy(lock, self.root.join("Cargo.lock")).unwrap();
        let target = Utf8Path::new(env!("CARGO_TARGET_TMPDIR")).join("dependencies");
        let alone = std::fs::File::create(target.with_extension("lock")).unwrap();
        alone.lock().unwrap();
        self.alone = Some(alone);
        if target.join("harness").exists() {
            std::fs::remove_dir_all(target.join("harness")).unwrap();
        }
        // What was built of earlier copies of the fixture is of no use to this one.
        for folder in ["deps", ".fingerprint", "incremental"] {
            let entries = target.join("debug").join(folder).read_dir_utf8().into_iter().flatten().flatten();
            for path in
                entries.map(camino::Utf8DirEntry::into_path).filter(|path| path.as_str().contains("/properties-"))
            {
                if path.is_dir() { std::fs::remove_dir_all(path).unwrap() } else { std::fs::remove_file(path).unwrap() }
            }
        }
        self.set_env("CARGO_TARGET_DIR", target.as_str())
    }

    /// Where the repository is.
    pub(crate) fn root(&self) -> &Utf8Path {
        &self.root
    }

    /// Writes a file and the folders above it.
    pub(crate) fn write(&self, path: &str, text: &str) -> &Repo {
        let path = self.root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    /// The text of a file.
    pub(crate) fn read(&self, path: &str) -> String {
        read(&self.root.join(path))
    }

    /// Makes it a git repository whose one commit has a fixed date, and so a fixed digest.
    pub(crate) fn git_init(&self) -> &Repo {
        self.git(&["init", "--quiet", "--initial-branch=main"]);
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message=Begin", "--allow-empty"]);
        self
    }

    /// Runs git with a fixed author and a fixed date, and gives what it prints.
    pub(crate) fn git(&self, args: &[&str]) -> String {
        let mut command = self.command("git", args);
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "A").env(format!("GIT_{who}_EMAIL"), "a@example.org");
            command.env(format!("GIT_{who}_DATE"), "2026-01-01T00:00:00Z");
        }
        let answer = answer(command, "");
        assert_eq!(answer.code, 0, "git {args:?}: {}", answer.stderr);
        answer.stdout
    }

    /// Runs `cargo harness` in the repository.
    pub(crate) fn harness(&self, args: &[&str]) -> Answer {
        self.harness_with_input(args, "")
    }

    /// The same with something on standard input.
    pub(crate) fn harness_with_input(&self, args: &[&str], input: &str) -> Answer {
        answer(self.harness_command(args), input)
    }

    /// The command itself, for tests that signal it or run two at once.
    pub(crate) fn harness_command(&self, args: &[&str]) -> Command {
        // As cargo calls a subcommand: with its name first.
        self.command(env!("CARGO_BIN_EXE_cargo-harness"), &[&["harness"], args].concat())
    }

    /// Runs a line of shell as a user types it, where `cargo harness` is the program under test; both streams are one.
    pub(crate) fn shell(&self, line: &str) -> Answer {
        let mut command = self.command("sh", &["-c", &format!("exec 2>&1\n{line}")]);
        let path = command.get_envs().find_map(|(name, value)| value.filter(|_| name == "PATH")).unwrap_or_default();
        let path = path.to_str().unwrap().to_owned();
        let (bin, program) = (self.home.join("bin"), env!("CARGO_BIN_EXE_cargo-harness"));
        // Not by name through cargo's own search, which may find an installed one first.
        let cargo =
            format!("#!/bin/sh\n[ \"$1\" = harness ] && exec '{program}' \"$@\"\nPATH='{path}' exec cargo \"$@\"\n");
        std::fs::create_dir_all(&bin).unwrap();
        std::fs::write(bin.join("cargo"), cargo).unwrap();
        std::fs::set_permissions(bin.join("cargo"), std::fs::Permissions::from_mode(0o755)).unwrap();
        command.env("PATH", format!("{bin}:{path}"));
        answer(command, "")
    }

    fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(args).current_dir(&self.root).env_clear();
        let own_home = std::env::var("HOME").unwrap_or_default();
        for (name, folder) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
            command.env(name, std::env::var(name).unwrap_or_else(|_| format!("{own_home}/{folder}")));
        }
        for name in ["PATH", "RUSTUP_TOOLCHAIN", "LD_LIBRARY_PATH"] {
            if let Ok(value) = std::env::var(name) {
                command.env(name, value);
            }
        }
        command.env("HOME", &self.home).env("TERM", "dumb").env("LC_ALL", "C").env("CARGO_NET_OFFLINE", "true");
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("TMPDIR", &self.home);
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// Says that part of a test can't be done on this machine; `--nocapture` and a failure show it.
#[expect(clippy::print_stderr, reason = "a test speaks to whoever runs it")]
pub(crate) fn skipped(what: &str) {
    eprintln!("SKIPPED {what}");
}

/// Says what a test found beyond that all is well; `--nocapture` shows it.
#[expect(clippy::print_stderr, reason = "a test speaks to whoever runs it")]
pub(crate) fn said(what: &str) {
    eprintln!("{what}");
}

/// The text of any file.
pub(crate) fn read(path: &Utf8Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Runs a command to its end.
pub(crate) fn answer(mut command: Command, input: &str) -> Answer {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Answer { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn copy(from: &Utf8Path, to: &Utf8Path) {
    for entry in from.read_dir_utf8().unwrap() {
        let entry = entry.unwrap();
        let name = if entry.file_name() == "Cargo_test.toml" { "Cargo.toml" } else { entry.file_name() };
        let target = to.join(name);
        match entry.file_type().unwrap() {
            kind if kind.is_dir() && name == "target" => {}
            kind if kind.is_dir() => {
                std::fs::create_dir(&target).unwrap();
                copy(entry.path(), &target);
            }
            _ => drop(std::fs::copy(entry.path(), &target).unwrap()),
        }
    }
}

/// What differs from run to run, and what stands for it.
static VARYING: LazyLock<[(Regex, &str); 4]> = LazyLock::new(|| {
    [
        (r"[^\s`'\x22]*/harness-[A-Za-z0-9]{6}/", "[DIR]/"),
        (r"\b\d{8}T\d{6}\.\d{3}Z-\d+\b", "[RUN]"),
        (r"\b\d+\.\d+m?s\b", "[T]"),
        (r#""ms":\d+"#, r#""ms":0"#),
    ]
    .map(|(pattern, stand_in)| (Regex::new(pattern).unwrap(), stand_in))
});

/// The text with times, run ids and temporary paths replaced. Failure ids stay: they are the same everywhere.
pub(crate) fn filtered(text: &str) -> String {
    VARYING.iter().fold(text.to_owned(), |text, (pattern, stand_in)| pattern.replace_all(&text, *stand_in).into_owned())
}

/// An inline snapshot of what a user sees, without what varies.
macro_rules! assert_brief {
    ($text:expr, @$expected:literal) => {
        insta::assert_snapshot!(crate::support::filtered(&$text), @$expected)
    };
}
pub(crate) use assert_brief;

impl Answer {
    /// Everything: code, standard output, standard error.
    pub(crate) fn whole(&self) -> String {
        format!("code: {}\n--- stdout\n{}--- stderr\n{}", self.code, self.stdout, self.stderr)
    }
}
