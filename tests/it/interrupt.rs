//! Ended from outside: by a signal, by a limit, or by kill -9 at any moment. Nothing is left running, nothing is torn.

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Facts, Random, Repo, Runner, nothing_is_torn, number, wait_until};

/// A test that hangs with a grandchild in a session of its own, once `hanging` exists beside the manifest.
fn hanging() -> Repo {
    let repo = Repo::from_fixture("green");
    let body = r#"
        if !std::path::Path::new("hanging").exists() {
            return;
        }
        let mut command = std::process::Command::new("sh");
        command.args(["-c", "setsid sleep 3600 & touch started; wait"]);
        assert!(command.status().is_ok());
"#;
    let test = format!("\n    #[test]\n    fn hangs() {{{body}    }}\n}}\n");
    let text = repo.read("src/lib.rs");
    repo.write("src/lib.rs", &(text.trim_end().trim_end_matches('}').to_owned() + &test)).write("hanging", "");
    repo
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([format!("-{name}"), child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// In the middle of a hanging test this signal ends everything.
fn ends_by(name: &str, code: i32, verdict: &str) {
    for runner in Runner::here() {
        let mut repo = hanging();
        repo.use_runner(runner);
        let child = repo.start(&["run", "--tier", "1"]);
        wait_until("the test hangs", Duration::from_secs(25), || repo.root().join("started").exists());
        let sent = Instant::now();
        signal(&child, name);
        let output = child.wait_with_output().unwrap();
        assert!(sent.elapsed() < Duration::from_secs(2), "{:?} by {runner:?}", sent.elapsed());
        let stdout = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(code), "{stdout}");
        let last = stdout.lines().last().unwrap();
        assert!(last.starts_with("VERDICT: INTERRUPTED at tier 1 step unit"), "{stdout}");
        assert!(!stdout.contains("ERROR: "), "what was stopped is not broken: {stdout}");
        let record: Value = serde_json::from_str(&repo.read("target/harness/latest/run.json")).unwrap();
        assert_eq!(record["verdict"], verdict);
        repo.none_is_left();
        nothing_is_torn(&repo.root().join("target/harness"));
        let again = repo.harness(&["show"]);
        assert_eq!((again.code, again.stdout), (code, stdout));
    }
}

#[test]
fn ctrl_c_ends_everything_within_two_seconds() {
    ends_by("INT", 130, "interrupted");
}

#[test]
fn sigterm_ends_everything_within_two_seconds() {
    ends_by("TERM", 143, "terminated");
}

#[test]
fn the_time_limit_of_a_step_ends_the_run() {
    for runner in Runner::here() {
        let mut repo = hanging();
        repo.use_runner(runner);
        repo.write("Harness.toml", "[steps.unit]\nuses = \"nextest\"\ntimeout = \"5s\"\n");
        let facts = repo.facts(&["run", "--tier", "1"]);
        assert_eq!((facts.code, facts.phrase()), (4, "TIME LIMIT at tier 1 step unit".to_owned()), "{facts:#?}");
        assert!(facts.failures().iter().any(|failed| failed.category == "TIMEOUT"), "{facts:#?}");
        repo.none_is_left();
    }
}

#[test]
fn the_time_limit_of_the_run_ends_it_too() {
    let repo = hanging();
    repo.write("Harness.toml", "[run]\ntimeout = \"5s\"\n");
    let facts = repo.facts(&["fast"]);
    assert_eq!(facts.code, 4, "{facts:#?}");
    repo.none_is_left();
}

#[test]
fn a_second_run_beside_the_first_spoils_nothing() {
    let repo = Repo::from_fixture("green");
    let children: Vec<Child> = (0..3).map(|_| repo.start(&["fast", "--message-format=json"])).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{stdout}");
    }
    assert_eq!(repo.root().join("target/harness/runs").read_dir_utf8().unwrap().count(), 3);
    nothing_is_torn(&repo.root().join("target/harness"));
    assert_eq!(Facts::of(&repo.harness(&["show", "--message-format=json"])).code, 0);
}

/// Its tests and its example each leave their session twice, in processes that ignore what can be ignored, and go on for a while.
fn wild() -> Repo {
    let repo = Repo::from_fixture("green");
    repo.write("Harness.toml", "run.leaks = \"report\"\n");
    let body = r#"std::process::Command::new("sh")
        .args(["-c", "(setsid sh -c 'trap \"\" HUP INT TERM; (setsid sleep 3600 &); sleep 3600; sleep 3600' &); sleep 0.4"])
        .status()
        .unwrap();"#;
    let tests: String = (0..3).map(|n| format!("#[test]\nfn wild_{n}() {{\n    {body}\n}}\n")).collect();
    repo.write("tests/wild.rs", &tests);
    let example: String = body.lines().map(|line| format!("/// {line}\n")).collect();
    let text = repo.read("src/lib.rs");
    repo.write("src/lib.rs", &format!("{text}\n/// ```\n{example}/// ```\npub fn wild() {{}}\n"));
    repo
}

/// Where its first moments are, in which a supervisor may be there and not listen yet, every other kill comes. `HARNESS_KILLS=200`
/// kills it as often.
#[test]
fn one_second_after_kill_9_at_any_moment_no_process_is_left() {
    let ways: [&[&str]; 3] =
        [&["run", "--mode", "fast", "--step", "unit"], &["run", "--step", "unit"], &["run", "--step", "doc"]];
    let mut repos: Vec<(Runner, Repo)> = Runner::here().into_iter().map(|runner| (runner, wild())).collect();
    for (runner, repo) in &mut repos {
        repo.use_runner(*runner);
    }
    let mut random = Random::new(24301);
    let mut whole = Duration::ZERO;
    for n in 0..number("HARNESS_KILLS", 12) {
        let (runner, repo) = &repos[n % repos.len()];
        let way = ways[n / repos.len() % ways.len()];
        if n < repos.len() * ways.len() {
            let since = Instant::now();
            repo.harness(way);
            whole = whole.max(since.elapsed());
        }
        let most = if random.in_percent(50) { Duration::from_millis(60) } else { whole };
        let moment = most.mul_f64(random.below(1000) as f64 / 1000.0);
        let mut child = repo.start(way);
        std::thread::sleep(moment);
        child.kill().unwrap();
        child.wait().unwrap();
        let since = Instant::now();
        while !repo.processes().is_empty() {
            let left = repo.processes();
            assert!(
                since.elapsed() < Duration::from_secs(1),
                "kill {n} after {moment:?} of {way:?} by {runner:?}: {left:#?}"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    for (_, repo) in &repos {
        let answer = repo.harness(&["audit", "log", "--verify"]);
        assert_eq!(answer.code, 0, "{}", answer.whole());
    }
}

/// `HARNESS_KILLS=200` kills it as often.
#[test]
fn kill_9_at_any_moment_leaves_the_old_state_or_the_new_one() {
    let kills = number("HARNESS_KILLS", 25);
    let repo = hanging();
    std::fs::remove_file(repo.root().join("hanging")).unwrap();
    let since = Instant::now();
    assert_eq!(repo.facts(&["run", "--tier", "1", "--step", "unit"]).code, 0);
    let whole = since.elapsed().max(Duration::from_millis(400));
    let mut random = Random::new(24301);
    for n in 0..kills {
        let moment = whole.mul_f64(random.below(1000) as f64 / 900.0);
        // Now and then red, so that failures are opened and closed.
        if n % 3 == 0 {
            repo.write("tests/red.rs", &format!("#[test]\nfn red() {{\n    assert_eq!({n}, {});\n}}\n", n % 2));
        }
        let mut child = repo.start(&["run", "--tier", "1", "--step", "unit"]);
        std::thread::sleep(moment);
        child.kill().unwrap();
        child.wait().unwrap();
        repo.none_is_left();
        nothing_is_torn(&repo.root().join("target/harness"));
    }
    repo.write("tests/red.rs", "");
    let facts = repo.facts(&["run", "--tier", "1", "--step", "unit"]);
    assert_eq!((facts.code, facts.phrase()), (0, "GREEN tier 1".to_owned()), "{facts:#?}");
    let open = repo.root().join("target/harness/failures").read_dir_utf8().unwrap().count();
    assert!(open <= 1, "{open} failures are open");
}
