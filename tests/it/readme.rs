//! What the README shows is what happens: its examples are run, and its tables are held against the program.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use camino::Utf8Path;
use regex::Regex;

use crate::support::{Repo, filtered, read};

/// A fenced block, and the line of its fence.
struct Block {
    language: String,
    text: String,
    line: usize,
}

fn readme() -> String {
    read(&Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md"))
}

/// The README's blocks in one language; there is at least one.
fn blocks(language: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open = false;
    for (number, line) in readme().lines().enumerate() {
        match line.strip_prefix("```") {
            Some(_) if open => open = false,
            Some(language) => {
                open = true;
                blocks.push(Block { language: language.to_owned(), text: String::new(), line: number + 1 });
            }
            None if open => blocks.last_mut().unwrap().text += &format!("{line}\n"),
            None => {}
        }
    }
    assert!(!open, "the README's last block has no end");
    blocks.retain(|block| block.language == language);
    assert!(!blocks.is_empty(), "the README has no {language} block");
    blocks
}

/// The library that the README takes as its example.
fn library() -> Repo {
    let repo = Repo::empty();
    repo.write(
        "Cargo.toml",
        "[package]\nname = \"adder\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[dependencies]\n",
    );
    repo.write("src/lib.rs", &blocks("rust")[0].text).write(".gitignore", "/target\n").git_init();
    repo
}

/// What differs from machine to machine, beyond what every snapshot leaves out.
fn normal(text: &str) -> String {
    static VARYING: LazyLock<[(Regex, &str); 3]> = LazyLock::new(|| {
        [
            (r"(?m)^NOTE: cargo-nextest is not installed.*\n", ""),
            (r"(thread '[^']*') \(\d+\) panicked", "$1 panicked"),
            (r"-[0-9a-f]{8}\.log", "-[DIGEST].log"),
        ]
        .map(|(pattern, stand_in)| (Regex::new(pattern).unwrap(), stand_in))
    });
    VARYING.iter().fold(filtered(text), |text, (varying, stand_in)| varying.replace_all(&text, *stand_in).into_owned())
}

#[test]
fn the_readme_is_short() {
    let lines = readme().lines().count();
    assert!(lines <= 200, "{lines} lines");
}

#[test]
fn what_the_readme_types_answers_what_it_shows() {
    let repo = library();
    for block in blocks("console") {
        let commands = block.text.lines().filter_map(|line| line.strip_prefix("$ "));
        let seen: String = commands.map(|command| format!("$ {command}\n{}", repo.shell(command).stdout)).collect();
        assert_eq!(normal(&block.text), normal(&seen), "README.md:{}; it answered:\n{seen}", block.line);
    }
}

#[test]
fn the_readme_tells_the_exit_codes_of_its_example() {
    let repo = library();
    assert_eq!(repo.harness(&["-q"]).code, 0);
    repo.shell("sed -i 's/left + right/left - right/' src/lib.rs");
    assert_eq!(repo.harness(&["-q"]).code, 1);
}

#[test]
fn every_contract_in_the_readme_loads_and_holds() {
    for block in blocks("toml") {
        let repo = Repo::from_fixture("green");
        repo.write("Harness.toml", &block.text);
        let answer = repo.harness(&["contract"]);
        assert_eq!((answer.code, answer.stderr.as_str()), (0, ""), "README.md:{}", block.line);
        let (asked, effective): (toml::Value, toml::Value) =
            (toml::from_str(&block.text).unwrap(), toml::from_str(&answer.stdout).unwrap());
        assert!(holds(&asked, &effective), "README.md:{}; the contract is\n{}", block.line, answer.stdout);
    }
}

/// Whether everything that was asked for is there; what is there beyond it are defaults.
fn holds(asked: &toml::Value, effective: &toml::Value) -> bool {
    match (asked, effective) {
        (toml::Value::Table(asked), toml::Value::Table(effective)) => {
            asked.iter().all(|(key, value)| effective.get(key).is_some_and(|there| holds(value, there)))
        }
        (toml::Value::Array(asked), toml::Value::Array(effective)) => {
            asked.len() == effective.len() && asked.iter().zip(effective).all(|(asked, there)| holds(asked, there))
        }
        (asked, effective) => asked == effective,
    }
}

/// The rows of the table with this first heading, without its head, cell by cell and without marks.
fn table(first_heading: &str) -> Vec<Vec<String>> {
    let readme = readme();
    let cells = |line: &str| -> Vec<String> {
        let line = line.replace("\\|", "\u{1}");
        let cells = line.trim_matches('|').split('|').map(|cell| cell.trim().replace('\u{1}', "|"));
        cells.collect()
    };
    let mut lines = readme.lines().skip_while(|line| !line.starts_with(&format!("| {first_heading} |")));
    assert!(lines.next().is_some(), "the README has no table of each {first_heading}");
    lines.skip(1).take_while(|line| line.starts_with('|')).map(cells).collect()
}

fn first_two(rows: Vec<Vec<String>>) -> Vec<(String, String)> {
    rows.into_iter().map(|mut row| (row.remove(0).replace('`', ""), row.remove(0))).collect()
}

/// The entries below a heading of a help text, each as its word and the first line of what is said of it.
fn listed(help: &str, heading: &str) -> Vec<(String, String)> {
    let entry = Regex::new(r"^ {2,4}(\S+) {2,}(\S.*)$").unwrap();
    let lines = help.lines().skip_while(|line| *line != heading).skip(1).take_while(|line| line.starts_with("  "));
    lines.filter_map(|line| entry.captures(line)).map(|found| (found[1].to_owned(), found[2].to_owned())).collect()
}

#[test]
fn the_table_of_verbs_has_every_verb_of_the_help() {
    let help = Repo::empty().harness(&["--help"]).stdout;
    let verbs = listed(&help, "Commands:").into_iter().map(|(verb, _)| verb).filter(|verb| verb != "help");
    let documented: Vec<String> = first_two(table("verb")).into_iter().map(|(verb, _)| verb).collect();
    let (verbs, documented): (BTreeSet<String>, BTreeSet<String>) = (verbs.collect(), documented.into_iter().collect());
    assert_eq!(documented, verbs);
}

#[test]
fn the_table_of_exit_codes_is_that_of_the_help() {
    let help = Repo::empty().harness(&["-h"]).stdout;
    assert_eq!(first_two(table("exit code")), listed(&help, "Exit codes:"));
}

#[test]
fn every_flag_of_every_verb_is_in_the_readme() {
    let flag = Regex::new(r"(?m)^ +(?:-\w, )?(--[a-z-]+)").unwrap();
    let readme = readme();
    let repo = Repo::empty();
    for (verb, _) in first_two(table("verb")) {
        let help = repo.harness(&[&verb, "--help"]).stdout;
        let flags: BTreeSet<&str> = flag.captures_iter(&help).map(|found| found.get(1).unwrap().as_str()).collect();
        assert!(flags.contains("--manifest-path"), "{verb}: {help}");
        let short_only = ["--verbose", "--quiet", "--help"];
        for flag in flags.into_iter().filter(|flag| !short_only.contains(flag)) {
            assert!(readme.contains(flag), "{verb} takes {flag}, of which the README says nothing");
        }
    }
}

#[test]
fn the_table_of_tiers_is_that_of_the_default_contract() {
    let answer = Repo::from_fixture("green").harness(&["contract"]);
    let contract: toml::Table = toml::from_str(&answer.stdout).unwrap();
    let tiers = contract["tiers"].as_table().unwrap().iter().map(|(tier, steps)| {
        let steps: Vec<&str> = steps.as_array().unwrap().iter().map(|step| step.as_str().unwrap()).collect();
        (tier.clone(), steps.join(", "))
    });
    let documented = first_two(table("tier")).into_iter().map(|(tier, steps)| (tier, steps.replace('`', "")));
    assert_eq!(documented.collect::<Vec<_>>(), tiers.collect::<Vec<_>>());
}

#[test]
fn what_the_readme_asks_a_newcomer_to_type_is_what_ci_runs() {
    let ci = read(&Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/run"));
    let words = |line: &str| -> Vec<String> {
        let command = line.split('#').next().unwrap().trim_start_matches("if ! ");
        command.split_whitespace().filter(|word| *word != "--locked").map(str::to_owned).collect()
    };
    let run: Vec<Vec<String>> = ci.lines().map(words).collect();
    for block in blocks("sh").iter().filter(|block| !block.text.starts_with("#!")) {
        for typed in block.text.lines().map(words) {
            assert!(run.iter().any(|line| line.starts_with(&typed)), "README.md:{}: {typed:?}", block.line);
        }
    }
}

#[test]
fn every_link_of_the_readme_within_the_repository_leads_somewhere() {
    let link = Regex::new(r"\]\(([^):]+)\)").unwrap();
    let root = Utf8Path::new(env!("CARGO_MANIFEST_DIR"));
    for found in link.captures_iter(&readme()) {
        assert!(root.join(&found[1]).exists(), "{}", &found[1]);
    }
}
