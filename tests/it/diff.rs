//! `cargo harness diff`, and the step of the ladder: programs against oracles and golden files, case by case.

use serde_json::Value;

use crate::support::{Answer, Repo};

/// An oracle that adds the numbers of a case, and counts how often it is asked.
const ORACLE: &str = "echo asked >>\"$2/../asked\" 2>/dev/null; awk '{ s += $1 } END { print s }' \"$1\"\n";

/// A repository whose program `subject.sh` is held against `oracle.sh` on `cases/*`; `more` belongs to the test's table.
fn sample(subject: &str, more: &str) -> Repo {
    let repo = Repo::from_fixture("single");
    repo.write(".gitignore", "/target\n").write("oracle.sh", ORACLE).write("subject.sh", subject);
    repo.write("cases/one", "1\n").write("cases/two", "1\n2\n").write("cases/three", "1\n2\n3\n");
    let side = |name: &str| format!("[\"sh\", \"{{root}}/{name}.sh\", \"{{case}}\", \"{{dir}}\"]");
    repo.write(
        "Harness.toml",
        &format!(
            "[[diffs]]\nname = \"sum\"\ncases = [\"cases/*\"]\noracle = {}\nsubject = {}\n{more}",
            side("oracle"),
            side("subject")
        ),
    );
    repo.git_init();
    repo
}

/// A subject that is right, but for what is put before.
fn right_but(exception: &str) -> String {
    format!("{exception}\nawk '{{ s += $1 }} END {{ print s }}' \"$1\"\n")
}

fn of_case(name: &str, does: &str) -> String {
    right_but(&format!("case $1 in */{name}) {does};; esac"))
}

fn error(answer: &Answer) -> String {
    let lines: Vec<&str> = answer.stdout.lines().filter(|line| line.starts_with("ERROR:")).collect();
    let [line] = lines[..] else { panic!("not one error: {}", answer.whole()) };
    line.to_owned()
}

fn id_in(line: &str) -> String {
    line.rsplit_once('[').unwrap().1.trim_end_matches(']').to_owned()
}

#[test]
fn a_program_that_answers_as_its_oracle_is_green_and_one_that_does_not_is_named_with_the_case() {
    let repo = sample(&right_but(""), "");
    let green = repo.harness(&["diff"]);
    assert!(green.code == 0 && green.stdout.contains("diff    ok") && green.stdout.contains("3 cases"), "{green:#?}");
    repo.write("subject.sh", &of_case("two", "echo 4; exit 0"));
    let red = repo.harness(&["diff"]);
    assert!(red.code == 1 && red.stdout.contains("1 of 3 cases differ"), "{red:#?}");
    let line = error(&red);
    assert!(
        line.contains("DIFF") && line.contains("sum: stdout, line 1: `4` where the oracle has `3` on cases/two ["),
        "{line}"
    );
    assert!(id_in(&line).starts_with("d-"), "{line}");
    let shown = repo.harness(&["show", &id_in(&line)]);
    assert!(shown.stdout.contains("-3\n") && shown.stdout.contains("+4\n"), "a readable difference: {shown:#?}");
}

#[test]
fn a_failing_case_is_replayed_alone_and_from_a_capsule_elsewhere() {
    let repo = sample(&of_case("two", "echo 4; exit 0"), "");
    let id = id_in(&error(&repo.harness(&["diff"])));
    let again = repo.harness(&["repro", &id]);
    assert!(again.code == 1 && again.stdout.contains(&format!("REPRODUCED: {id}")), "{again:#?}");
    let file = repo.root().parent().unwrap().join("capsule");
    assert_eq!(repo.harness(&["repro", &id, "--export", file.as_str()]).code, 0);
    let other = Repo::empty();
    other.git(&["clone", "--quiet", repo.root().as_str(), "."]);
    let from = other.harness(&["repro", "--from", file.as_str(), "--yes"]);
    assert!(from.code == 1 && from.stdout.contains("REPRODUCED"), "{from:#?}");
    repo.write("subject.sh", &right_but(""));
    assert_eq!(repo.harness(&["repro", &id]).code, 0);
}

#[test]
fn a_subject_that_hangs_crashes_or_never_stops_talking_differs_and_spoils_nothing() {
    let stops = [
        ("sleep 100", "it was stopped at its time limit, and the oracle ended with exit status 0"),
        ("kill -SEGV $$", "it was ended by SIGSEGV, and the oracle ended with exit status 0"),
        ("yes", "it was stopped after 16 MiB of output, and the oracle ended with exit status 0"),
        ("exit 3", "exit status 3 where the oracle has 0"),
    ];
    let repo = sample("", "timeout = \"1s\"\n");
    for (does, told) in stops {
        repo.write("subject.sh", &of_case("two", does));
        let red = repo.harness(&["diff"]);
        assert!(red.code == 1 && error(&red).contains(told), "{does}: {}", red.whole());
    }
    let left = repo.root().join("target/harness/latest/cases/diff");
    assert!(!left.exists(), "what the programs wrote is left");
}

#[test]
fn an_oracle_that_gives_no_answer_or_two_is_red_and_nothing_that_passes() {
    let repo = sample(&right_but(""), "timeout = \"1s\"\n");
    repo.write("oracle.sh", &of_case("two", "sleep 100"));
    let red = repo.harness(&["diff"]);
    assert!(error(&red).contains("its oracle gives no answer: it was stopped at its time limit"), "{}", red.whole());
    repo.write("oracle.sh", &of_case("two", "cat /proc/sys/kernel/random/uuid; exit"));
    let red = repo.harness(&["diff"]);
    assert!(error(&red).contains("its oracle answers the case in two ways"), "{}", red.whole());
}

#[test]
fn a_known_answer_is_not_asked_for_again_and_an_outdated_one_is_found_out() {
    let repo = sample(&right_but(""), "");
    repo.write("asked.sh", "echo x >>\"$3/asked\"; sh \"$3/oracle.sh\" \"$1\" \"$2\"\n");
    let contract = repo.read("Harness.toml").replace(
        "[\"sh\", \"{root}/oracle.sh\", \"{case}\", \"{dir}\"]",
        "[\"sh\", \"{root}/asked.sh\", \"{case}\", \"{dir}\", \"{root}\"]",
    );
    repo.write("Harness.toml", &contract).write("asked", "");
    let asked = || repo.read("asked").lines().count();
    assert_eq!((repo.harness(&["diff", "--no-cache"]).code, asked()), (0, 3));
    assert_eq!((repo.harness(&["diff", "--no-cache"]).code, asked()), (0, 3), "asked again");
    // What the oracle reads is no part of its command: that a known answer is outdated shows where it differs.
    repo.write("oracle.sh", "echo 7\n").write("subject.sh", "echo 7\n");
    assert_eq!((repo.harness(&["diff", "--no-cache"]).code, asked()), (0, 6));
}

#[test]
fn what_is_normalised_tolerated_or_expected_does_not_count_and_what_is_expected_in_vain_is_said() {
    let more = "normalise = [\"sort-lines\", \"addresses\", { pattern = \"^v[0-9]+\", with = \"v\" }]\ntolerance = 1e-3\n\
                expected = [{ case = \"cases/three\", reason = \"no threes\", tracking = \"#3\" }]\n";
    let repo = sample("", more);
    repo.write("oracle.sh", "printf 'v1\\n0x12\\n1.0\\n'\n");
    let alike = "case $1 in */three) echo odd;; *) printf '0xab\\nv2\\n1.0001\\n';; esac\n";
    // Sorted before they are alike, lines may stand in another order; so the order of normalisers is the contract's.
    repo.write("subject.sh", &alike.replace("0xab\\nv2\\n1.0001", "1.0001\\n0x34\\nv9"));
    let green = repo.harness(&["diff"]);
    assert!(green.code == 0 && green.stdout.contains("3 cases, 1 as expected"), "{}", green.whole());
    repo.write("subject.sh", "printf 'v1\\n0x12\\n1.0\\n'\n");
    let gone = repo.harness(&["diff"]);
    assert!(gone.code == 0 && gone.stdout.contains("expected is gone, and its entry with it can go: cases/three"));
}

#[test]
fn generated_cases_follow_from_the_seed_and_are_kept_with_the_failure() {
    let repo = sample(&right_but("grep -q '^7$' \"$1\" && { echo bad; exit; }"), "");
    repo.write("generate.sh", "echo $(( $1 % 10 ))\n");
    let contract = repo
        .read("Harness.toml")
        .replace("cases = [\"cases/*\"]", "generate = [\"sh\", \"{root}/generate.sh\", \"{seed}\"]\ncount = 10");
    repo.write("Harness.toml", &contract);
    let red = repo.harness(&["diff", "--seed=100"]);
    let line = error(&red);
    assert!(red.stdout.contains("1 of 10 cases differ") && line.contains("the case of seed 107"), "{}", red.whole());
    let again = repo.harness(&["repro", &id_in(&line)]);
    assert!(again.code == 1 && again.stdout.contains("REPRODUCED"), "{}", again.whole());
}

#[test]
fn golden_files_are_written_only_when_asked_for_and_never_in_ci() {
    let repo = sample(&right_but("echo note >&2; echo left >left"), "files = [\"left\"]\n");
    let oracle = "oracle = [\"sh\", \"{root}/oracle.sh\", \"{case}\", \"{dir}\"]";
    repo.write("Harness.toml", &repo.read("Harness.toml").replace(oracle, "golden = \"golden\""));
    let red = repo.harness(&["diff"]);
    assert!(red.code == 1 && red.stdout.contains("there is no golden file"), "{}", red.whole());
    assert!(!repo.root().join("golden").exists(), "written by itself");
    let mut in_ci = Repo::empty();
    in_ci.set_env("CI", "true").git(&["clone", "--quiet", repo.root().as_str(), "."]);
    in_ci.write("Harness.toml", &repo.read("Harness.toml"));
    let refused = in_ci.harness(&["diff", "--bless"]);
    assert!(refused.code == 2 && refused.stderr.contains("never written in CI"), "{}", refused.whole());
    let blessed = repo.harness(&["diff", "--bless"]);
    assert!(blessed.code == 0 && blessed.stdout.contains("golden files were written"), "{}", blessed.whole());
    let kept = ["stdout", "stderr", "status", "left"].map(|part| repo.read(&format!("golden/cases/two.{part}")));
    assert_eq!(kept, ["3\n", "note\n", "0\n", "left\n"]);
    assert_eq!(repo.harness(&["diff"]).code, 0);
    repo.write("golden/cases/two.stdout", "4\n");
    let red = repo.harness(&["diff"]);
    assert!(error(&red).contains("`3` where the golden file has `4`"), "{}", red.whole());
}

#[test]
fn a_test_without_cases_is_red_and_files_that_lead_elsewhere_are_none() {
    let repo = sample(&right_but("ln -s /etc/passwd out"), "files = [\"out\"]\n");
    let leads = "ln -s /etc/passwd out; ";
    repo.write("oracle.sh", &format!("{leads}{ORACLE}"));
    assert_eq!(repo.harness(&["diff"]).code, 0, "a link is no file on either side");
    std::fs::remove_dir_all(repo.root().join("cases")).unwrap();
    std::os::unix::fs::symlink("/etc", repo.root().join("cases")).unwrap();
    let red = repo.harness(&["diff"]);
    assert!(red.code == 1 && error(&red).contains("no file matches its cases: cases/*"), "{}", red.whole());
}

#[test]
fn the_step_takes_its_place_in_the_ladder_and_in_the_record() {
    let repo = sample(&of_case("two", "exit 9"), "");
    let answer = repo.harness(&["full", "--message-format=json"]);
    let failure = answer.stdout.lines().find(|line| line.contains("\"type\":\"failure\"")).unwrap();
    let failure: Value = serde_json::from_str(failure).unwrap();
    let told = ["category", "step", "subject"].map(|key| failure[key].as_str().unwrap());
    assert_eq!(told, ["DIFF", "diff", "sum"]);
    assert_eq!((failure["tier"].as_u64(), failure["replay"]["input"]["at"].as_str()), (Some(3), Some("cases/two")));
}
