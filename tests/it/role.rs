//! Roles from outside: what each may change, and a gate that holds it to that in whatever way files are changed.

use crate::support::{Answer, Repo};

fn repo() -> Repo {
    let mut repo = Repo::empty();
    repo.write("Cargo.toml", "[package]\nname = \"one\"\nversion = \"0.1.0\"\nedition = \"2021\"\n");
    repo.write("Cargo.lock", "version = 4\n\n[[package]]\nname = \"one\"\nversion = \"0.1.0\"\n");
    repo.write("src/lib.rs", "//! One.\n").write("src/old.txt", "old\n").write("docs/guide.md", "Guide.\n");
    repo.write("KNOWN_FAILURES.md", "None.\n").write(".gitignore", "/target\n");
    repo.write(
        "Harness.toml",
        "[tiers]\n0 = [\"clippy\"]\n1 = []\n\n[roles.sheriff]\nmay = [\"src/**\"]\nonly = [\"KNOWN_FAILURES.md\"]\n\n\
         [roles.miner]\nmay = [\"src/**\"]\nmax-lines = 3\n",
    );
    repo.git_init();
    let cache = repo.root().parent().unwrap().join("cache");
    repo.set_env("XDG_CACHE_HOME", cache.as_str());
    repo
}

/// What a role may not do of a change, by the verb and by the gate, which must agree.
fn outside(repo: &Repo, role: &str, change: impl Fn(&Repo)) -> Vec<String> {
    repo.git(&["checkout", "--quiet", "-B", "work", "main"]);
    change(repo);
    repo.git(&["add", "--all"]);
    repo.git(&["commit", "--quiet", "--message", "Change"]);
    let gate = repo.harness(&["gate", "push", "--base", "main", "--role", role]);
    let lines = |answer: &Answer, of_gate: bool| -> Vec<String> {
        let found = answer.stdout.lines().filter_map(|line| line.strip_prefix("ERROR: ROLE - "));
        let plain = |line: &str| match line.split_once(" [g-") {
            Some((line, _)) if of_gate => line.replace(": role: ", ": "),
            _ => line.to_owned(),
        };
        found.map(plain).collect()
    };
    let check = repo.harness(&["role", "check", role, "--base", "main"]);
    let found = lines(&check, false);
    assert_eq!(check.code, i32::from(!found.is_empty()), "{}", check.whole());
    let by_gate: Vec<String> = lines(&gate, true);
    assert_eq!(by_gate.len(), found.len(), "{}\n{}", gate.whole(), check.whole());
    assert!(
        found.iter().all(|line| by_gate.iter().any(|other| other.ends_with(line.as_str()))),
        "{by_gate:?} {found:?}"
    );
    assert_eq!(gate.code == 1, !found.is_empty(), "{}", gate.whole());
    repo.git(&["checkout", "--quiet", "main"]);
    found
}

#[test]
fn a_role_is_held_to_its_files_over_renames_deletions_modes_links_and_size() {
    let repo = repo();
    let not_there = |path: &str, role: &str| format!("{path}: the role {role} may not change it");
    assert_eq!(
        outside(&repo, "miner", |repo| {
            repo.write("src/new.txt", "new\n");
        }),
        [""; 0]
    );
    assert_eq!(
        outside(&repo, "miner", |repo| drop(repo.git(&["mv", "docs/guide.md", "src/guide.md"]))),
        [not_there("docs/guide.md", "miner")]
    );
    assert_eq!(
        outside(&repo, "docs", |repo| drop(repo.git(&["rm", "--quiet", "src/old.txt"]))),
        [not_there("src/old.txt", "docs")]
    );
    assert_eq!(
        outside(&repo, "miner", |repo| drop(repo.shell("chmod +x docs/guide.md"))),
        [not_there("docs/guide.md", "miner")]
    );
    assert_eq!(
        outside(&repo, "miner", |repo| drop(repo.shell("ln -s /etc/passwd src/link"))),
        ["src/link: a symbolic link"]
    );
    assert_eq!(
        outside(&repo, "miner", |repo| {
            repo.write("src/new.txt", "1\n2\n3\n4\n");
        }),
        ["4 changed lines, and the role may change 3"]
    );
    assert_eq!(
        outside(&repo, "miner", |repo| {
            repo.write("KNOWN_FAILURES.md", "x\n");
        }),
        ["KNOWN_FAILURES.md: only sheriff may change it"]
    );
}

#[test]
fn what_is_a_roles_alone_needs_approval_from_whoever_names_no_role() {
    let repo = repo();
    repo.git(&["checkout", "--quiet", "-b", "work"]);
    repo.write("KNOWN_FAILURES.md", "x\n");
    repo.git(&["commit", "--quiet", "--all", "--message", "Change"]);
    let answer = repo.harness(&["gate", "push", "--base", "main"]);
    assert!(
        answer.stdout.contains("APPROVE: ROLE - KNOWN_FAILURES.md: role: only sheriff may change it"),
        "{}",
        answer.whole()
    );
}

#[test]
fn the_roles_are_listed_and_become_code_owners_once() {
    let repo = repo();
    let list = repo.harness(&["role"]);
    assert_eq!(list.code, 0);
    for name in ["bug-miner", "docs", "feature-implementer", "performance", "refactor", "regression-sheriff", "sheriff"]
    {
        assert!(list.stdout.contains(&format!("{name}: ")), "{}", list.stdout);
    }
    assert_eq!(repo.harness(&["role", "codeowners", "--team", "@org/"]).stdout, "wrote .github/CODEOWNERS\n");
    let text = repo.read(".github/CODEOWNERS");
    assert!(text.lines().last().unwrap() == "/KNOWN_FAILURES.md @org/sheriff", "{text}");
    assert_eq!(repo.harness(&["role", "codeowners"]).code, 0, "what it has written it may write again");
    repo.write(".github/CODEOWNERS", "* @ada\n");
    let refused = repo.harness(&["role", "codeowners"]);
    assert!(refused.code == 2 && refused.stderr.contains("was not written by this command"), "{}", refused.whole());
    assert_eq!(repo.read(".github/CODEOWNERS"), "* @ada\n");
}
