//! The house keeps its rooms: imports run only downwards, and every file is of a size to read.

mod imports;

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8Path;

use imports::{Facts, facts};

/// The rooms from the cellar up. Each may import those before it.
const ROOMS: [&str; 22] = [
    "base",
    "ports",
    "domain::record",
    "domain::contract",
    "domain::ladder",
    "domain::sandbox",
    "domain::provenance",
    "domain::run",
    "domain::report",
    "domain::repro",
    "domain::differential",
    "domain::ratchet",
    "domain::roles",
    "domain::queue",
    "domain::gate",
    "domain::hooks",
    "domain::ci",
    "domain::orient",
    "domain::autoloop",
    "ui",
    "commands",
    "cli",
];

/// These know neither processes nor files nor the clock.
const PURE: [&str; 3] = ["domain::record", "domain::ladder", "domain::report"];

/// All that the console needs to know of the rooms below it.
const FOR_UI: [&str; 5] = ["base", "ui", "domain::record", "ports::clock", "ports::env"];

/// Past so many lines a file is several.
const MOST_LINES: usize = 700;

#[test]
fn imports_run_only_downwards() {
    let found = violations(&sources());
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// Everything in `src` that breaks a rule.
fn violations(sources: &[(String, String)]) -> Vec<String> {
    let mut found = Vec::new();
    let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, text) in sources {
        let module = module_of(path);
        let facts = match facts(text, &module) {
            Ok(facts) => facts,
            Err(error) => {
                found.push(format!("{path}: {error}"));
                continue;
            }
        };
        found.extend(habits(path, text, &facts));
        // The crate's root and `domain/mod.rs` only say which rooms there are.
        let Some(room) = room_of(&module) else { continue };
        if rank(&room).is_none() {
            found.push(format!("{path}: `{room}` is not among the rooms that tests/it/layers.rs lists"));
        }
        for import in &facts.imports {
            let Some(target) = room_of(&import.path) else { continue };
            if target != room {
                edges.entry(room.clone()).or_default().insert(target.clone());
            }
            if let Some(why) = forbidden(&room, &target, &import.path) {
                found.push(format!("{path}:{}: {room} imports crate::{}: {why}", import.line, import.path.join("::")));
            }
        }
    }
    found.extend(cycle(&edges).map(|rooms| format!("a cycle of rooms: {}", rooms.join(" → "))));
    found
}

fn habits(path: &str, text: &str, facts: &Facts) -> Vec<String> {
    let mut found = Vec::new();
    if !text.starts_with("//!") {
        found.push(format!("{path}: begins without a `//!` that says what it is for"));
    }
    let lines = text.lines().count();
    if lines > MOST_LINES {
        found.push(format!("{path}: {lines} lines; at most {MOST_LINES}"));
    }
    found.extend(
        facts.hidden_imports.iter().map(|line| format!("{path}:{line}: `use super::*` hides what is imported")),
    );
    found.extend(facts.unfinished.iter().map(|(name, line)| format!("{path}:{line}: `{name}!` is unfinished work")));
    found
}

fn forbidden(room: &str, target: &str, path: &[String]) -> Option<&'static str> {
    let within = |allowed: &&str| allowed.split("::").zip(path).all(|(wanted, found)| wanted == found);
    if rank(target) > rank(room) {
        Some("imports run only downwards")
    } else if PURE.contains(&room) && target == "ports" {
        Some("this room is pure")
    } else if room == "ui" && !FOR_UI.iter().any(within) {
        Some("the console shows what it is given")
    } else {
        None
    }
}

fn rank(room: &str) -> Option<usize> {
    ROOMS.iter().position(|known| *known == room)
}

/// `["domain", "report", "brief"]` is in the room `domain::report`.
fn room_of(module: &[String]) -> Option<String> {
    match module {
        [domain, room, ..] if domain == "domain" => Some(format!("domain::{room}")),
        [domain] if domain == "domain" => None,
        // The root's own items, such as `crate::run`, are in no room.
        [room, ..] if rank(room).is_some() || ["base", "ports"].contains(&room.as_str()) => Some(room.clone()),
        _ => None,
    }
}

fn module_of(path: &str) -> Vec<String> {
    let path = path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    path.split('/').filter(|part| !["lib", "main"].contains(part)).map(str::to_owned).collect()
}

/// The rooms of one cycle, the first again at its end.
fn cycle(edges: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    fn walk(
        room: &str,
        edges: &BTreeMap<String, BTreeSet<String>>,
        path: &mut Vec<String>,
        done: &mut BTreeSet<String>,
    ) -> bool {
        if let Some(at) = path.iter().position(|known| known == room) {
            path.drain(..at);
            path.push(room.to_owned());
            return true;
        }
        if !done.insert(room.to_owned()) {
            return false;
        }
        path.push(room.to_owned());
        if edges.get(room).into_iter().flatten().any(|next| walk(next, edges, path, done)) {
            return true;
        }
        path.pop();
        false
    }
    let mut done = BTreeSet::new();
    edges.keys().find_map(|room| {
        let mut path = Vec::new();
        walk(room, edges, &mut path, &mut done).then_some(path)
    })
}

/// The files below `src`, by their paths from the manifest's folder.
fn sources() -> Vec<(String, String)> {
    let root = Utf8Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders = vec![root.join("src")];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir_utf8().unwrap() {
            let path = entry.unwrap().into_path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension() == Some("rs") {
                let text = crate::support::read(&path);
                found.push((path.strip_prefix(root).unwrap().to_string(), text));
            }
        }
    }
    assert!(found.len() > 20, "the sources are not where this test looks: {found:?}");
    found.sort();
    found
}

fn violations_of(path: &str, text: &str) -> Vec<String> {
    violations(&[(path.to_owned(), format!("//! Text.\n{text}"))])
}

#[test]
fn a_planted_import_of_an_upper_room_is_found_in_every_form() {
    let planted = [
        "use crate::cli::run;",
        "use crate::{base::{Tier, self}, ui::{print as p}};",
        "use super::super::commands;",
        "fn f() { crate::ui::print(\"\"); }",
        "fn f() -> super::super::cli::Cli { vec![crate::base::X] }",
        "fn f() { println!(\"{}\", crate::cli::NAME); }",
        "mod tests { fn f() { super::super::super::cli::run() } }",
    ];
    for text in planted {
        let found = violations_of("src/ports/clock.rs", text);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(found[0].starts_with("src/ports/clock.rs:2: ports imports crate::"), "{found:?}");
    }
    assert_eq!(
        violations_of(
            "src/ports/clock.rs",
            "use crate::base::Tier; use super::env; macro_rules! m { () => { $crate::cli() } }"
        ),
        [""; 0]
    );
}

#[test]
fn planted_breaches_of_the_other_rules_are_found() {
    let breaches = [
        ("src/domain/report/x.rs", "use crate::ports::fs;", "this room is pure"),
        ("src/ui/x.rs", "use crate::ports::fs;", "the console shows what it is given"),
        ("src/ui/x.rs", "use crate::domain::report::brief;", "the console shows what it is given"),
        ("src/domain/record/x.rs", "use crate::domain::report::brief;", "imports run only downwards"),
        ("src/domain/attic/x.rs", "", "not among the rooms"),
        ("src/base/x.rs", "use super::*;", "hides what is imported"),
        ("src/base/x.rs", "fn f() { todo!() }", "unfinished"),
        ("src/base/x.rs", "fn f() { if true { unimplemented!(\"x\") } }", "unfinished"),
        ("src/base/x.rs", "fn f( {", "src/base/x.rs: "),
    ];
    for (path, text, expected) in breaches {
        let found = violations_of(path, text);
        assert!(found.len() == 1 && found[0].contains(expected), "{text}: {found:?}");
    }
    assert_eq!(
        violations_of("src/base/x.rs", "mod tests { use super::*; }\n#[cfg(test)]\nmod t { use super::*; }"),
        [""; 0]
    );
    assert_eq!(
        violations_of("src/ui/x.rs", "use crate::ports::{clock, env::var}; use crate::domain::record::Event;"),
        [""; 0]
    );
    let silent = violations(&[("src/base/x.rs".to_owned(), "fn f() {}\n".repeat(701))]);
    assert_eq!(silent.len(), 2, "{silent:?}");
}

#[test]
fn a_planted_cycle_is_found() {
    let edge = |from: &str, to: &str| (from.to_owned(), BTreeSet::from([to.to_owned()]));
    assert_eq!(cycle(&BTreeMap::from([edge("a", "b"), edge("b", "c")])), None);
    let rooms = cycle(&BTreeMap::from([edge("a", "b"), edge("b", "c"), edge("c", "b")]));
    assert_eq!(rooms, Some(["b", "c", "b"].map(str::to_owned).to_vec()));
}
