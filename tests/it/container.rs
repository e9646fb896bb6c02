//! Steps in containers of podman's, for an ordinary user, on an image made of Debian's packages and of this machine's toolchain.
//!
//! Making the image takes minutes, so that all of it runs only with HARNESS_CONTAINER, which names the user: one who has subordinate ids.

use std::process::{Command, Stdio};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use crate::support::{Answer, Repo, answer, skipped, wait_until};

/// A user with an engine, and an image in that user's own store.
struct Stage {
    user: String,
    folder: Utf8PathBuf,
    image: String,
}

static STAGE: LazyLock<Option<Stage>> = LazyLock::new(Stage::set);

/// Its containers are counted, so that one test at a time makes some.
static ALONE: Mutex<()> = Mutex::new(());

/// How long what is waited for may take.
const LIMIT: Duration = Duration::from_secs(10);

/// The stage, for this test alone; none, and said so, where it isn't asked for.
fn stage() -> Option<(&'static Stage, MutexGuard<'static, ()>)> {
    if STAGE.is_none() {
        skipped("the container backend: HARNESS_CONTAINER=USER runs it as that user, who needs subordinate ids");
    }
    Some((STAGE.as_ref()?, ALONE.lock().unwrap_or_else(PoisonError::into_inner)))
}

impl Stage {
    fn set() -> Option<Stage> {
        let user = std::env::var("HARNESS_CONTAINER").ok().filter(|user| !user.is_empty())?;
        let folder = Utf8PathBuf::from(format!("/var/tmp/cargo-harness-test-{user}"));
        for name in ["bin", "run"] {
            std::fs::create_dir_all(folder.join(name)).unwrap();
        }
        let sysroot = printed(Command::new("rustc").arg("--print=sysroot"));
        // Of the host's toolchain the user has cargo alone, by which the harness is told of the workspace.
        std::fs::copy(format!("{sysroot}/bin/cargo"), folder.join("bin/cargo")).unwrap();
        std::fs::copy(env!("CARGO_BIN_EXE_cargo-harness"), folder.join("bin/cargo-harness")).unwrap();
        std::fs::write(folder.join("storage.conf"), "[storage]\ndriver = \"overlay\"\n").unwrap();
        // Crun refuses a machine with both kinds of control groups.
        let runc = Utf8Path::new("/usr/sbin/runc").exists() || Utf8Path::new("/usr/bin/runc").exists();
        std::fs::write(folder.join("containers.conf"), if runc { "[engine]\nruntime = \"runc\"\n" } else { "" })
            .unwrap();
        for name in ["", "run"] {
            run(Command::new("chown").args([user.as_str(), folder.join(name).as_str()]));
        }
        let mut stage = Stage { user, folder, image: String::new() };
        stage.image = stage.image_of("rust", |tar| fill(tar, &sysroot));
        Some(stage)
    }

    /// The image of this name by its digest, made where there is none.
    fn image_of(&self, name: &str, fill: impl FnOnce(&Utf8Path)) -> String {
        let tag = format!("localhost/cargo-harness-{name}:1");
        let inspect = ["image", "inspect", "--format", "{{index .RepoDigests 0}}", &tag];
        let known = answer(self.podman(&inspect), "");
        if known.code == 0 {
            return known.stdout.trim().to_owned();
        }
        let tar = Utf8Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("container-{name}.tar"));
        // What an interrupted test has left isn't the whole.
        let _ = std::fs::remove_file(&tar);
        fill(&tar);
        let path = "--change=ENV PATH=/opt/rust/bin:/usr/bin:/bin";
        let mut import = self.podman(&["import", "--quiet", path, "-", &tag]);
        import.stdin(std::fs::File::open(&tar).unwrap());
        run(&mut import);
        std::fs::remove_file(tar).unwrap();
        let known = answer(self.podman(&inspect), "");
        assert_eq!(known.code, 0, "{}", known.whole());
        known.stdout.trim().to_owned()
    }

    /// A program called by the user, with nothing of the caller's environment.
    fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new("runuser");
        command.args(["-u", &self.user, "--", program]);
        if printed(Command::new("id").arg("-un")) == self.user {
            command = Command::new(program);
        }
        command.args(args).env_clear().current_dir(&self.folder);
        command.env("PATH", format!("{}/bin:/usr/sbin:/usr/bin:/sbin:/bin", self.folder));
        let home = printed(Command::new("sh").args(["-c", &format!("echo ~{}", self.user)]));
        command.env("HOME", home).env("XDG_RUNTIME_DIR", self.folder.join("run"));
        command.env("CONTAINERS_CONF", self.folder.join("containers.conf"));
        command.env("CONTAINERS_STORAGE_CONF", self.folder.join("storage.conf"));
        command.env("TMPDIR", "/tmp").env("HARNESS_CANARY", "canary").env("CARGO_NET_OFFLINE", "true");
        command
    }

    fn podman(&self, args: &[&str]) -> Command {
        self.command("podman", args)
    }

    /// The names of the harness's containers, running or not.
    fn containers(&self) -> String {
        answer(self.podman(&["ps", "--all", "--filter=name=cargo-harness", "--format", "{{.Names}}"]), "").stdout
    }

    /// A repository in the user's hands whose steps run in containers of an image.
    fn repo(&self, image: &str, source: &str) -> Repo {
        let repo = Repo::from_fixture("green");
        if !source.is_empty() {
            repo.write("src/lib.rs", source);
        }
        repo.write("Harness.toml", &format!("[sandbox]\nbackend = \"podman\"\nimage = \"{image}\"\n"));
        let folder = repo.root().parent().unwrap();
        std::fs::write(folder.join("secret"), "canary").unwrap();
        run(Command::new("chown").args(["-R", &self.user, folder.as_str()]));
        repo
    }

    fn harness_command(&self, repo: &Repo, args: &[&str]) -> Command {
        let program = self.folder.join("bin/cargo-harness");
        let mut command = self.command(program.as_str(), &[&["harness"], args].concat());
        command.current_dir(repo.root());
        command
    }

    fn harness(&self, repo: &Repo, args: &[&str]) -> Answer {
        answer(self.harness_command(repo, args), "")
    }

    /// The command lines of the user's processes that belong to a repository.
    fn processes(&self, repo: &Repo) -> Vec<String> {
        let all = printed(Command::new("ps").args(["-u", &self.user, "-o", "args="]));
        all.lines().filter(|line| line.contains(repo.root().as_str())).map(str::to_owned).collect()
    }
}

/// Debian with a linker, and the toolchain that runs these tests.
fn fill(tar: &Utf8Path, sysroot: &str) {
    // The program under test needs a C library as new as this machine's.
    let release = printed(Command::new("sh").args(["-c", ". /etc/os-release; echo $VERSION_CODENAME"]));
    let words = ["--quiet", "--variant=essential", "--include=gcc,libc6-dev", &release, tar.as_str()];
    run(Command::new("mmdebstrap").args(words));
    let add = |rename: &str, rest: &[&str]| {
        let mut command = Command::new("tar");
        command.args(["--append", "--owner=0", "--group=0", "-P", "-f", tar.as_str(), "--transform", rename]);
        run(command.args(rest));
    };
    let programs = ["cargo", "rustc", "rustdoc", "rustfmt", "cargo-fmt", "cargo-clippy", "clippy-driver"];
    let programs = programs.map(|name| format!("bin/{name}"));
    let mut rest = vec!["-C", sysroot, "--exclude=*/rustlib/src"];
    rest.extend(programs.iter().map(String::as_str).chain(["lib"]));
    add("s,^,opt/rust/,", &rest);
    let nextest = printed(Command::new("sh").args(["-c", "command -v cargo-nextest"]));
    add("s,^.*/,opt/rust/bin/,", &[&nextest]);
}

fn run(command: &mut Command) {
    let output = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn printed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn steps_run_in_containers_of_the_image_and_nothing_is_left_of_them() {
    let Some((stage, _alone)) = stage() else { return };
    let repo = stage.repo(&stage.image, "");
    let first = stage.harness(&repo, &["fast"]);
    assert_eq!(first.code, 0, "{}", first.whole());
    let record = repo.read("target/harness/latest/run.json");
    assert!(record.contains("\"containment\": \"full\"") && record.contains(&stage.image), "{record}");
    assert!(record.contains("\"name\": \"rustc\"") && record.contains("podman: network namespace"), "{record}");
    assert!(!repo.root().join("target/debug").exists(), "the image's builds are kept apart from the host's");
    assert_eq!(stage.containers(), "");
    let again = stage.harness(&repo, &["fast"]);
    assert!(again.code == 0 && again.stdout.contains("cached"), "{}", again.whole());
    let locked = stage.harness(&repo, &["lock"]);
    assert_eq!(locked.code, 0, "{}", locked.whole());
    let lock = repo.read("Harness.lock");
    assert!(lock.contains(&format!("image = \"{}\"", stage.image)) && lock.contains("cargo-nextest"), "{lock}");
    // The same sources without containers are another question, which nobody has answered: this user has no compiler.
    repo.write("Harness.toml", "");
    let host = stage.harness(&repo, &["fast"]);
    assert!(host.code != 0 && !host.stdout.contains("cached  1 test"), "{}", host.whole());
}

/// What must not be, and what must; `{secret}` is a file outside.
const TESTS: &str = r#"//! Attempts.
#[cfg(test)]
mod tests {
    #[test]
    fn red() {
        assert_eq!(1, 2);
    }

    #[test]
    fn file_outside() {
        assert!(std::fs::metadata("{secret}").is_err());
        assert!(std::fs::write("src/written.rs", "").is_err());
        assert!(std::fs::write("target/harness/audit.jsonl", "").is_err());
        assert!(std::fs::write("/run/cargo-harness", "").is_err());
    }

    #[test]
    fn network() {
        assert!(std::net::TcpStream::connect("{address}").is_err());
    }

    #[test]
    fn secrets() {
        assert!(std::env::var("HARNESS_CANARY").is_err());
        assert!(std::fs::read("/proc/1/environ").is_err());
        assert!(std::fs::OpenOptions::new().write(true).open("/proc/1/mem").is_err());
    }

    #[test]
    fn benign_work() {
        std::fs::write("target/scratch", "x").unwrap();
        std::fs::write(std::env::temp_dir().join("scratch"), "x").unwrap();
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        std::net::TcpStream::connect(server.local_addr().unwrap()).unwrap();
    }
}
"#;

#[test]
fn a_failing_test_is_red_and_attempts_get_no_further_than_the_container() {
    let Some((stage, _alone)) = stage() else { return };
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let repo = stage.repo(&stage.image, "");
    let secret = repo.root().parent().unwrap().join("secret");
    let control = answer(stage.command("cat", &[secret.as_str()]), "");
    assert_eq!(control.stdout, "canary", "the user itself may read it: {}", control.whole());
    let address = server.local_addr().unwrap().to_string();
    repo.write("src/lib.rs", &TESTS.replace("{secret}", secret.as_str()).replace("{address}", &address));
    let answer = stage.harness(&repo, &["run", "--tier", "1", "--step", "unit"]);
    assert_eq!(answer.code, 1, "{}", answer.whole());
    assert!(answer.stdout.contains("ERROR: ASSERT - tests::red: "), "{}", answer.whole());
    assert!(answer.stdout.contains("SUMMARY: 4 passed, 1 failed"), "{}", answer.whole());
    assert_eq!(stage.containers(), "");
}

const SLEEPS: &str = "//! Sleeps.\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn sleeps() {\n        \
     std::thread::sleep(std::time::Duration::from_secs(1000));\n    }\n}\n";

#[test]
fn whatever_ends_a_run_ends_its_containers() {
    let Some((stage, _alone)) = stage() else { return };
    let repo = stage.repo(&stage.image, SLEEPS);
    let is_asleep =
        || stage.processes(&repo).iter().any(|line| line.contains("--exact tests::sleeps --nocapture --log"));
    for how in ["kill", "SIGKILL of the harness", "SIGKILL of the supervisor as well"] {
        let mut child = stage.harness_command(&repo, &["run", "--step", "unit"]);
        let mut child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_until("the test sleeps", LIMIT, is_asleep);
        if how == "kill" {
            assert_eq!(stage.harness(&repo, &["kill"]).code, 0);
        } else {
            let all = printed(Command::new("ps").args(["-u", &stage.user, "-o", "pid=,args="]));
            let is_harness = |line: &str| line.ends_with("harness run --step unit");
            let is_supervisor = |line: &str| line.contains(" __supervise ") && line.contains(repo.root().as_str());
            let is_meant = |line: &&str| is_harness(line) || (how.contains("supervisor") && is_supervisor(line));
            let of_host = all.lines().filter(is_meant);
            let pids: Vec<&str> = of_host.filter_map(|line| line.split_whitespace().next()).collect();
            run(Command::new("kill").arg("-9").args(pids));
        }
        child.wait().unwrap();
        wait_until(how, LIMIT, || stage.processes(&repo).is_empty() && stage.containers().is_empty());
    }
}

#[test]
fn without_the_image_or_where_it_cannot_be_entered_there_is_no_verdict() {
    let Some((stage, _alone)) = stage() else { return };
    let absent = format!("localhost/absent@sha256:{}", "0".repeat(64));
    let answer = stage.harness(&stage.repo(&absent, ""), &["fast"]);
    assert_eq!(answer.code, 3, "{}", answer.whole());
    assert_eq!(
        answer.stderr,
        format!("error: podman has no image {absent}\nhint: podman pull {absent}\n"),
        "{}",
        answer.whole()
    );
    let bare = stage.image_of("bare", |tar| {
        run(Command::new("tar").args(["-cf", tar.as_str(), "-C", env!("CARGO_MANIFEST_DIR"), "LICENSE-MIT"]));
    });
    let answer = stage.harness(&stage.repo(&bare, ""), &["fast"]);
    assert_eq!(answer.code, 3, "{}", answer.whole());
    assert!(
        answer.stderr.contains("can be entered: ") && answer.stderr.contains("hint: this program needs"),
        "{}",
        answer.whole()
    );
}
