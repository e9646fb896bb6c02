//! What a user sees of contracts that are wrong, and that right ones are taken as they are meant.

#![expect(clippy::disallowed_methods, reason = "the tests lay out workspaces of their own")]

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use proptest::prelude::*;
use serde_json::json;

use super::error::ContractError;
use super::load::{Document, Loaded, Source, interpret, load};
use super::*;
use crate::base::Explain;
use crate::ports::cargo::Workspace;

fn read(text: &str) -> Result<Loaded, ContractError> {
    let document = Document { path: "Harness.toml".to_owned(), text: text.to_owned() };
    interpret(Source::File, &document, &document.parse()?)
}

fn said(error: &ContractError) -> String {
    match error.hint() {
        Some(hint) => format!("{error} | {hint}"),
        None => error.to_string(),
    }
}

#[track_caller]
fn refused(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        let error = read(text).map(|loaded| loaded.contract).expect_err(text);
        assert_eq!(said(&error), *expected, "{text}");
    }
}

#[test]
fn texts_that_are_not_toml_are_refused_at_their_place() {
    refused(&[
        ("[run\nseed = 1", "Harness.toml:1:5: unclosed table, expected `]`"),
        ("run = 1\nrun = 2", "Harness.toml:2:1: duplicate key"),
        ("[run]\nseed = 1\n[run]\n", "Harness.toml:3:2: duplicate key"),
        ("x = \"abc", "Harness.toml:1:9: invalid basic string, expected `\"`"),
        ("[run]\nseed = 01", "Harness.toml:2:8: unexpected leading zero, expected nothing"),
    ]);
}

#[test]
fn unknown_and_missing_keys_are_refused_at_their_place() {
    refused(&[
        ("[rnu]\nseed = 1", "Harness.toml:1:2: unknown key `rnu` | did you mean `run`?"),
        ("\n[run]\n  sede = 1", "Harness.toml:3:3: unknown key `sede` in [run] | did you mean `seed`?"),
        ("run = { sede = 1 }", "Harness.toml:1:9: unknown key `sede` in [run] | did you mean `seed`?"),
        (
            "[run]\ntest_timeout = \"3s\"",
            "Harness.toml:2:1: unknown key `test_timeout` in [run] | did you mean `test-timeout`?",
        ),
        ("[modes]\nquick = {}", "Harness.toml:2:1: unknown key `quick` in [modes] | known are: deep, fast, full"),
        (
            "[done]\nbinaries = [{nam = \"x\"}]",
            "Harness.toml:2:14: unknown key `nam` in [[done.binaries]] | did you mean `name`?",
        ),
        ("[steps.unit]\nfilter = \"a\"", "Harness.toml:1:1: the key `uses` is missing in [steps.unit]"),
        ("\n[[builds]]\nname = \"x\"", "Harness.toml:2:1: the key `dir` is missing in [[builds]]"),
    ]);
}

#[test]
fn values_of_the_wrong_type_are_refused_at_their_place() {
    refused(&[
        ("run = 3", "Harness.toml:1:7: `run` is an integer, expected a table"),
        ("[[run]]\nseed = 1", "Harness.toml:1:1: `run` is an array, expected a table"),
        ("[run]\nseed = \"1\"", "Harness.toml:2:8: `run.seed` is a string, expected an integer"),
        ("[run]\nseed = 1.0", "Harness.toml:2:8: `run.seed` is a fraction, expected an integer"),
        ("[run]\nall-features = \"true\"", "Harness.toml:2:16: `run.all-features` is a string, expected a boolean"),
        (
            "[run]\ntest-timeout = 60",
            "Harness.toml:2:16: `run.test-timeout` is an integer, expected a string | such as \"30s\"",
        ),
        (
            "[modes]\nfast.tiers = 1979-05-27",
            "Harness.toml:2:14: `modes.fast.tiers` is a date, expected a string | such as \"0-1\"",
        ),
        ("[tiers]\n0 = [\"fmt\", 3]", "Harness.toml:2:13: `tiers.0[1]` is an integer, expected a string"),
        ("[steps]\nunit = {uses = 3}", "Harness.toml:2:16: `steps.unit.uses` is an integer, expected a string"),
        ("[sandbox]\nnetwork = 3", "Harness.toml:2:11: `sandbox.network` is an integer, expected a string or an array"),
        ("[sandbox]\nnetwork = [3]", "Harness.toml:2:12: `sandbox.network[0]` is an integer, expected a string"),
    ]);
}

#[test]
fn impossible_values_are_refused_at_their_place() {
    refused(&[
        ("[run]\nseed = -1", "Harness.toml:2:8: `run.seed` is -1, expected at least 0"),
        (
            "[run]\nseed = 99999999999999999999",
            "Harness.toml:2:8: `run.seed` is 99999999999999999999, expected at most 9223372036854775807",
        ),
        ("[run]\nkeep-runs = 0", "Harness.toml:2:13: `run.keep-runs` is 0, expected at least 1"),
        ("[modes.full]\ncases = 0", "Harness.toml:2:9: `modes.full.cases` is 0, expected at least 1"),
        (
            "[[builds]]\nname = \"a\"\ndir = \"a\"\nrun = [\"a\"]\ntier = 3",
            "Harness.toml:5:8: `builds[0].tier` is 3, expected 4 to 5",
        ),
        ("[run]\nleaks = \"denny\"", "Harness.toml:2:9: unknown value `denny` for `run.leaks` | did you mean `deny`?"),
        (
            "[steps.unit]\nuses = \"nxtest\"",
            "Harness.toml:2:8: unknown value `nxtest` for `steps.unit.uses` | did you mean `nextest`?",
        ),
        (
            "[sandbox]\nnetwork = [\"crates.io\", \"*\"]",
            "Harness.toml:2:25: `sandbox.network[1]`: `*`: `*.` stands before a name of two parts at least, such as \
             `*.crates.io`",
        ),
        (
            "[sandbox]\nnetwork = [\"https://crates.io\"]",
            "Harness.toml:2:12: `sandbox.network[0]`: `https://crates.io`: a port is a number from 1 to 65535",
        ),
        ("[sandbox]\nnetwork = \"on\"", "Harness.toml:2:11: unknown value `on` for `sandbox.network` | known are: off"),
        (
            "[run]\ntest-timeout = \"60\"",
            "Harness.toml:2:16: `run.test-timeout`: `60` is not a length of time: write a number above 0 with ms, s, m, \
             h or d, such as `30s`; 30 days at most",
        ),
        ("[modes.fast]\ntiers = \"0-9\"", "Harness.toml:2:9: `modes.fast.tiers`: `9` is not a tier: tiers are 0 to 5"),
        (
            "[modes.fast]\nsample = \"ten\"",
            "Harness.toml:2:10: `modes.fast.sample`: `ten` is not a sample: write \"auto\", \"off\" or a share from \
             0.001% to 100%, such as \"10%\"",
        ),
        (
            "[run]\ninputs = [\"a/***\"]",
            "Harness.toml:2:10: `run.inputs`: `a/***` is not a glob: wildcards are either regular `*` or recursive `**`",
        ),
        (
            "[[categories]]\nname = \"A\"\npattern = \"(\"",
            "Harness.toml:3:11: `categories[0].pattern`: `(` is not a regular expression: unclosed group",
        ),
        (
            "[sandbox]\nmemory = \"2 XB\"",
            "Harness.toml:2:10: `sandbox.memory`: `2 XB` is not a size: write a number with B, KB, MB, GB, TB, KiB, \
             MiB, GiB or TiB, such as `2 MB`",
        ),
    ]);
}

#[test]
fn a_ladder_that_cannot_be_climbed_is_refused_at_its_place() {
    refused(&[
        ("[tiers]\n6 = []", "Harness.toml:2:1: `tiers.6`: `6` is not a tier: tiers are 0 to 5"),
        ("[tiers]\nfast = []", "Harness.toml:2:1: `tiers.fast`: `fast` is not a tier: tiers are 0 to 5"),
        ("[tiers]\n01 = []", "Harness.toml:2:1: `tiers.01`: write it as 1"),
        (
            "[tiers]\n1 = [\"unit\", \"dok\"]",
            "Harness.toml:2:14: tier 1 names the step `dok`, which does not exist | did you mean `doc`?",
        ),
        (
            "[tiers]\n5 = [\"bench\"]",
            "Harness.toml:2:6: tier 5 names the step `bench`, which does not exist | define it in [steps.bench]",
        ),
        (
            "[steps.bench]\nuses = \"nextest\"\n[tiers]\n5 = [\"bnech\"]",
            "Harness.toml:4:6: tier 5 names the step `bnech`, which does not exist | did you mean `bench`?",
        ),
        (
            "[tiers]\n0 = [\"fmt\"]\n4 = [\n  \"fmt\",\n]",
            "Harness.toml:4:3: the step `fmt` stands twice in the ladder | the first one is at Harness.toml:2:6",
        ),
        (
            "[tiers]\n0 = [\"fmt\", \"unit\"]",
            "Harness.toml:2:13: the step `unit` stands twice in the ladder | \
             tier 1 has it by default: name that tier too, without it",
        ),
    ]);
}

#[test]
fn steps_that_contradict_themselves_are_refused_at_their_place() {
    let with = |key: &str, uses: &str| format!("[steps.s]\nuses = \"{uses}\"\n{key}");
    let useless = [
        ("filter = \"all()\"", "fuzz", "nextest and proptest"),
        ("warnings = \"deny\"", "nextest", "check and clippy"),
        ("cases = 3", "nextest", "proptest"),
        ("run = [\"x\"]", "nextest", "command and mutants"),
        ("dir = \"x\"", "nextest", "command and fuzz"),
        ("env.A = \"x\"", "nextest", "command"),
        ("patterns = []", "nextest", "command"),
    ];
    for (text, uses, for_uses) in useless {
        let key = text.split([' ', '.']).next().unwrap();
        let expected = format!(
            "Harness.toml:3:1: `{key}` has no effect in [steps.s]: it is for {for_uses} | remove it, or change `uses`"
        );
        refused(&[(&with(text, uses), &expected)]);
    }
    refused(&[
        (
            "[steps.s]\nuses = \"command\"",
            "Harness.toml:2:8: [steps.s] uses \"command\" without a `run` | \
             give it one, such as run = [\"make\", \"check\"]",
        ),
        ("[steps.s]\nuses = \"command\"\nrun = []", "Harness.toml:3:7: `steps.s.run` is empty"),
        ("[steps.s]\nuses = \"command\"\nrun = [\"\", \"a\"]", "Harness.toml:3:8: `steps.s.run[0]` is empty"),
        (
            "[steps.s]\nuses = \"command\"\nrun = [\"a\", \"\\u0000\"]",
            "Harness.toml:3:13: `steps.s.run[1]` holds a NUL character",
        ),
        ("[steps.s]\nuses = \"nextest\"\nfilter = \" \"", "Harness.toml:3:10: `steps.s.filter` is empty"),
        (
            "[steps.Unit]\nuses = \"nextest\"",
            "Harness.toml:1:8: `Unit` is not a name of a step | \
             use up to 32 lower-case letters, digits, `-` and `_`, a letter or digit first",
        ),
        (
            "[steps.s]\nuses = \"command\"\nrun = [\"a\"]\ndir = \"../x\"",
            "Harness.toml:4:7: `steps.s.dir` leads out of the workspace: ../x | \
             write it relative to the workspace root and without `..`",
        ),
        (
            "[steps.s]\nuses = \"command\"\nrun = [\"a\"]\nenv = { \"A=B\" = \"x\" }",
            "Harness.toml:4:9: `A=B` cannot name an environment variable",
        ),
        (
            "[steps.s]\nuses = \"command\"\nrun = [\"a\"]\npatterns = [{ category = \"A B\", pattern = \"x\" }]",
            "Harness.toml:4:26: `A B` cannot name a category | \
             use up to 64 characters, none of them a space, comma or parenthesis",
        ),
    ]);
}

#[test]
fn builds_that_cannot_be_run_are_refused_at_their_place() {
    let build = |name: &str, rest: &str| format!("[[builds]]\nname = \"{name}\"\n{rest}\n");
    let good = build("lua", "dir = \"corpus/lua\"\nrun = [\"make\"]");
    assert!(read(&good).is_ok());
    refused(&[
        (
            &format!("{good}{good}"),
            "Harness.toml:6:8: two builds are called `lua` | the first one is at Harness.toml:2:8",
        ),
        (
            &format!("{good}[tiers]\n4 = []"),
            "Harness.toml:2:8: the build `lua` is in tier 4, where no step uses \"build\" | \
             add one to tier 4 in [tiers], such as \"builds\"",
        ),
        (
            &build("a/b", "dir = \"a\"\nrun = [\"make\"]"),
            "Harness.toml:2:8: `a/b` cannot name a build | \
             use up to 64 letters, digits, `.`, `-` and `_`, a letter or digit first",
        ),
        (&build("a", "dir = \"a\"\nrun = []"), "Harness.toml:4:7: `builds[0].run` is empty"),
        (&build("a", "dir = \"\"\nrun = [\"make\"]"), "Harness.toml:3:7: `builds[0].dir` is empty"),
        (
            &build("a", "dir = \"/usr\"\nrun = [\"make\"]"),
            "Harness.toml:3:7: `builds[0].dir` leads out of the workspace: /usr | \
             write it relative to the workspace root and without `..`",
        ),
        (
            &build("a", "dir = \"a\"\nrun = [\"make\"]\nexpect = [{ path = \"x/../../y\" }]"),
            "Harness.toml:5:20: `builds[0].expect[0].path` leads out of the workspace: x/../../y | \
             write it relative to the workspace root and without `..`",
        ),
    ]);
}

#[test]
fn names_of_nothing_are_refused_at_their_place() {
    let category_hint = "use up to 64 characters, none of them a space, comma or parenthesis";
    refused(&[
        ("[gates.marge]\ntiers = \"0\"", "Harness.toml:1:8: no gate is called `marge` | did you mean `merge`?"),
        (
            "[protect]\nroles = [\"sherif\"]\n[roles.sheriff]\nmay = []",
            "Harness.toml:2:10: no role is called `sherif` | did you mean `sheriff`?",
        ),
        ("[protect]\nroles = [\"owner\"]", "Harness.toml:2:10: no role is called `owner` | define it in [roles.owner]"),
        (
            "[[categories]]\nname = \"\"\npattern = \"x\"",
            &format!("Harness.toml:2:8: `` cannot name a category | {category_hint}"),
        ),
        (
            "[[categories]]\nname = \"A\\nB\"\npattern = \"x\"",
            &format!("Harness.toml:2:8: `A\\nB` cannot name a category | {category_hint}"),
        ),
        ("[run]\nfeatures = [\"a\", \"\"]", "Harness.toml:2:18: `run.features[1]` is empty"),
        ("[sandbox]\nenv = [\"\"]", "Harness.toml:2:8: `` cannot name an environment variable"),
        ("[done]\nbudgets = [{ name = \"start\", run = [] }]", "Harness.toml:2:36: `done.budgets[0].run` is empty"),
        ("[done]\nbinaries = [{ name = \"\" }]", "Harness.toml:2:22: `done.binaries[0].name` is empty"),
    ]);
}

#[test]
fn containers_are_made_of_an_image_by_its_digest() {
    let digest = "0123456789abcdef".repeat(4);
    let loaded = read(&format!("[sandbox]\nbackend = \"podman\"\nimage = \"a/b@sha256:{digest}\"")).unwrap();
    assert_eq!(loaded.contract.sandbox.asked(), Containment::Required);
    let hint =
        "write image = \"NAME@sha256:…\"; `podman image inspect --format '{{index .RepoDigests 0}}' NAME` tells it";
    refused(&[
        (
            "[sandbox]\nbackend = \"podman\"\nimage = \"rust:1.95\"",
            &format!(
                "Harness.toml:3:9: `sandbox.image`: `rust:1.95` names an image without its digest, so that it may be another one tomorrow | {hint}"
            ),
        ),
        (
            "[sandbox]\nbackend = \"podman\"",
            &format!(
                "Harness.toml:2:1: `sandbox.backend` without the `image` that its containers are made of | {hint}"
            ),
        ),
        (
            &format!("[sandbox]\nimage = \"a@sha256:{digest}\""),
            "Harness.toml:2:1: `sandbox.image` without the `backend` that makes containers of it | \
             add backend = \"podman\" or \"docker\", or remove it",
        ),
        (
            "[sandbox]\nbackend = \"lxc\"",
            "Harness.toml:2:11: unknown value `lxc` for `sandbox.backend` | known are: podman, docker",
        ),
    ]);
}

#[test]
fn a_message_is_one_line_whatever_the_contract_says() {
    refused(&[(
        "\n\"a\\n\\u001b[31m\" = 1",
        "Harness.toml:2:1: unknown key `a\\n\\u{1b}[31m` | known are: builds, \
        categories, diffs, done, fallbacks, freeze, gates, integrity, modes, protect, quarantine, queue, ratchets, roles, run, sandbox, steps, tiers",
    )]);
}

#[test]
fn a_differential_test_needs_cases_a_right_answer_and_commands_that_are_told_the_case() {
    let whole =
        "[[diffs]]\nname = \"a\"\ncases = [\"c/*\"]\noracle = [\"o\", \"{case}\"]\nsubject = [\"s\", \"{case}\"]\n";
    assert!(read(whole).is_ok());
    let without = |line: &str| whole.lines().filter(|one| !one.starts_with(line)).collect::<Vec<_>>().join("\n");
    refused(&[
        (&without("cases"), "Harness.toml:2:8: `diffs[0]`: it has no `cases` and no `generate`"),
        (&without("oracle"), "Harness.toml:2:8: `diffs[0]`: it has neither an `oracle` nor `golden` files"),
        (&format!("{whole}golden = \"g\""), "Harness.toml:2:8: `diffs[0]`: it has both an `oracle` and `golden` files"),
        (
            &format!("{}\ngolden = \"g\"\ngenerate = [\"g\", \"{{seed}}\"]", without("oracle")),
            "Harness.toml:2:8: `diffs[0]`: what is generated has no `golden` files",
        ),
        (
            &whole.replace("[\"s\", \"{case}\"]", "[\"s\"]"),
            "Harness.toml:5:11: `diffs[0].subject`: no argument of it holds {case}",
        ),
        (
            &whole.replace("\"a\"", "\"a/b\""),
            "Harness.toml:2:8: `a/b` cannot name a differential test | use up to 64 letters, digits, `.`, `-` and `_`, a letter or digit first",
        ),
        (
            &format!("{whole}{whole}"),
            "Harness.toml:7:8: two differential tests are called `a` | the first one is at Harness.toml:2:8",
        ),
        (
            &format!("{whole}expected = [{{ case = \"c/a\", reason = \"\", tracking = \"#1\" }}]"),
            "Harness.toml:6:38: `diffs[0].expected[0].reason` is empty",
        ),
        (
            &format!("{whole}files = [\"../x\"]"),
            "Harness.toml:6:10: `diffs[0].files[0]` leads out of the workspace: ../x | write it relative to the workspace root and without `..`",
        ),
    ]);
}

#[test]
fn of_several_mistakes_the_first_is_named() {
    refused(&[("[run]\nseed = -1\nsede = 1", "Harness.toml:2:8: `run.seed` is -1, expected at least 0")]);
}

/// A workspace on disk: files with their contents, and the folders of its members, the root first.
struct Laid {
    folder: tempfile::TempDir,
    workspace: Workspace,
}

impl Laid {
    fn out(files: &[(&str, &str)], members: &[&str]) -> Laid {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let packages = members.iter().map(|member| package(&root.join(member).join("Cargo.toml"))).collect();
        Laid { workspace: Workspace { target_dir: root.join("target"), build_dir: None, root, packages }, folder }
    }

    fn load(&self) -> Result<Loaded, ContractError> {
        load(&self.workspace)
    }

    #[track_caller]
    fn refused(&self, expected: &str) {
        assert_eq!(said(&self.load().map(|loaded| loaded.source).unwrap_err()), expected);
    }
}

/// What `cargo metadata` would say of a manifest.
fn package(manifest: &Utf8Path) -> cargo_metadata::Package {
    let text = fs::read_to_string(manifest).unwrap();
    let tables: toml::Table = text.parse().unwrap();
    let metadata = tables.get("package").and_then(|package| package.get("metadata"));
    serde_json::from_value(json!({
        "name": "member", "version": "0.1.0", "id": "member", "dependencies": [], "targets": [], "features": {},
        "manifest_path": manifest, "metadata": metadata,
    }))
    .unwrap()
}

const PACKAGE: &str = "[package]\nname = \"a\"\n";

#[test]
fn without_any_contract_all_is_default() {
    let loaded = Laid::out(&[("Cargo.toml", PACKAGE)], &[""]).load().unwrap();
    assert_eq!(loaded.source, Source::Default);
    assert_eq!(loaded.contract.run.keep_runs, 20);
}

#[test]
fn each_of_the_three_sources_is_read_and_the_text_makes_the_digest() {
    let sources = [
        ("Harness.toml", "[run]\nseed = 7\n".to_owned(), Source::File),
        ("Cargo.toml", "[workspace.metadata.harness]\nrun.seed = 7\n".to_owned(), Source::WorkspaceMetadata),
        ("Cargo.toml", format!("{PACKAGE}[package.metadata.harness.run]\nseed = 7\n"), Source::PackageMetadata),
    ];
    for (path, text, source) in sources {
        let laid = Laid::out(&[("Cargo.toml", PACKAGE), (path, &text)], &[""]);
        let before = laid.load().unwrap();
        assert_eq!((before.source, before.contract.run.seed.number()), (source, 7));
        assert_eq!(laid.load().unwrap().digest, before.digest);
        fs::write(laid.workspace.root.join(path), text.replace('7', "8")).unwrap();
        assert_ne!(laid.load().unwrap().digest, before.digest);
    }
}

#[test]
fn a_mistake_in_metadata_stands_at_its_place_in_cargo_toml() {
    let text = format!("{PACKAGE}\n[workspace.metadata.harness.run]\nsede = 7\n");
    Laid::out(&[("Cargo.toml", &text)], &[""])
        .refused("Cargo.toml:5:1: unknown key `sede` in [workspace.metadata.harness.run] | did you mean `seed`?");
    let text = "[workspace.metadata]\nharness = 7\n";
    Laid::out(&[("Cargo.toml", text)], &[])
        .refused("Cargo.toml:2:11: `workspace.metadata.harness` is an integer, expected a table");
}

#[test]
fn two_contracts_are_refused_and_both_named() {
    let both = format!("{PACKAGE}[package.metadata.harness]\n[workspace.metadata.harness]\n");
    Laid::out(&[("Cargo.toml", &both)], &[""]).refused(
        "Cargo.toml:4:21: [workspace.metadata.harness] is a second contract beside [package.metadata.harness] | \
         keep one of them",
    );
    let one = format!("{PACKAGE}[package.metadata.harness]\n");
    Laid::out(&[("Cargo.toml", &one), ("Harness.toml", "")], &[""]).refused(
        "Cargo.toml:3:19: [package.metadata.harness] is a second contract beside Harness.toml | keep one of them",
    );
}

#[test]
fn a_contract_in_a_member_is_refused_because_nothing_would_read_it() {
    let member = format!("{PACKAGE}[package.metadata]\nharness = {{}}\n");
    let files = [("Cargo.toml", "[workspace]\nmembers = [\"crates/a\"]"), ("crates/a/Cargo.toml", member.as_str())];
    Laid::out(&files, &["crates/a"]).refused(
        "crates/a/Cargo.toml:4:1: [package.metadata.harness] in a member of a workspace is not read | \
         move it to [workspace.metadata.harness] of the root Cargo.toml, or to Harness.toml",
    );
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_no_mistakes() {
    assert_eq!(read("\u{feff}[run]\r\nseed = 7\r\n").unwrap().contract.run.seed.number(), 7);
}

#[test]
fn what_cannot_be_read_is_one_clear_error() {
    let laid = Laid::out(&[("Cargo.toml", PACKAGE), ("Harness.toml/x", "")], &[""]);
    laid.refused("Harness.toml: is not a file | rename it: Harness.toml is where the contract stands");

    let laid = Laid::out(&[("Cargo.toml", PACKAGE)], &[""]);
    std::os::unix::fs::symlink("nowhere", laid.folder.path().join("Harness.toml")).unwrap();
    laid.refused("Harness.toml: cannot be read: entity not found | the link leads nowhere: remove or mend it");

    let laid = Laid::out(&[("Cargo.toml", PACKAGE), ("Harness.toml", "")], &[""]);
    let path = laid.workspace.root.join("Harness.toml");
    fs::write(&path, b"[run]\n# \xff").unwrap();
    laid.refused("Harness.toml:2:3: a byte that is not UTF-8");
    fs::File::create(&path).unwrap().set_len((16 << 20) + 1).unwrap();
    laid.refused("Harness.toml: cannot be read: file too large | a contract has at most 16 MiB");
}

const EXAMPLE: &str = include_str!("../../../Harness.toml.example");

/// The example with its example keys switched on: `#key = …` and `#[table]`, but not `# words`.
fn example_in_full() -> String {
    let switched_on = |line: &str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| c == '[' || c.is_ascii_lowercase()) => rest.to_owned(),
        _ => line.to_owned(),
    };
    EXAMPLE.lines().map(switched_on).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_example_says_the_defaults() {
    let plain = |text: &str| effective(&read(text).unwrap(), Origins::Hidden).unwrap();
    assert_eq!(plain(EXAMPLE), plain(""));
}

#[test]
fn the_example_has_every_key_and_says_a_word_about_each() {
    let full = example_in_full();
    read(&full).map_err(|error| error.to_string()).unwrap();
    let schema = super::schema::value();
    let tables = schema["$defs"].as_object().unwrap().values().chain([schema]);
    for key in tables.flat_map(|table| table["properties"].as_object().into_iter().flatten()).map(|(key, _)| key) {
        let word = regex::Regex::new(&format!(r"(?m)(^|[\[{{ .])\b{key}( =|[\].])")).unwrap();
        assert!(word.is_match(&full), "the example lacks `{key}`");
    }
    for line in EXAMPLE.lines().filter(|line| line.contains(" = ") && !line.starts_with("# ")) {
        assert!(line.contains(" # "), "no comment: {line}");
    }
}

#[test]
fn the_schema_says_the_defaults_and_bounds() {
    let schema = super::schema::value();
    let run = &schema["$defs"]["Run"]["properties"];
    assert_eq!(run["test-timeout"]["default"], "1m");
    assert_eq!(run["keep-runs"]["default"], 20);
    assert_eq!(run["keep-runs"]["minimum"], 1);
}

proptest! {
    /// A contract as it looks in the middle of an edit.
    #[test]
    fn a_damaged_contract_loads_or_is_refused_in_one_line_with_its_place(
        cut in any::<proptest::sample::Index>(),
        length in 0usize..40,
        put in "[a-z0-9\\[\\]{}=\"#.,\n\u{0}é-]{0,6}",
    ) {
        let full: Vec<char> = example_in_full().chars().collect();
        let from = cut.index(full.len());
        let to = (from + length).min(full.len());
        let text: String = full[..from].iter().copied().chain(put.chars()).chain(full[to..].iter().copied()).collect();
        if let Err(error) = read(&text) {
            let said = error.to_string();
            prop_assert!(!said.contains('\n'), "{}", said);
            let mut parts = said.splitn(4, ':');
            prop_assert_eq!(parts.next(), Some("Harness.toml"));
            let line: usize = parts.next().unwrap().parse().unwrap();
            let column: usize = parts.next().unwrap().parse().unwrap();
            prop_assert!(line >= 1 && line <= text.lines().count() + 1, "{}", said);
            let width = text.split('\n').nth(line - 1).unwrap().chars().count();
            prop_assert!(column >= 1 && column <= width + 1, "{}", said);
        }
    }
}
