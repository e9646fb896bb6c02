//! A cage that is a container of podman's or docker's: its programs are those of an image, and none of the host's.

#![expect(clippy::disallowed_methods, reason = "a container that was left is removed here, beside its supervisor")]

use std::fs::File;
use std::process::{Command, Stdio};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::{Access, Cage, Limits, Reach, enter, first};
use crate::base::Image;
use crate::ports::process::{Job, Runner, Wish};
use crate::ports::supervisor::Ended;
use crate::ports::tree::Watch;
use crate::ports::{clock, env, fs, stamp};

/// Whose containers they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Engine {
    Podman,
    Docker,
}

impl Engine {
    /// The program's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Engine::Podman => "podman",
            Engine::Docker => "docker",
        }
    }

    /// Where the program is, if it is installed.
    pub(crate) fn find(self) -> Option<Utf8PathBuf> {
        let path = env::var("PATH").unwrap_or_default();
        let folders = path.split(':').filter(|folder| folder.starts_with('/')).map(Utf8PathBuf::from);
        folders.map(|folder| folder.join(self.name())).find(|file| fs::is_program(file))
    }
}

/// What a cage's containers are made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Container {
    pub(crate) engine: Engine,
    /// Where the engine's program is.
    pub(crate) program: Utf8PathBuf,
    pub(crate) image: Image,
    /// A file for each container that there is, by its name. A file that nobody holds any more is that of one that was left.
    pub(crate) notes: Utf8PathBuf,
    /// Folders that others stand for within: which, and those.
    pub(crate) moved: Vec<(Utf8PathBuf, Utf8PathBuf)>,
    /// Whom the command's files belong to.
    pub(crate) user: (u32, u32),
}

/// Whether containers can be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    Here,
    NoImage,
    /// The engine itself can't say, in its words.
    NoAnswer(String),
}

/// How long the engine may take to say what it has.
const ANSWER: Duration = Duration::from_secs(20);

/// Where a container's first process tells how far it has come.
const TOLD: &str = "/run/cargo-harness";

/// How long the engine may take to remove a container that was left.
const REMOVAL: Duration = Duration::from_secs(5);

/// How much shared memory a container has.
const SHARED_MEMORY: &str = "268435456";

impl Container {
    /// Whether the engine answers and has the image; `words` is a file for what it says.
    pub(crate) fn presence(&self, words: &Utf8Path, runner: &dyn Runner) -> Presence {
        let image = self.image.as_str();
        let asked: &[&[&str]] = match self.engine {
            Engine::Podman => &[&["image", "exists", image]],
            // Its daemon may be what doesn't answer.
            Engine::Docker => &[&["version"], &["image", "inspect", image]],
        };
        for (n, question) in asked.iter().enumerate() {
            let argv: Vec<String> =
                [self.program.as_str()].iter().chain(*question).map(|word| (*word).to_owned()).collect();
            let ended = self.ask(&argv, words, runner);
            let said = fs::head_and_tail(words, 4 << 10).map(|(head, _, tail)| head + &tail).unwrap_or_default();
            let _ = fs::remove_file(words);
            match ended {
                Ended::Exited(0) => {}
                Ended::Exited(1) if n + 1 == asked.len() => return Presence::NoImage,
                Ended::TimedOut => return Presence::NoAnswer(format!("nothing within {}s", ANSWER.as_secs())),
                ended => {
                    let line = said.lines().rfind(|line| !line.trim().is_empty()).map(str::to_owned);
                    return Presence::NoAnswer(line.unwrap_or_else(|| format!("{ended:?}")));
                }
            }
        }
        Presence::Here
    }

    fn ask(&self, argv: &[String], words: &Utf8Path, runner: &dyn Runner) -> Ended {
        let dir = Utf8Path::new("/");
        let job = Job { argv, dir, env: &[], stdout: words, stderr: words, limit: ANSWER, watchdog: None, cage: None };
        runner.run(&job, &mut || Wish::GoOn).ended
    }

    /// Begins a container's note.
    ///
    /// # Errors
    /// It can't be written.
    pub(crate) fn begin(&self) -> fs::Result<Note> {
        fs::create_dir(&self.notes)?;
        let name = format!("cargo-harness-{}-{}", std::process::id(), stamp::now());
        let path = self.notes.join(&name);
        let file = fs::create(&path)?;
        // Nobody else knows its name.
        let _ = file.lock();
        Ok(Note { name, path, _held: file })
    }

    /// Removes the containers whose supervisors were killed before they could.
    pub(crate) fn clear(&self) {
        for name in fs::names(&self.notes).unwrap_or_default() {
            let path = self.notes.join(&name);
            if fs::open(&path).is_ok_and(|file| file.try_lock().is_ok()) && self.remove(&name) {
                let _ = fs::remove_file(&path);
            }
        }
    }

    /// Removes a container, running or not; whether there is none any more.
    pub(crate) fn remove(&self, name: &str) -> bool {
        let words: &[&str] = match self.engine {
            Engine::Podman => &["rm", "--force", "--ignore", "--time=0", name],
            Engine::Docker => &["rm", "--force", name],
        };
        let mut command = Command::new(&self.program);
        command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let Ok(child) = command.spawn() else { return false };
        let Ok(watch) = Watch::new(child.id()) else { return false };
        // Where it takes too long it is ended.
        let _ = watch.wait(Some(clock::now() + REMOVAL), None, false);
        watch.stop(Duration::ZERO).is_ok_and(|status| status.exit_status() == Some(0))
    }

    /// The command that leads to `argv` within a container that is made for it.
    pub(crate) fn argv(&self, cage: &Cage, note: &Note, argv: &[String], dir: &Utf8Path) -> Vec<String> {
        let mut words = vec![self.program.to_string()];
        words.extend(self.closed(note, &cage.reach));
        words.extend(self.places(cage, note));
        words.extend(cage.env.iter().map(|name| format!("--env={name}")));
        let set = cage.set.iter().filter(|(name, _)| !enter::is_for_the_command_only(name));
        words.extend(set.map(|(name, value)| format!("--env={name}={value}")));
        words.extend([format!("--workdir={dir}"), format!("--entrypoint={}", cage.program), self.image.to_string()]);
        let inner = serde_json::to_string(&enter::Inner::of(cage)).unwrap_or_default();
        words.extend([first::VERB, TOLD, cage.program.as_str(), enter::VERB, &inner].map(str::to_owned));
        words.extend(argv.first().map(|program| self.within(program)));
        words.extend(argv.iter().skip(1).cloned());
        words
    }

    /// What every container is closed by, the same for all commands.
    fn closed(&self, note: &Note, reach: &Reach) -> Vec<String> {
        let network = if *reach == Reach::Everything { "host" } else { "none" };
        let mut words: Vec<String> = [
            "run",
            "--rm",
            "--interactive",
            "--pull=never",
            "--read-only",
            "--cap-drop=all",
            "--log-driver=none",
            "--hostname=harness",
        ]
        .map(str::to_owned)
        .into();
        words.extend(["no-new-privileges", "label=disable"].map(|option| format!("--security-opt={option}")));
        words.extend([format!("--name={}", note.name), format!("--network={network}")]);
        words.push(format!("--shm-size={SHARED_MEMORY}"));
        let (user, group) = self.user;
        match self.engine {
            // Its own folders in memory would have no limit, and the caller's proxies may hold a password.
            Engine::Podman => {
                words.extend(["--read-only-tmpfs=false", "--http-proxy=false"].map(str::to_owned));
                // As root there is nobody else whom the files could belong to.
                words.extend((user != 0).then(|| "--userns=keep-id".to_owned()));
            }
            Engine::Docker => words.push(format!("--user={user}:{group}")),
        }
        words
    }

    fn places(&self, cage: &Cage, note: &Note) -> Vec<String> {
        let views = cage.ordered().into_iter().map(|view| match view.access {
            Access::Empty(size) => {
                format!("--tmpfs={}:rw,exec,nosuid,nodev,mode=1777,size={}", view.path, size.bytes())
            }
            Access::Read => bound(&view.path, &view.path, true),
            Access::Write => {
                let moved = self.moved.iter().find(|(at, _)| *at == view.path);
                bound(moved.map_or(&view.path, |(_, from)| from), &view.path, false)
            }
        });
        views.chain([bound(&note.path, TOLD.into(), false)]).collect()
    }

    /// The same program as the image has it: cargo by its name, whichever one has called the harness.
    fn within(&self, program: &str) -> String {
        if program == env::cargo() { "cargo".to_owned() } else { program.to_owned() }
    }
}

/// A file or folder of the host in a container. The engines read the one form as a list with commas, the other with colons.
fn bound(from: &Utf8Path, at: &Utf8Path, is_read_only: bool) -> String {
    let ends = if is_read_only { ",ro" } else { "" };
    match from.as_str().contains(',') || at.as_str().contains(',') {
        false => format!("--mount=type=bind,source={from},destination={at}{ends}"),
        true => format!("--volume={from}:{at}:{}", if is_read_only { "ro" } else { "rw" }),
    }
}

/// One container's note, held as long as its supervisor lives.
pub(crate) struct Note {
    name: String,
    path: Utf8PathBuf,
    _held: File,
}

/// No honest note is longer.
const LONGEST: u64 = 64 << 10;

impl Note {
    /// What the container's first process has told so far.
    pub(crate) fn told(&self) -> String {
        fs::read_text_up_to(&self.path, LONGEST).unwrap_or_default()
    }

    /// Ends the note; a container that may still be there is removed first.
    pub(crate) fn end(self, container: &Container, is_left: bool) {
        if !is_left || container.remove(&self.name) {
            // Without that the next run tries again.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The limits that the engine would not pass on to a container's processes.
impl Limits {
    /// With those that a step's processes have each.
    pub(crate) fn of_each(self, open_files: Option<u64>, cpu_s: Option<u64>) -> Limits {
        Limits { open_files, cpu_s, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ByteSize;
    use crate::ports::sandbox::View;

    fn argv(engine: Engine, user: u32, reach: Reach) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let digest = "0".repeat(64);
        let container = Container {
            engine,
            program: format!("/usr/bin/{}", engine.name()).into(),
            image: format!("localhost/rust@sha256:{digest}").parse().unwrap(),
            notes: Utf8Path::from_path(folder.path()).unwrap().to_owned(),
            moved: vec![("/w/target".into(), "/w/target/harness/images/0".into())],
            user: (user, user),
        };
        let view = |path: &str, access| View { path: path.into(), access };
        let set = [("TMPDIR", "/tmp"), ("LD_LIBRARY_PATH", "/w/target")];
        let cage = Cage {
            container: Some(container.clone()),
            program: "/bin/cargo-harness".into(),
            views: vec![
                view("/tmp", Access::Empty(ByteSize::of_bytes(7))),
                view("/w", Access::Read),
                view("/w/target", Access::Write),
                view("/a,b", Access::Read),
            ],
            env: vec!["RUSTFLAGS".to_owned()],
            set: set.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            reach,
            ..Cage::default()
        };
        let note = container.begin().unwrap();
        container.argv(&cage, &note, &[env::cargo(), "test".to_owned()], Utf8Path::new("/w"))
    }

    #[test]
    fn both_engines_close_a_container_in_the_same_way() {
        for engine in [Engine::Podman, Engine::Docker] {
            let argv = argv(engine, 1000, Reach::Nothing);
            for word in [
                "--rm",
                "--pull=never",
                "--read-only",
                "--cap-drop=all",
                "--security-opt=no-new-privileges",
                "--network=none",
                "--tmpfs=/tmp:rw,exec,nosuid,nodev,mode=1777,size=7",
                "--mount=type=bind,source=/w,destination=/w,ro",
                "--mount=type=bind,source=/w/target/harness/images/0,destination=/w/target",
                "--volume=/a,b:/a,b:ro",
                "--env=RUSTFLAGS",
                "--env=TMPDIR=/tmp",
                "--workdir=/w",
                "--entrypoint=/bin/cargo-harness",
            ] {
                assert!(argv.iter().any(|have| have == word), "{engine:?} lacks {word}: {argv:?}");
            }
            assert_eq!(argv[argv.len() - 2..], ["cargo", "test"]);
            assert!(!argv.iter().any(|word| word.starts_with("--env=LD_") || word.contains("privileged=true")));
        }
    }

    #[test]
    fn files_belong_to_the_caller_in_each_engines_own_way() {
        let has = |argv: &[String], word: &str| argv.iter().any(|have| have == word);
        let podman = argv(Engine::Podman, 1000, Reach::Everything);
        assert!(has(&podman, "--userns=keep-id") && has(&podman, "--http-proxy=false"));
        assert!(has(&podman, "--network=host"), "only an errand reaches the network");
        assert!(!has(&argv(Engine::Podman, 0, Reach::Nothing), "--userns=keep-id"));
        let docker = argv(Engine::Docker, 1000, Reach::Nothing);
        assert!(has(&docker, "--user=1000:1000") && !has(&docker, "--userns=keep-id"));
    }

    #[test]
    fn a_note_that_is_held_is_no_container_that_was_left() {
        let folder = tempfile::tempdir().unwrap();
        let container = Container {
            engine: Engine::Podman,
            program: "/bin/true".into(),
            image: format!("a@sha256:{}", "0".repeat(64)).parse().unwrap(),
            notes: Utf8Path::from_path(folder.path()).unwrap().to_owned(),
            moved: Vec::new(),
            user: (0, 0),
        };
        let note = container.begin().unwrap();
        container.clear();
        assert_eq!(fs::names(&container.notes).unwrap(), std::slice::from_ref(&note.name));
        drop(note);
        container.clear();
        assert_eq!(fs::names(&container.notes).unwrap(), Vec::<String>::new());
    }
}
