//! Every fixture is judged as its `expect.toml` says, by nextest and by `cargo test`.

use camino::Utf8Path;
use serde::Deserialize;

use crate::support::{Facts, Repo, Runner, read};

/// `fixtures/<trait>/expect.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Model {
    runs: Vec<Expected>,
}

/// One call and what must come of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    args: Vec<String>,
    /// Where it is called, relative to the fixture.
    #[serde(default)]
    dir: String,
    /// Files that are written before, by path.
    #[serde(default)]
    write: std::collections::BTreeMap<String, String>,
    code: i32,
    verdict: String,
    steps: Vec<String>,
    counts: String,
    /// `CATEGORY - subject at place [id]`, without what the message says.
    #[serde(default)]
    failures: Vec<String>,
    /// All notes but the one that nextest is missing.
    #[serde(default)]
    notes: Vec<String>,
    /// Only where this runner runs the tests: `nextest` or `cargo test`.
    runner: Option<String>,
}

fn judge(name: &str) {
    let fixture = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
    let model: Model = toml::from_str(&read(&fixture.join("expect.toml"))).unwrap_or_else(|e| panic!("{name}: {e}"));
    for runner in Runner::here() {
        let mut repo = Repo::from_fixture(name);
        repo.use_runner(runner);
        if name == "properties" {
            repo.with_dependencies();
        }
        let word = if runner == Runner::Nextest { "nextest" } else { "cargo test" };
        for run in model.runs.iter().filter(|run| run.runner.as_ref().is_none_or(|only| only == word)) {
            for (path, text) in &run.write {
                repo.write(path, text);
            }
            let args: Vec<&str> = run.args.iter().map(String::as_str).collect();
            let facts = repo.facts_in(&run.dir, &args);
            assert_eq!(told(&facts), expected(run), "{name} by {word}: {args:?}\n{facts:#?}");
            assert_eq!(repo.processes(), [""; 0], "{name} by {word}: {args:?} left processes behind");
        }
    }
}

type Told = (i32, String, Vec<String>, String, Vec<String>, Vec<String>);

fn told(facts: &Facts) -> Told {
    let failure = |f: crate::support::Failed| {
        let at = if f.place.is_empty() { String::new() } else { format!(" at {}", f.place) };
        format!("{} - {}{at} [{}]", f.category, f.subject, f.id)
    };
    let mut failures: Vec<String> = facts.failures().into_iter().map(failure).collect();
    failures.sort();
    let mut notes = facts.notes();
    notes.retain(|note| !note.starts_with("cargo-nextest is not installed, so cargo test ran"));
    (facts.code, facts.phrase(), facts.steps(), facts.counts(), failures, notes)
}

fn expected(run: &Expected) -> Told {
    let mut failures = run.failures.clone();
    failures.sort();
    (run.code, run.verdict.clone(), run.steps.clone(), run.counts.clone(), failures, run.notes.clone())
}

/// One test for each fixture, and one that no fixture is left out.
macro_rules! fixtures {
    ($($test:ident $name:literal;)*) => {
        $(#[test] fn $test() { judge($name); })*

        #[test]
        fn every_fixture_is_judged() {
            let folder = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
            for entry in folder.read_dir_utf8().unwrap() {
                let name = entry.unwrap().file_name().to_owned();
                // Those of the gate have tests of their own.
                let is_judged = name == "cheats" || [$($name),*].contains(&name.as_str());
                assert!(is_judged, "no test judges fixtures/{name}");
            }
        }
    };
}

fixtures! {
    a_crate_with_nothing_special_is_green "green";
    a_single_crate_is_green "single";
    a_virtual_workspace_is_judged_from_anywhere_in_it "virtual-workspace";
    a_workspace_with_a_root_package_is_judged_with_its_members "root-package-workspace";
    code_without_tests_is_not_verified "no-tests";
    a_test_without_a_harness_is_judged_by_its_exit_status "unharnessed";
    what_nextests_configuration_hides_or_excuses_is_not_green "nextest-config";
    commands_and_builds_are_judged_by_what_they_leave "commands";
    the_contracts_categories_take_precedence "categories";
    property_tests_are_judged_in_tiers_1_and_2 "properties";
    the_repositorys_own_runner_still_starts_each_test "runner-config";
}
