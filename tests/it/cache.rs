//! What is remembered of earlier runs never makes a wrong verdict: not with runs side by side, not after edits in the middle of
//! a run or a kill -9, not when its files are spoilt or another tree's.

use std::fs;
use std::process::Child;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};

use crate::support::{Facts, Random, Repo, number};

/// What can be broken: what is compiled, and what only a test reads.
#[derive(Clone, Copy, Debug)]
enum Part {
    Code,
    Data,
}

const CACHE: &str = "target/harness/cache";

/// A repository that is green, and as red as told.
fn well() -> Repo {
    let repo = Repo::from_fixture("single");
    let test = "#[test]\nfn the_data_is_good() {\n    let text = std::fs::read_to_string(\"data.txt\");\n    \
                assert_eq!(text.unwrap(), \"good\\n\");\n}\n";
    repo.write("tests/data.rs", test).write("data.txt", "good\n").write(".gitignore", "/target\n").git_init();
    repo
}

impl Part {
    fn set(self, repo: &Repo, is_good: bool) {
        let (path, text) = match (self, is_good) {
            (Part::Code, true) => ("src/plot.rs", "//! Well.\n"),
            (Part::Code, false) => ("src/plot.rs", "//! Red.\n\n#[test]\nfn red() {\n    panic!();\n}\n"),
            (Part::Data, true) => ("data.txt", "good\n"),
            (Part::Data, false) => ("data.txt", "evil\n"),
        };
        repo.write(path, text);
    }
}

fn start(repo: &Repo) -> Child {
    repo.start(&["fast", "--message-format=json"])
}

fn end(child: Child) -> i32 {
    child.wait_with_output().unwrap().status.code().unwrap_or(-1)
}

/// Runs once more, and the verdict is what is so.
fn judge(repo: &Repo, is_good: bool, when: &str) -> Facts {
    let facts = repo.facts(&["fast"]);
    assert_eq!(facts.code, i32::from(!is_good), "{when}: {facts:#?}");
    facts
}

/// How long a run takes that has to build what changed.
fn usual_time(repo: &Repo) -> Duration {
    judge(repo, true, "at first");
    Part::Code.set(repo, false);
    let since = Instant::now();
    judge(repo, false, "red for the first time");
    since.elapsed()
}

fn wait_for_a_moment(within: Duration, random: &mut Random) {
    std::thread::sleep(within.mul_f64(random.below(1000) as f64 / 900.0));
}

#[test]
fn runs_side_by_side_are_each_right() {
    let repo = well();
    for (n, (part, is_good)) in [(Part::Data, false), (Part::Data, true), (Part::Code, false)].into_iter().enumerate() {
        part.set(&repo, is_good);
        let children = [start(&repo), start(&repo), start(&repo)];
        for child in children {
            assert_eq!(end(child), i32::from(!is_good), "round {n}");
        }
        judge(&repo, is_good, "after all three");
    }
}

#[test]
fn the_answer_to_a_narrower_question_answers_no_wider_one() {
    let repo = Repo::from_fixture("virtual-workspace");
    repo.write("crates/outer/tests/red.rs", "#[test]\nfn red() {\n    panic!();\n}\n");
    let narrow: [&[&str]; 2] = [&["fast", "-p", "inner"], &["run", "--mode", "fast", "--tier", "0"]];
    for args in narrow {
        for is_cached in [false, true] {
            let facts = repo.facts(args);
            assert_eq!((facts.code, &facts.verdict()["cached"]), (0, &is_cached.into()), "{args:?}: {facts:#?}");
        }
        judge(&repo, false, &format!("after {args:?}"));
    }
}

/// Two work trees of one repository whose files cargo can't tell apart; `HARNESS_EDITS=200` tries as often.
#[test]
fn trees_that_share_a_target_folder_are_told_apart() {
    let mut repo = well();
    let target = repo.root().parent().unwrap().join("target");
    repo.set_env("CARGO_TARGET_DIR", target.as_str());
    repo.git(&["worktree", "add", "--quiet", "-b", "beside", "../beside"]);
    let beside = repo.root().parent().unwrap().join("beside");
    fs::write(beside.join("src/plot.rs"), "//! Red.\n\n#[test]\nfn red() {\n    panic!();\n}\n").unwrap();
    for n in 0..number("HARNESS_EDITS", 1) {
        judge(&repo, true, &format!("round {n}"));
        assert_eq!(repo.facts_in("../beside", &["fast"]).code, 1, "the tree beside in round {n}");
    }
}

/// `HARNESS_EDITS=200` edits in the middle of as many runs.
#[test]
fn an_edit_in_the_middle_of_a_run_is_judged_by_the_next() {
    let repo = well();
    let whole = usual_time(&repo);
    let mut random = Random::new(24301);
    let mut is_good = false;
    for n in 0..number("HARNESS_EDITS", 2) {
        let part = *random.choose(&[Part::Code, Part::Data]);
        let child = start(&repo);
        wait_for_a_moment(whole, &mut random);
        // What was code that is broken mends with the code.
        let edits = 1 + random.below(2);
        for _ in 0..edits {
            is_good = !is_good;
            for each in [Part::Code, Part::Data] {
                each.set(
                    &repo,
                    is_good || !matches!((part, each), (Part::Code, Part::Code) | (Part::Data, Part::Data)),
                );
            }
            wait_for_a_moment(whole / 2, &mut random);
        }
        end(child);
        judge(&repo, is_good, &format!("after {edits} edits of {part:?} in the middle of run {n}"));
    }
}

/// `HARNESS_KILLS=200` kills as often.
#[test]
fn kill_9_leaves_nothing_that_makes_a_wrong_verdict() {
    let repo = well();
    let whole = usual_time(&repo);
    let mut random = Random::new(24301);
    let mut now = [false, true];
    for n in 0..number("HARNESS_KILLS", 2) {
        let mut child = start(&repo);
        wait_for_a_moment(whole, &mut random);
        child.kill().unwrap();
        child.wait().unwrap();
        repo.none_is_left();
        // Now and then it has to judge the same once more.
        if random.in_percent(75) {
            let part = random.below(2);
            now[part] = !now[part];
            [Part::Code, Part::Data][part].set(&repo, now[part]);
        }
        judge(&repo, now == [true, true], &format!("after kill {n}"));
    }
}

/// Every file that is remembered.
fn files(folder: &Utf8Path) -> Vec<Utf8PathBuf> {
    let mut found = Vec::new();
    for entry in folder.read_dir_utf8().into_iter().flatten().flatten() {
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(entry.path()));
        } else {
            found.push(entry.into_path());
        }
    }
    found.sort();
    found
}

/// How a file is spoilt.
#[derive(Clone, Copy, Debug)]
enum Spoiling {
    FlipBit,
    Truncate,
    Empty,
    Garbage,
    Remove,
    /// It has what the next file should have.
    Swap,
    /// It has what a green tree remembers under this name, or under another one.
    Foreign,
}

/// The most telling first, as the ordinary suite takes no time for all.
const SPOILINGS: [Spoiling; 7] = [
    Spoiling::FlipBit,
    Spoiling::Swap,
    Spoiling::Foreign,
    Spoiling::Truncate,
    Spoiling::Garbage,
    Spoiling::Empty,
    Spoiling::Remove,
];

impl Spoiling {
    /// Spoils these files; `foreign` has those of another tree.
    fn spoil(self, paths: &[&Utf8PathBuf], foreign: &[Utf8PathBuf], random: &mut Random) {
        let texts: Vec<Vec<u8>> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
        for (n, path) in paths.iter().enumerate() {
            let mut text = texts[n].clone();
            match self {
                Spoiling::FlipBit if !text.is_empty() => {
                    let at = random.below(text.len());
                    text[at] ^= 1 << random.below(8);
                }
                Spoiling::FlipBit | Spoiling::Empty => text.clear(),
                Spoiling::Truncate => text.truncate(random.below(text.len() + 1)),
                Spoiling::Garbage => text.iter_mut().for_each(|byte| *byte = random.below(256) as u8),
                Spoiling::Swap => text.clone_from(&texts[(n + 1) % texts.len()]),
                Spoiling::Foreign => {
                    let same = foreign.iter().find(|other| other.file_name() == path.file_name());
                    text = fs::read(same.unwrap_or_else(|| random.choose(foreign))).unwrap();
                }
                Spoiling::Remove => {
                    fs::remove_file(path).unwrap();
                    continue;
                }
            }
            fs::write(path, text).unwrap();
        }
    }
}

/// `HARNESS_SPOILS=500` spoils as often.
#[test]
fn a_spoilt_cache_makes_no_wrong_verdict() {
    let repo = well();
    let foreign = well();
    judge(&foreign, true, "the foreign tree");
    let foreign = files(&foreign.root().join(CACHE));
    let mut random = Random::new(24301);
    judge(&repo, true, "before anything is spoilt");
    for n in 0..number("HARNESS_SPOILS", 4) {
        let spoiling = SPOILINGS[n % SPOILINGS.len()];
        let part = *random.choose(&[Part::Code, Part::Data]);
        for is_good in [false, true] {
            let all = files(&repo.root().join(CACHE));
            let one = *random.choose(&all.iter().collect::<Vec<_>>());
            let chosen = if random.in_percent(50) { all.iter().collect() } else { vec![one] };
            spoiling.spoil(&chosen, &foreign, &mut random);
            part.set(&repo, is_good);
            judge(&repo, is_good, &format!("round {n}, {spoiling:?} of {chosen:?}, {part:?}"));
        }
        let kept = judge(&repo, true, "after it was spoilt");
        assert_eq!(kept.verdict()["cached"], true, "round {n}: what was spoilt is renewed");
    }
}
