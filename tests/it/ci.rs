//! Workflows: valid by schema, without findings, and every command of theirs does what it is for, run here in their order.

use serde_json::Value;

use crate::hooks::equip;
use crate::support::{Answer, Repo, skipped};

const GITHUB: &str = ".github/workflows/harness.yml";
const GITLAB: &str = ".gitlab-ci.yml";

/// A repository with both workflows and a branch whose source is changed so.
fn repo(from: &str, to: &str) -> Repo {
    let mut repo = Repo::from_fixture("green");
    equip(&mut repo);
    repo.write(".gitignore", "/target\nCargo.lock\n").git_init();
    let written = repo.harness(&["ci", "write", "--github", "--gitlab"]);
    assert_eq!(written.code, 0, "{}", written.whole());
    assert_eq!(written.stdout, format!("wrote {GITHUB}\nwrote {GITLAB}\n"));
    repo.git(&["add", "--all"]);
    repo.git(&["commit", "--quiet", "--message", "Workflows"]);
    repo.git(&["checkout", "--quiet", "-b", "work"]);
    repo.write("src/lib.rs", &repo.read("src/lib.rs").replace(from, to));
    repo.git(&["commit", "--quiet", "--all", "--message", "Work"]);
    repo
}

fn yaml(repo: &Repo, path: &str) -> Value {
    serde_saphyr::from_str(&repo.read(path)).unwrap()
}

/// Runs commands as a runner does, in the environment of an event.
fn run(repo: &Repo, commands: &str, variables: &[(&str, &str)]) -> Answer {
    repo.write("target/commands.sh", commands);
    let event = [("VERSION", env!("CARGO_PKG_VERSION")), ("GATE", "merge"), ("MODE", "full"), ("TIERS", "0-3")];
    let set = |(name, value): &(&str, &str)| format!("export {name}='{value}'\n");
    let exports: String = event.iter().chain(variables).map(set).collect();
    let answer = repo.shell(&format!("{exports}bash -e -o pipefail target/commands.sh"));
    assert!(!answer.stdout.contains("Installing"), "the program is here already: {}", answer.stdout);
    answer
}

/// The commands of a job of GitHub's by the names of their steps.
fn steps(workflow: &Value, job: &str) -> Vec<(String, String)> {
    let steps = workflow["jobs"][job]["steps"].as_array().unwrap().iter();
    let text = |step: &Value, key: &str| Some(step[key].as_str()?.to_owned());
    steps.filter_map(|step| Some((text(step, "name")?, text(step, "run")?))).collect()
}

/// What the commands of every job answer, and the results by which the last one decides.
fn github(repo: &Repo) -> Vec<(String, i32, String)> {
    let workflow = yaml(repo, GITHUB);
    let mut told = Vec::new();
    let mut carry_out = |job: &str, name: &str, variables: &[(&str, &str)]| {
        for (step, commands) in steps(&workflow, job) {
            let answer = run(repo, &commands, variables);
            told.push((format!("{name}: {step}"), answer.code, answer.stdout));
        }
    };
    carry_out("gate", "gate", &[("BASE", "main"), ("HEAD", "work")]);
    for shard in ["1", "2"] {
        carry_out("shard", &format!("shard {shard}"), &[("SHARD", &format!("{shard}/2"))]);
        // As the artifacts do.
        let copied =
            repo.shell(&format!("mkdir -p target/parts && cp -RL target/harness/latest target/parts/run-{shard}"));
        assert_eq!(copied.code, 0, "{}", copied.whole());
    }
    carry_out("merge", "merge", &[]);
    carry_out("harness", "harness", &[("RESULTS", "success success success")]);
    let all: usize = ["gate", "shard", "shard", "merge", "harness"].iter().map(|job| steps(&workflow, job).len()).sum();
    assert!(all == told.len() && repo.read(GITHUB).matches("run: ").count() == all - steps(&workflow, "shard").len());
    told
}

/// The code and the output of a command.
fn of<'a>(told: &'a [(String, i32, String)], name: &str) -> (i32, &'a str) {
    let (_, code, text) = told.iter().find(|(told, _, _)| told == name).unwrap_or_else(|| panic!("no {name}"));
    (*code, text)
}

#[test]
fn every_command_of_the_github_workflow_is_green_on_a_good_change() {
    let repo = repo("is well", "is very well");
    let told = github(&repo);
    for (name, code, text) in &told {
        assert_eq!(*code, 0, "{name}: {text}");
    }
    assert!(of(&told, "gate: judge the change by the contract and the tests of its base").1.contains("VERDICT: GREEN"));
    assert!(of(&told, "shard 2: climb the ladder").1.contains(", shard 2/2, "));
    assert!(of(&told, "merge: join them into one verdict").1.contains("SUMMARY: 2 passed, 0 failed"));
}

#[test]
fn the_github_workflow_is_red_on_a_bad_change_and_keeps_a_capsule() {
    let repo = repo("a + b", "a * b");
    let told = github(&repo);
    assert_eq!(of(&told, "gate: judge the change by the contract and the tests of its base").0, 1);
    let codes = ["1", "2"].map(|shard| of(&told, &format!("shard {shard}: climb the ladder")).0);
    assert!(codes.contains(&1), "{codes:?}");
    assert_eq!(of(&told, "merge: join them into one verdict").0, 1);
    let capsules: Vec<String> = repo.shell("ls target/capsules").stdout.lines().map(str::to_owned).collect();
    assert!(!capsules.is_empty() && capsules.iter().all(|name| name.starts_with("t-")), "{capsules:?}");
    let replayed = repo.harness(&["repro", "--yes", "--from", &format!("target/capsules/{}", capsules[0])]);
    assert!(replayed.code == 1 && replayed.stdout.contains("REPRODUCED"), "{}", replayed.whole());
}

#[test]
fn the_one_check_to_require_demands_success_of_each() {
    let repo = repo("is well", "is very well");
    let workflow = yaml(&repo, GITHUB);
    let last = &workflow["jobs"]["harness"];
    assert_eq!(last["if"], "always()");
    let others: Vec<&String> = workflow["jobs"].as_object().unwrap().keys().filter(|job| *job != "harness").collect();
    let mut needed: Vec<&str> = last["needs"].as_array().unwrap().iter().map(|job| job.as_str().unwrap()).collect();
    needed.sort_unstable();
    assert!(others.len() == 3 && others.iter().all(|job| needed.contains(&job.as_str())), "{others:?} {needed:?}");
    let commands = &steps(&workflow, "harness")[0].1;
    for result in ["failure", "cancelled", "skipped", ""] {
        let answer = run(&repo, commands, &[("RESULTS", &format!("success {result} success"))]);
        assert_ne!(answer.code, 0, "{result}");
    }
    assert_ne!(run(&repo, commands, &[]).code, 0, "nothing said is no success");
}

/// The lines of a job of GitLab's, as its runner puts them together.
fn lines(workflow: &Value, job: &str, keys: &[&str]) -> String {
    let own = &workflow[job];
    let base = own["extends"].as_str().map(|name| &workflow[name]);
    let of = |key: &str| own.get(key).or_else(|| base.and_then(|base| base.get(key))).and_then(Value::as_array);
    let all = keys.iter().filter_map(|key| of(key)).flatten();
    all.map(|line| format!("{}\n", line.as_str().unwrap())).collect()
}

#[test]
fn every_command_of_the_gitlab_pipeline_does_what_it_is_for() {
    for (from, to, expected) in [("is well", "is very well", 0), ("a + b", "a * b", 1)] {
        let repo = repo(from, to);
        let workflow = yaml(&repo, GITLAB);
        let home = repo.root().parent().unwrap().join("cache");
        let (root, head, base) = (repo.root(), repo.git(&["rev-parse", "work"]), repo.git(&["rev-parse", "main"]));
        let job = |name: &str, index: &str| {
            let variables = [
                ("CI_PROJECT_DIR", root.as_str()),
                ("CI_COMMIT_SHA", head.trim()),
                ("CI_MERGE_REQUEST_DIFF_BASE_SHA", base.trim()),
                ("CI_NODE_INDEX", index),
                ("CI_NODE_TOTAL", "2"),
                ("XDG_CACHE_HOME", home.as_str()),
            ];
            let answer = run(&repo, &lines(&workflow, name, &["before_script", "script"]), &variables);
            let after = run(&repo, &lines(&workflow, name, &["after_script"]), &variables);
            assert_eq!(after.code, 0, "{name}: {}", after.whole());
            answer
        };
        let gate = job("gate", "");
        assert_eq!(gate.code, expected, "{}", gate.whole());
        assert!(root.join("target/gate/runs").is_dir());
        let shards = ["1", "2"].map(|index| job("shard", index));
        assert_eq!(shards.iter().map(|shard| shard.code).max(), Some(expected), "{shards:#?}");
        let merged = job("merge", "");
        assert_eq!(merged.code, expected, "{}", merged.whole());
        assert!(merged.stdout.contains("VERDICT: "), "{}", merged.stdout);
        let capsules = repo.shell("ls target/capsules").stdout;
        assert_eq!(capsules.is_empty(), expected == 0, "{capsules}");
        assert_eq!(job("harness", "").code, 0);
    }
}

#[test]
fn the_workflows_are_valid_and_without_findings() {
    let repo = repo("is well", "is very well");
    if repo.shell("command -v check-jsonschema").code == 0 {
        for (schema, path) in [("vendor.github-workflows", GITHUB), ("vendor.gitlab-ci", GITLAB)] {
            let answer = repo.shell(&format!("check-jsonschema --builtin-schema {schema} {path}"));
            assert_eq!(answer.code, 0, "{path}: {}", answer.whole());
        }
    } else {
        skipped("the workflows' schemas: check-jsonschema is missing");
    }
    if repo.shell("command -v zizmor").code != 0 {
        return skipped("the workflow's findings: zizmor is missing");
    }
    let audit = format!("zizmor --offline --quiet --persona pedantic {GITHUB}");
    let answer = repo.shell(&audit);
    assert_eq!(answer.code, 0, "{}", answer.whole());
    let pinned = regex::Regex::new("checkout@[0-9a-f]{40}").unwrap();
    repo.write(GITHUB, &pinned.replace_all(&repo.read(GITHUB), "checkout@v7"));
    assert_ne!(repo.shell(&audit).code, 0, "it finds what there is to find");
}

#[test]
fn a_workflow_that_somebody_has_edited_is_left_alone_and_said_to_be() {
    let repo = repo("is well", "is very well");
    assert_eq!(repo.harness(&["ci", "write", "--github"]).stdout, format!("kept {GITHUB}\n"));
    assert_eq!(repo.harness(&["ci", "write", "--github", "--shards", "3"]).stdout, format!("updated {GITHUB}\n"));
    let edited = repo.read(GITHUB).replace("retention-days: 14", "retention-days: 3");
    repo.write(GITHUB, &edited);
    repo.write(GITLAB, "mine: {script: [make]}\n");
    for service in ["--github", "--gitlab"] {
        let refused = repo.harness(&["ci", "write", service]);
        assert!(refused.code == 2 && refused.stderr.contains("is there already, and not as"), "{}", refused.whole());
    }
    assert_eq!(repo.read(GITHUB), edited);
    assert_eq!(repo.read(GITLAB), "mine: {script: [make]}\n");
    let nothing = repo.harness(&["ci", "write"]);
    assert_eq!(nothing.code, 2, "{}", nothing.whole());
}
