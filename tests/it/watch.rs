//! `watch`: one verdict for each change, none for anything else, and nothing left running.

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Repo, read, skipped};

/// A repository whose one step is a script of a few milliseconds: red as long as there is a file `red`.
fn quick() -> Repo {
    let repo = Repo::empty();
    repo.write("Cargo.toml", "[package]\nname = \"quick\"\nedition = \"2024\"\n");
    repo.write("src/lib.rs", "").write(".gitignore", "/target\n*.tmp\n/red\n/slow\n");
    let contract =
        "[tiers]\n0 = [\"check\"]\n1 = []\n\n[steps.check]\nuses = \"command\"\nrun = [\"sh\", \"{root}/check.sh\"]\n";
    repo.write("Harness.toml", contract);
    script(&repo, "true");
    repo.git_init();
    repo
}

/// The script, and what it does besides.
fn script(repo: &Repo, besides: &str) {
    let text = format!(
        "mkdir -p target; echo begun >> target/begun\n[ ! -e slow ] || {{ setsid sleep 3600 & wait; }}\n{besides}\n[ ! -e red ]\n"
    );
    repo.write("check.sh", &text);
}

/// The program at work, with its output in files beside the repository.
struct Watching<'a> {
    repo: &'a Repo,
    child: Child,
}

const LIMIT: Duration = Duration::from_secs(20);

impl<'a> Watching<'a> {
    fn start(repo: &'a Repo, args: &[&str]) -> Watching<'a> {
        let file = |name: &str| std::fs::File::create(repo.root().join("..").join(name)).unwrap();
        let mut command = repo.harness_command(&[&["watch"], args].concat());
        let child = command.stdin(Stdio::null()).stdout(file("stdout")).stderr(file("stderr")).spawn().unwrap();
        Watching { repo, child }
    }

    fn stdout(&self) -> String {
        self.repo.read("../stdout")
    }

    /// How each change and each verdict begins, in their order.
    fn headlines(&self) -> Vec<String> {
        let text = self.stdout();
        let words = |line: &str| line.split(" tier").next().unwrap_or_default().split(" at ").next().map(str::to_owned);
        text.lines()
            .filter(|line| line.starts_with("CHANGED") || line.starts_with("VERDICT"))
            .filter_map(words)
            .collect()
    }

    /// Waits for so many verdicts or errors.
    fn wait_for(&self, verdicts: usize) {
        let seen = || {
            self.stdout()
                .lines()
                .filter(|line| line.starts_with("VERDICT") || line.contains("\"type\":\"verdict\""))
                .count()
        };
        wait_until(&format!("{verdicts} verdicts"), || seen() >= verdicts);
    }

    /// Ends it by a signal and gives its exit code, if it has one.
    fn end(&mut self, signal: &str) -> Option<i32> {
        let sent = Instant::now();
        let killed = Command::new("kill").args([format!("-{signal}"), self.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
        let status = self.child.wait().unwrap();
        assert!(sent.elapsed() < Duration::from_secs(2), "{signal} took {:?}", sent.elapsed());
        status.code()
    }
}

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Polls until it is so.
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < LIMIT, "not within {LIMIT:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn none_is_left(repo: &Repo) {
    wait_until("no process is left", || repo.processes().is_empty());
}

fn lines(repo: &Repo, path: &str) -> usize {
    std::fs::read_to_string(repo.root().join(path)).unwrap_or_default().lines().count()
}

#[test]
fn a_change_gives_one_new_verdict_and_what_git_ignores_gives_none() {
    let repo = quick();
    let mut watching = Watching::start(&repo, &["-q"]);
    watching.wait_for(1);
    repo.write("src/new/deep.rs", "//! Dep");
    watching.wait_for(2);
    repo.write("some.tmp", "").write("target/debug/x", "").write(".git/x", "").write("src/.lib.rs.swp", "");
    repo.read("src/lib.rs");
    repo.write("src/new/deep.rs", "//! Deep");
    watching.wait_for(3);
    let expected =
        ["VERDICT: GREEN", "CHANGED: src/new/deep.rs", "VERDICT: GREEN", "CHANGED: src/new/deep.rs", "VERDICT: GREEN"];
    assert_eq!(watching.headlines(), expected);
    assert_eq!(watching.end("TERM"), Some(143));
    assert_eq!((lines(&repo, "target/begun"), repo.read("../stderr")), (3, String::new()));
}

#[test]
fn what_the_run_itself_writes_starts_no_other_run() {
    let repo = quick();
    // New files that stay, some with a new name each time, one that goes again, and one with the same content each time.
    script(&repo, "echo same > golden; echo > log-$$; echo > passing-$$; sleep 0.05; rm passing-$$; touch Cargo.lock");
    let mut watching = Watching::start(&repo, &["-q"]);
    // What came up during the first run may be the user's: it is looked at once.
    watching.wait_for(2);
    repo.write("src/lib.rs", "//! A");
    watching.wait_for(3);
    let changes: Vec<String> = watching.headlines().into_iter().filter(|line| line.starts_with("CHANGED")).collect();
    assert_eq!(changes.last().unwrap(), "CHANGED: src/lib.rs", "{changes:?}");
    assert!(changes[0].starts_with("CHANGED: golden, log-"), "{changes:?}");
    assert_eq!((changes.len(), watching.end("INT")), (2, Some(130)));
}

#[test]
fn a_change_during_a_run_stops_it_and_begins_another() {
    let repo = quick();
    repo.write("slow", "");
    let mut watching = Watching::start(&repo, &["-q"]);
    wait_until("the run hangs", || lines(&repo, "target/begun") == 1);
    std::fs::remove_file(repo.root().join("slow")).unwrap();
    repo.write("src/lib.rs", "//! A");
    watching.wait_for(1);
    assert_eq!(watching.headlines(), ["CHANGED: src/lib.rs", "VERDICT: GREEN"]);
    assert_eq!(watching.end("TERM"), Some(143));
    none_is_left(&repo);
}

#[test]
fn the_commands_after_a_verdict_are_told_which() {
    let repo = quick();
    let green = r#"sh -c "echo $HARNESS_VERDICT >> target/said""#;
    let red = r#"sh -c "pwd; echo $HARNESS_VERDICT >> target/said; exit 3""#;
    let watching = Watching::start(&repo, &["-q", "--on-green", green, "--on-red", red]);
    wait_until("the first command has run", || lines(&repo, "target/said") == 1);
    repo.write("red", "").write("src/lib.rs", "//! A");
    wait_until("the second command has failed", || !repo.read("../stderr").is_empty());
    repo.write("Harness.toml", "[nonsense]\n");
    wait_until("the third command has run", || lines(&repo, "target/said") == 3);
    assert_eq!(repo.read("target/said"), "GREEN\nRED\nERROR\n");
    let note = "NOTE: the command of --on-red ended with exit code 3, log target/harness/on-red.log\n";
    assert!(repo.read("../stderr").starts_with(note), "{}", repo.read("../stderr"));
    assert!(repo.read("target/harness/on-red.log").ends_with(&format!("\n{}\n", repo.root())));
    assert!(watching.stdout().contains("nonsense"), "an error is a report too: {}", watching.stdout());
}

#[test]
fn a_change_ends_a_command_that_goes_on() {
    let repo = quick();
    let mut watching = Watching::start(&repo, &["-q", "--on-green", "sleep 3600"]);
    let runs = || repo.processes().iter().filter(|line| line.starts_with("sleep 3600")).count() == 1;
    wait_until("the command runs", runs);
    repo.write("src/lib.rs", "//! A");
    watching.wait_for(2);
    wait_until("it runs again", runs);
    assert_eq!(watching.end("TERM"), Some(143));
    none_is_left(&repo);
}

#[test]
fn however_it_is_ended_no_process_is_left() {
    for (signal, code) in [("INT", Some(130)), ("TERM", Some(143)), ("KILL", None)] {
        let repo = quick();
        repo.write("slow", "");
        let mut watching = Watching::start(&repo, &[]);
        wait_until("the run hangs", || lines(&repo, "target/begun") == 1);
        assert_eq!(watching.end(signal), code);
        none_is_left(&repo);
    }
}

#[test]
fn in_json_one_verdict_follows_the_other_and_nothing_else() {
    let repo = quick();
    let mut watching = Watching::start(&repo, &["--message-format=json"]);
    watching.wait_for(1);
    repo.write("red", "").write("src/lib.rs", "//! A");
    watching.wait_for(2);
    watching.end("TERM");
    let text = watching.stdout();
    let all: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let verdicts = all.iter().filter(|line| line["type"] == "verdict").map(|line| line["verdict"].as_str().unwrap());
    assert_eq!(verdicts.collect::<Vec<_>>(), ["green", "red"]);
}

#[test]
fn what_is_asked_wrongly_is_said_before_anything_runs() {
    let repo = quick();
    for args in [["--on-green", ""], ["--on-red", "say 'x"], ["--package", "quack"]] {
        let answer = repo.harness(&[&["watch"], args.as_slice()].concat());
        assert_eq!((answer.code, answer.stdout.as_str()), (2, ""), "{args:?}: {}", answer.stderr);
    }
    assert!(!repo.root().join("target").exists());
}

/// On a terminal, which `script` provides.
#[test]
fn keys_steer_the_screen_and_quitting_gives_the_terminal_back() {
    if Command::new("script").arg("--version").output().is_err() {
        return skipped("keys on a terminal: script is not installed");
    }
    let repo = quick();
    let program = env!("CARGO_BIN_EXE_cargo-harness");
    let line = format!("{program} watch; echo \"code $?\"; stty -a");
    let screen = std::fs::File::create(repo.root().join("../stdout")).unwrap();
    // The environment is that of every other call.
    let like = repo.harness_command(&[]);
    let mut command = Command::new("script");
    command.args(["-q", "-c", &line, "/dev/null"]).current_dir(repo.root()).env_clear();
    command.envs(like.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("TERM", "xterm");
    let mut child = command.stdin(Stdio::piped()).stdout(screen).spawn().unwrap();
    let mut keys = child.stdin.take().unwrap();
    let mut seen = 0;
    let mut after = |key: &str, expected: &str| {
        keys.write_all(key.as_bytes()).unwrap();
        wait_until(&format!("{expected} after {key:?}"), || {
            let text = String::from_utf8_lossy(&std::fs::read(repo.root().join("../stdout")).unwrap()).into_owned();
            let found = text.get(seen..).and_then(|text| text.find(expected));
            seen += found.map_or(0, |at| at + expected.len());
            found.is_some()
        });
    };
    after("", "GREEN at ");
    after("h", "run again now");
    after("\x1b", "VERDICT");
    after("p", "paused");
    repo.write("red", "").write("src/lib.rs", "//! A");
    after("p", "RED at ");
    after("\x1b[15~", "asked for");
    after("", "RED at ");
    after("q", "code 0");
    child.wait().unwrap();
    let text = read(&repo.root().join("../stdout"));
    let (screens, rest) = text.rsplit_once("\x1b[?1049l").unwrap();
    assert!(screens.contains("\x1b[?1049h"), "{screens:?}");
    assert!(rest.contains("RED at tier 0") && rest.contains(" icanon") && rest.contains(" echo "), "{rest}");
    none_is_left(&repo);
}
