//! Git hooks: what they let through and what not, beside the hooks of others, and without a trace once they are taken down.

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, symlink};

use camino::{Utf8Path, Utf8PathBuf};

use crate::support::{Answer, Repo, read};

/// Puts the program on a repository's path, and names an author.
pub(crate) fn equip(repo: &mut Repo) {
    let folder = repo.root().parent().unwrap().to_owned();
    let bin = folder.join("programs");
    std::fs::create_dir_all(&bin).unwrap();
    symlink(env!("CARGO_BIN_EXE_cargo-harness"), bin.join("cargo-harness")).unwrap();
    let path = format!("{bin}:{}", std::env::var("PATH").unwrap());
    repo.set_env("PATH", &path).set_env("XDG_CACHE_HOME", folder.join("cache").as_str());
    for who in ["AUTHOR", "COMMITTER"] {
        repo.set_env(&format!("GIT_{who}_NAME"), "A").set_env(&format!("GIT_{who}_EMAIL"), "a@example.org");
    }
}

/// A repository with the program on its path.
fn green() -> Repo {
    let mut repo = Repo::from_fixture("green");
    equip(&mut repo);
    repo.write(".gitignore", "/target\nCargo.lock\n").git_init();
    repo
}

/// The same with a bare repository beside it that it pushes to, which has its main branch already.
fn with_server() -> Repo {
    let repo = green();
    repo.git(&["init", "--quiet", "--bare", "--initial-branch=main", "../server.git"]);
    repo.git(&["remote", "add", "origin", "../server.git"]);
    repo.git(&["push", "--quiet", "origin", "main"]);
    repo
}

/// A branch from main with the source changed.
fn branch(repo: &Repo, name: &str, from: &str, to: &str) {
    repo.git(&["checkout", "--quiet", "-b", name, "main"]);
    repo.write("src/lib.rs", &repo.read("src/lib.rs").replace(from, to));
    repo.git(&["commit", "--quiet", "--all", "--no-verify", "--message", name]);
    repo.git(&["checkout", "--quiet", "main"]);
}

fn good(repo: &Repo, name: &str) {
    branch(repo, name, "A library that is well", "A library that is very well");
}

fn bad(repo: &Repo, name: &str) {
    branch(repo, name, "a + b", "a * b");
}

fn install(repo: &Repo) -> Answer {
    let answer = repo.harness(&["hooks", "install"]);
    assert_eq!(answer.code, 0, "{}", answer.whole());
    answer
}

fn install_on_server(repo: &Repo) {
    let answer = repo.shell("cd ../server.git && cargo-harness hooks install --server");
    assert!(answer.code == 0 && answer.stdout.starts_with("pre-receive  installed  "), "{}", answer.whole());
}

/// The references of the repository that is pushed to.
fn there(repo: &Repo) -> Vec<String> {
    let refs = repo.git(&["ls-remote", "--refs", "origin"]);
    refs.lines().map(|line| line.split('\t').nth(1).unwrap().to_owned()).collect()
}

/// Every file below a folder, with its mode; links by what they say.
fn tree(folder: &Utf8Path) -> BTreeMap<Utf8PathBuf, (u32, Vec<u8>)> {
    let mut files = BTreeMap::new();
    for entry in folder.read_dir_utf8().unwrap() {
        let path = entry.unwrap().into_path();
        let data = path.symlink_metadata().unwrap();
        if data.is_dir() {
            files.extend(tree(&path));
        } else if data.is_symlink() {
            files.insert(path.clone(), (0, path.read_link_utf8().unwrap().into_string().into_bytes()));
        } else {
            files.insert(path.clone(), (data.permissions().mode(), std::fs::read(&path).unwrap()));
        }
    }
    files
}

/// What is git's own about hooks.
fn of_git(repo: &Repo) -> BTreeMap<Utf8PathBuf, (u32, Vec<u8>)> {
    let own = repo.root().join(".git");
    let inside = tree(&own).into_iter().map(|(path, file)| (path.strip_prefix(&own).unwrap().to_owned(), file));
    let wanted = |path: &Utf8Path| {
        path.starts_with("hooks") || path.as_str().starts_with("config") || path.as_str().contains("harness")
    };
    inside.filter(|(path, _)| wanted(path)).collect()
}

/// All is as it was, to the byte.
fn nothing_is_left(repo: &Repo, before: &BTreeMap<Utf8PathBuf, (u32, Vec<u8>)>) {
    let now = of_git(repo);
    let paths = before.keys().chain(now.keys());
    let other: Vec<&Utf8PathBuf> = paths.filter(|path| before.get(*path) != now.get(*path)).collect();
    assert!(other.is_empty(), "{other:#?}");
}

/// A hook that somebody has, with a mode of its own.
fn script(repo: &Repo, path: &str, text: &str) {
    repo.write(path, &format!("#!/bin/sh\n{text}\n"));
    std::fs::set_permissions(repo.root().join(path), std::fs::Permissions::from_mode(0o751)).unwrap();
}

#[test]
fn a_push_of_several_refs_with_one_bad_among_good_ones_is_refused() {
    let repo = with_server();
    repo.git(&["push", "--quiet", "origin", "main:old"]);
    install(&repo);
    good(&repo, "good");
    bad(&repo, "bad");
    repo.git(&["tag", "--annotate", "--message", "One", "v1", "good"]);
    let refused = repo.shell("git push origin :old good bad v1");
    assert_ne!(refused.code, 0, "{}", refused.whole());
    for text in [
        "PUSH: refs/heads/old: not judged: deleted\n",
        "VERDICT: GREEN tiers 0-1 of gate push",
        "ERROR: ASSERT - tests::one_and_two_are_three",
        "VERDICT: RED at tier 1 of gate push",
        "PUSH: refused, for 1 of 4 refs: refs/heads/bad\n",
    ] {
        assert!(refused.stdout.contains(text), "{text}: {}", refused.stdout);
    }
    assert_eq!(there(&repo), ["refs/heads/main", "refs/heads/old"]);
    let taken = repo.shell("git push origin :old good v1");
    assert_eq!(taken.code, 0, "{}", taken.whole());
    assert_eq!(there(&repo), ["refs/heads/good", "refs/heads/main", "refs/tags/v1"]);
}

#[test]
fn a_push_that_skips_the_hook_is_caught_by_the_server() {
    let repo = with_server();
    install(&repo);
    install_on_server(&repo);
    good(&repo, "good");
    bad(&repo, "bad");
    let refused = repo.shell("git push --no-verify origin good bad");
    assert_ne!(refused.code, 0, "{}", refused.whole());
    assert!(refused.stdout.contains("remote: ERROR: ASSERT - tests::one_and_two_are_three"), "{}", refused.stdout);
    assert!(refused.stdout.contains("remote: PUSH: refused, for 1 of 2 refs: refs/heads/bad"), "{}", refused.stdout);
    assert_eq!(there(&repo), ["refs/heads/main"]);
    assert_eq!(repo.shell("git push --no-verify origin good").code, 0);
    assert_eq!(repo.shell("git push --no-verify origin good:main").code, 0);
    let log = read(&repo.root().parent().unwrap().join("server.git/harness/audit.jsonl"));
    assert!(log.contains("\"outcome\":\"red\"") && log.contains("\"outcome\":\"green\""), "{log}");
}

#[test]
fn the_default_branch_of_the_server_is_neither_deleted_nor_set_back() {
    let repo = with_server();
    install_on_server(&repo);
    good(&repo, "good");
    repo.write("tests/more.rs", "//! More.\n\n#[test]\nfn more() {}\n");
    repo.git(&["add", "--all"]);
    repo.git(&["commit", "--quiet", "--message", "More"]);
    assert_eq!(repo.shell("git push origin main good").code, 0);
    for (push, why) in [
        ("git push origin :main", "ERROR: GATE - refs/heads/main: refused: it is the default branch"),
        ("git push --force origin main~1:main", "refused: it would take commits off the default branch"),
        ("git push --force origin good:main", "refused: it would take commits off the default branch"),
    ] {
        let refused = repo.shell(push);
        assert!(refused.code != 0 && refused.stdout.contains(why), "{}", refused.whole());
    }
    let taken = repo.shell("git push origin :good main~1:refs/heads/early");
    assert_eq!(taken.code, 0, "{}", taken.whole());
    assert!(taken.stdout.contains("refs/heads/early: not judged: part of the default branch already"));
}

#[test]
fn what_begins_a_server_is_judged_by_its_own_contract() {
    let repo = green();
    repo.git(&["init", "--quiet", "--bare", "--initial-branch=main", "../server.git"]);
    repo.git(&["remote", "add", "origin", "../server.git"]);
    install_on_server(&repo);
    bad(&repo, "bad");
    let refused = repo.shell("git push origin bad:main");
    assert!(refused.code != 0 && refused.stdout.contains("VERDICT: RED at tier 1"), "{}", refused.whole());
    let taken = repo.shell("git push origin main");
    assert!(taken.code == 0 && taken.stdout.contains("by its own contract"), "{}", taken.whole());
}

#[test]
fn what_is_staged_is_judged_and_also_what_a_commit_stages_itself() {
    let repo = green();
    install(&repo);
    let sound = repo.read("src/lib.rs");
    let broken = sound.replace("a + b", "a * b");
    repo.write("src/lib.rs", &broken);
    repo.git(&["add", "--all"]);
    repo.write("src/lib.rs", &sound);
    let refused = repo.shell("git commit --message Staged");
    assert!(refused.code != 0 && refused.stdout.contains("RED at tier 1 of gate commit"), "{}", refused.whole());
    // Now the index that the commit makes is another one than that of the work tree.
    repo.git(&["reset", "--quiet", "--hard"]);
    repo.write("src/lib.rs", &broken);
    let refused = repo.shell("git commit --all --message All");
    assert!(refused.code != 0 && refused.stdout.contains("RED at tier 1 of gate commit"), "{}", refused.whole());
    repo.write("src/lib.rs", &sound.replace("is well", "is very well"));
    let taken = repo.shell("git commit --all --message Good");
    assert!(taken.code == 0 && taken.stdout.contains("VERDICT: GREEN"), "{}", taken.whole());
}

#[test]
fn the_first_commit_is_judged_by_what_it_brings() {
    let repo = green();
    std::fs::remove_dir_all(repo.root().join(".git")).unwrap();
    repo.git(&["init", "--quiet"]);
    install(&repo);
    repo.git(&["add", ".gitignore"]);
    let nothing = repo.shell("git commit --message Ignore");
    assert!(
        nothing.code == 0 && nothing.stdout.contains("nothing is judged, as there is no Cargo.toml"),
        "{nothing:?}"
    );
    let sound = repo.read("src/lib.rs");
    repo.write("src/lib.rs", &sound.replace("a + b", "a * b"));
    repo.git(&["add", "--all"]);
    let refused = repo.shell("git commit --message Bad");
    assert!(refused.code != 0 && refused.stdout.contains("RED at tier 1 of gate commit"), "{}", refused.whole());
    repo.write("src/lib.rs", &sound);
    let taken = repo.shell("git commit --all --message Good");
    assert_eq!(taken.code, 0, "{}", taken.whole());
}

#[test]
fn in_a_linked_work_tree_the_hooks_judge_what_is_pushed_from_there() {
    let repo = with_server();
    repo.git(&["worktree", "add", "--quiet", "-b", "linked", "../linked"]);
    let installed = repo.shell("cd ../linked && cargo-harness hooks install");
    assert_eq!(installed.code, 0, "{}", installed.whole());
    bad(&repo, "bad");
    let refused = repo.shell("cd ../linked && git merge --quiet --no-verify bad && git push origin linked");
    assert!(refused.code != 0 && refused.stdout.contains("RED at tier 1 of gate push"), "{}", refused.whole());
    let commit = repo.shell("cd ../linked && git reset --quiet --soft HEAD~1 && git commit --message Bad");
    assert!(commit.code != 0 && commit.stdout.contains("RED at tier 1 of gate commit"), "{}", commit.whole());
    assert_eq!(there(&repo), ["refs/heads/main"]);
}

#[test]
fn a_hook_that_was_there_runs_first_with_all_that_git_says_and_its_status_counts() {
    let repo = with_server();
    script(&repo, ".git/hooks/pre-push", "cat >../heard; echo \"theirs: $*\"; exit $(cat ../status)");
    std::fs::write(repo.root().parent().unwrap().join("status"), "0").unwrap();
    let before = of_git(&repo);
    let installed = install(&repo);
    assert!(installed.stdout.contains(", after ") && installed.stdout.contains("pre-push.before-harness"));
    let again = install(&repo);
    assert_eq!(again.stdout, installed.stdout);
    bad(&repo, "bad");
    good(&repo, "good");
    let refused = repo.shell("git push origin good bad");
    assert!(refused.code != 0 && refused.stdout.starts_with("theirs: origin ../server.git\n"), "{}", refused.whole());
    assert!(refused.stdout.contains("RED at tier 1"), "{}", refused.stdout);
    let heard = read(&repo.root().parent().unwrap().join("heard"));
    assert!(heard.lines().count() == 2 && heard.contains("refs/heads/bad"), "{heard}");
    std::fs::write(repo.root().parent().unwrap().join("status"), "9").unwrap();
    let theirs = repo.shell("git push origin good");
    assert!(theirs.code != 0 && !theirs.stdout.contains("VERDICT"), "{}", theirs.whole());
    let input =
        "refs/heads/x 0000000000000000000000000000000000000000 refs/heads/x 0000000000000000000000000000000000000000\n";
    let file = repo.root().join(".git/hooks/pre-push");
    let status = repo.harness_with_input(&["hook", "pre-push", "--file", file.as_str(), "--", "a", "b"], input);
    assert!(status.code == 9 && status.stdout == "theirs: a b\n", "{}", status.whole());
    let removed = repo.harness(&["hooks", "uninstall"]);
    assert_eq!(removed.code, 0, "{}", removed.whole());
    nothing_is_left(&repo, &before);
    assert_eq!(repo.harness(&["hooks", "status"]).code, 1);
    assert_eq!(repo.harness(&["hooks", "uninstall"]).code, 0);
    nothing_is_left(&repo, &before);
}

#[test]
fn beside_a_folder_of_hooks_that_the_settings_name_nothing_in_it_is_touched() {
    for scope in ["local", "global", "worktree"] {
        let repo = with_server();
        repo.git(&["config", "extensions.worktreeConfig", "true"]);
        script(&repo, ".githooks/pre-push", "cat; exit 0");
        script(&repo, ".githooks/commit-msg", "echo \"commit-msg: $#\"");
        repo.git(&["add", "--all"]);
        repo.git(&["commit", "--quiet", "--message", "Hooks"]);
        repo.git(&["config", &format!("--{scope}"), "core.hooksPath", ".githooks"]);
        let (hooks, before) = (tree(&repo.root().join(".githooks")), of_git(&repo));
        let installed = install(&repo);
        assert!(installed.stdout.contains(".git/harness-hooks/pre-push, after "), "{}", installed.stdout);
        assert_eq!(install(&repo).stdout, installed.stdout);
        assert_eq!(repo.harness(&["hooks", "status"]).code, 0, "{scope}");
        let committed = repo.shell("git commit --quiet --allow-empty --message Empty");
        assert!(committed.code == 0 && committed.stdout.contains("commit-msg: 1\n"), "{}", committed.whole());
        bad(&repo, "bad");
        let refused = repo.shell("git push origin bad");
        assert!(refused.code != 0 && refused.stdout.contains("\nPUSH: refs/heads/bad: "), "{}", refused.whole());
        assert!(refused.stdout.starts_with("refs/heads/bad "), "theirs has heard it first: {}", refused.stdout);
        assert_eq!(tree(&repo.root().join(".githooks")), hooks);
        assert_eq!(repo.git(&["status", "--porcelain"]), "");
        assert_eq!(repo.harness(&["hooks", "uninstall"]).code, 0);
        nothing_is_left(&repo, &before);
        assert_eq!(repo.git(&["config", "core.hooksPath"]), ".githooks\n");
    }
}

#[test]
fn settings_that_were_changed_since_keep_the_change_when_the_hooks_go() {
    let repo = green();
    repo.git(&["config", "core.hooksPath", ".githooks"]);
    install(&repo);
    repo.git(&["config", "user.nickname", "A"]);
    assert_eq!(repo.harness(&["hooks", "uninstall"]).code, 0);
    let all = repo.git(&["config", "--local", "--list"]);
    assert!(all.contains("core.hookspath=.githooks\n") && all.contains("user.nickname=A\n"), "{all}");
    assert!(!all.contains("harness"), "{all}");
    assert!(!repo.root().join(".git/harness-hooks").exists());
}

/// As pre-commit and prek write it: what they find beside it by the name of a legacy runs first.
const WITH_LEGACY: &str = "# File generated by pre-commit: https://pre-commit.com\nhere=$(dirname \"$0\")\ninput=$(cat)\n\
                           echo theirs\n[ ! -x \"$here/pre-push.legacy\" ] || echo \"$input\" | \"$here/pre-push.legacy\" \"$@\"";
const LEFTHOOK: &str = "call_lefthook()\n{\n  echo theirs\n}\n\ncall_lefthook run \"pre-push\" \"$@\"";

#[test]
fn beside_pre_commit_prek_and_lefthook_both_run() {
    for (text, file) in [
        (WITH_LEGACY.to_owned(), ".git/hooks/pre-push.legacy"),
        (
            WITH_LEGACY.replace("pre-commit: https://pre-commit.com", "prek: https://github.com/j178/prek"),
            ".git/hooks/pre-push.legacy",
        ),
        (LEFTHOOK.to_owned(), ".git/hooks/pre-push"),
    ] {
        let repo = with_server();
        script(&repo, ".git/hooks/pre-push", &text);
        let before = of_git(&repo);
        let installed = install(&repo);
        assert!(
            installed.stdout.contains(&format!("{file}\n")) || installed.stdout.contains(&format!("{file}, after "))
        );
        let hint = "pre-push:\n  jobs:\n    - name: harness\n      run: cargo-harness hook pre-push -- {1} {2}\n      use_stdin: true\n";
        assert_eq!(installed.stdout.contains(hint), text == LEFTHOOK, "{}", installed.stdout);
        bad(&repo, "bad");
        let refused = repo.shell("git push origin bad");
        assert!(refused.code != 0 && refused.stdout.starts_with("theirs\n"), "{}", refused.whole());
        assert!(refused.stdout.contains("RED at tier 1 of gate push"), "{}", refused.stdout);
        assert_eq!(repo.harness(&["hooks", "uninstall"]).code, 0);
        nothing_is_left(&repo, &before);
    }
}

#[test]
fn a_hook_that_took_the_place_of_ours_is_named_and_never_lost() {
    let repo = green();
    script(&repo, ".git/hooks/pre-push", "echo first");
    install(&repo);
    script(&repo, ".git/hooks/pre-push", "echo second");
    let status = repo.harness(&["hooks", "status"]);
    assert!(status.code == 1 && status.stdout.contains("pre-push    displaced  "), "{}", status.whole());
    for verb in ["install", "uninstall"] {
        let answer = repo.harness(&["hooks", verb]);
        assert!(
            answer.code == 2 && answer.stderr.contains("pre-push.before-harness holds the hook"),
            "{}",
            answer.whole()
        );
    }
    assert!(repo.read(".git/hooks/pre-push").contains("second"));
    assert!(repo.read(".git/hooks/pre-push.before-harness").contains("first"));
}

#[test]
fn a_workspace_below_the_top_is_judged_where_it_lies() {
    let mut repo = Repo::from_fixture("green");
    std::fs::create_dir(repo.root().join("deep")).unwrap();
    for name in ["src", "Cargo.toml"] {
        std::fs::rename(repo.root().join(name), repo.root().join("deep").join(name)).unwrap();
    }
    equip(&mut repo);
    repo.write(".gitignore", "target\nCargo.lock\n").git_init();
    let before = of_git(&repo);
    let lost = repo.harness(&["hooks", "install"]);
    assert!(lost.code == 2 && lost.stderr.contains("there is no Cargo.toml in"), "{}", lost.whole());
    let installed = repo.harness(&["hooks", "install", "--manifest-path", "deep/Cargo.toml"]);
    assert_eq!(installed.code, 0, "{}", installed.whole());
    repo.write("deep/src/lib.rs", &repo.read("deep/src/lib.rs").replace("a + b", "a * b"));
    let refused = repo.shell("git commit --all --message Bad");
    assert!(refused.code != 0 && refused.stdout.contains("RED at tier 1 of gate commit"), "{}", refused.whole());
    assert_eq!(repo.harness(&["hooks", "uninstall"]).code, 0);
    nothing_is_left(&repo, &before);
}

#[test]
fn settings_of_the_pushed_tree_have_no_say_in_what_the_hook_runs() {
    let repo = with_server();
    install(&repo);
    repo.write(".cargo/config.toml", "[alias]\nharness = \"version\"\n");
    bad(&repo, "bad");
    let refused = repo.shell("git push origin bad");
    assert!(refused.code != 0 && refused.stdout.contains("RED at tier 1 of gate push"), "{}", refused.whole());
}

#[test]
fn bad_input_is_one_clear_error_and_lets_nothing_through() {
    let repo = with_server();
    let refused = |answer: Answer, code: i32, text: &str| {
        assert_eq!(answer.code, code, "{}", answer.whole());
        assert!(answer.stderr.contains(text) || answer.stdout.contains(text), "{text}: {}", answer.whole());
    };
    refused(
        repo.harness_with_input(&["hook", "pre-push"], "nonsense\n"),
        2,
        "error: line 1 of standard input is not what git",
    );
    let unknown = format!("a {} refs/heads/a {}\n", "1".repeat(40), "0".repeat(40));
    refused(repo.harness_with_input(&["hook", "pre-push"], &unknown), 2, "is not a commit of this repository");
    refused(repo.harness(&["hooks", "install", "--server"]), 2, "`--server` is for a bare repository");
    refused(repo.harness(&["hooks", "install", "pre-receive"]), 2, "`--server` is for a bare repository");
    refused(repo.shell("cd ../server.git && cargo-harness hooks install"), 2, "nobody commits in a bare repository");
    refused(
        repo.shell("cd ../server.git && cargo-harness hooks install --server --gate commit"),
        2,
        "judges what is staged",
    );
    refused(Repo::empty().harness(&["hooks", "install"]), 2, "this is no git repository");
    assert_eq!(repo.harness_with_input(&["hook", "pre-push"], "").code, 0, "a push of what is there already");
}
