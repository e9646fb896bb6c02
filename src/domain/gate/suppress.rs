//! What code has gained that silences a check or tells that it is being tested, counted by what it says and not by where it stands,
//! so that moved code is no finding.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8PathBuf;
use proc_macro2::{TokenStream, TokenTree};

use super::snapshot::Snapshot;
use super::source;

/// Words by which code could notice that it is tested, or get out of a test.
const WORDS: [&str; 14] = [
    "catch_unwind",
    "set_hook",
    "take_hook",
    "_exit",
    "link_section",
    "global_asm",
    "current_exe",
    "no_implicit_prelude",
    "type_name",
    "Backtrace",
    "ctor",
    "option_env",
    "no_mangle",
    "export_name",
];

/// Parts of texts that only a process of a test has a use for.
const TEXTS: [&str; 7] = ["NEXTEST", "RUST_TEST", "CARGO_TARGET_TMPDIR", "PROPTEST_", "INSTA_", "HARNESS_", "/deps/"];

/// Macros and attributes of the standard library that nobody redefines for a good reason.
const SHADOWED: [&str; 12] = [
    "assert",
    "assert_eq",
    "assert_ne",
    "debug_assert",
    "debug_assert_eq",
    "debug_assert_ne",
    "panic",
    "matches",
    "unreachable",
    "test",
    "prop_assert",
    "prop_assert_eq",
];

/// Traits that decide what an assertion sees.
const COMPARING: [&str; 3] = ["PartialEq", "PartialOrd", "Ord"];

/// Functions that are no tests and assert less than in the base, and files whose documentation has fewer examples that run.
pub(super) fn helpers(base: &Snapshot, head: &Snapshot) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut examples = (0, 0);
    for path in base.changed(head) {
        let (before, now) = (base.texts.get(path), head.texts.get(path));
        let count = |text: Option<&String>| text.map_or(0, |text| source::examples(text));
        examples = (examples.0 + count(before), examples.1 + count(now));
        let (Some(before), Some(now)) = (before, now) else { continue };
        let now = source::asserting(now);
        for (name, was) in source::asserting(before) {
            if let Some(is) = now.get(&name).filter(|is| **is < was) {
                let name = name.trim_start_matches("::");
                found.push((format!("{path} {name}"), format!("{was} assertions before, {is} now")));
            }
        }
    }
    if examples.1 < examples.0 {
        let message = format!("{} examples that run before, {} now", examples.0, examples.1);
        found.push(("the documentation".to_owned(), message));
    }
    found
}

/// What the head has more of than the base: each with where it first stands.
pub(super) fn gained(base: &Snapshot, head: &Snapshot) -> Vec<(String, String)> {
    let known = base.definitions();
    let changed = base.changed(head);
    let count = |snapshot: &Snapshot| -> BTreeMap<String, (u64, Utf8PathBuf)> {
        let mut counts: BTreeMap<String, (u64, Utf8PathBuf)> = BTreeMap::new();
        for (path, text) in snapshot.rust().filter(|(path, _)| changed.contains(path)) {
            let for_tests = snapshot.test_files.contains(path);
            for mark in marks(text, for_tests, is_binary(path), &known) {
                counts.entry(mark).or_insert_with(|| (0, path.clone())).0 += 1;
            }
        }
        counts
    };
    let (before, after) = (count(base), count(head));
    let more = after.into_iter().filter_map(|(mark, (now, path))| {
        let was = before.get(&mark).map_or(0, |(was, _)| *was);
        (now > was).then(|| (path.to_string(), format!("{mark}: {was} before, {now} now")))
    });
    more.collect()
}

fn is_binary(path: &Utf8PathBuf) -> bool {
    path.as_str().ends_with("src/main.rs") || path.as_str().contains("src/bin/")
}

/// Everything of that kind in a file.
fn marks(text: &str, for_tests: bool, binary: bool, known: &BTreeSet<String>) -> Vec<String> {
    let mut marks = Vec::new();
    walk_items(&source::items(text).unwrap_or_default(), (for_tests, binary), known, &mut marks);
    marks
}

fn walk_items(items: &[source::Item], scope: (bool, bool), known: &BTreeSet<String>, marks: &mut Vec<String>) {
    for item in items {
        let for_tests = scope.0 || item.is_for_tests();
        for attribute in &item.attributes {
            marks.extend(of_attribute(attribute, item));
        }
        if item.keyword == "use" {
            let names = source::words(&item.text).collect::<Vec<_>>();
            let shadowed = names.iter().filter(|name| SHADOWED.contains(name));
            marks.extend(shadowed.map(|name| format!("use … {name}")));
        }
        if matches!(item.keyword.as_str(), "mod" | "extern") && ["std", "core"].iter().any(|n| item.name == *n) {
            marks.push(format!("{} {}", item.keyword, item.name));
        }
        marks.extend(comparing(item, known));
        let inside = item.inside();
        if item.keyword == "mod" && !inside.is_empty() {
            walk_items(&inside, (for_tests, scope.1), known, marks);
        } else if let Ok(tokens) = item.text.parse() {
            walk_tokens(tokens, (for_tests, scope.1), marks);
        }
    }
}

fn of_attribute(attribute: &str, item: &source::Item) -> Option<String> {
    // One of the whole file says the same as one of an item.
    let plain: String = attribute.trim_start_matches('!').chars().filter(|c| !c.is_whitespace()).collect();
    let name = plain.split(['(', '=']).next().unwrap_or_default().to_owned();
    let has = |word: &str| source::words(attribute).any(|other| other == word);
    let told = match name.as_str() {
        "allow"
        | "expect"
        | "rustfmt::skip"
        | "coverage"
        | "path"
        | "no_mangle"
        | "link_section"
        | "export_name"
        | "no_implicit_prelude"
        | "macro_use"
        | "ctor"
        | "ctor::ctor" => true,
        "cfg_attr" => ["allow", "ignore", "should_panic", "path", "test", "expect"].iter().any(|word| has(word)),
        "cfg" => {
            (has("test") && !item.is_for_tests()) || plain == "cfg(any())" || has("debug_assertions") || has("FALSE")
        }
        _ => false,
    };
    told.then(|| format!("#[{plain}]"))
}

/// A comparison written by hand for a type that there was before.
fn comparing(item: &source::Item, known: &BTreeSet<String>) -> Option<String> {
    if item.keyword != "impl" {
        return None;
    }
    let head = item.text.split('{').next().unwrap_or_default();
    let (traits, of) = head.split_once(" for ")?;
    let is_comparing = COMPARING.iter().find(|name| source::words(traits).any(|word| word == **name))?;
    let of = source::words(of).find(|word| known.contains(*word))?;
    Some(format!("impl {is_comparing} for {of}"))
}

fn walk_tokens(tokens: TokenStream, scope: (bool, bool), marks: &mut Vec<String>) {
    let (for_tests, binary) = scope;
    let trees: Vec<TokenTree> = tokens.into_iter().collect();
    let word =
        |at: usize| if let Some(TokenTree::Ident(word)) = trees.get(at) { word.to_string() } else { String::new() };
    let punct = |at: usize, c: char| matches!(trees.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == c);
    for (at, tree) in trees.iter().enumerate() {
        match tree {
            TokenTree::Ident(ident) => {
                let name = ident.to_string();
                let behind =
                    if at >= 3 && punct(at - 1, ':') && punct(at - 2, ':') { word(at - 3) } else { Default::default() };
                if WORDS.contains(&name.as_str()) && !for_tests {
                    marks.push(name);
                } else if matches!(name.as_str(), "exit" | "abort") && behind == "process" && !binary {
                    marks.push(format!("process::{name}"));
                } else if name == "current" && behind == "thread" && !for_tests {
                    marks.push("thread::current".to_owned());
                } else if name == "cfg" && punct(at + 1, '!') && !for_tests {
                    let inside = trees.get(at + 2).map(ToString::to_string).unwrap_or_default();
                    let tells = source::words(&inside).any(|word| matches!(word, "test" | "debug_assertions" | "miri"));
                    marks.extend(tells.then(|| format!("cfg!{}", inside.replace(' ', ""))));
                } else if name == "macro_rules" && SHADOWED.contains(&word(at + 2).as_str()) {
                    marks.push(format!("macro_rules! {}", word(at + 2)));
                } else if name == "include" && punct(at + 1, '!') && !for_tests {
                    marks.push("include!".to_owned());
                }
            }
            TokenTree::Literal(literal) if !for_tests => {
                let text = literal.to_string();
                marks.extend(TEXTS.iter().find(|part| text.contains(**part)).map(|part| format!("a text with {part}")));
            }
            TokenTree::Group(group) => {
                // An attribute within an expression or on a method.
                if at > 0 && (punct(at - 1, '#') || (punct(at - 1, '!') && at > 1 && punct(at - 2, '#'))) {
                    let plain = group.stream().to_string().replace(' ', "");
                    let silences = ["allow(", "expect(", "rustfmt::skip", "cfg_attr(", "cfg(not(test", "cfg(any("];
                    if silences.iter().any(|begin| plain.starts_with(begin)) || plain.contains("debug_assertions") {
                        marks.push(format!("#[{plain}]"));
                    }
                } else {
                    walk_tokens(group.stream(), scope, marks);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        marks(text, false, false, &BTreeSet::from(["Money".to_owned()]))
    }

    #[test]
    fn what_silences_or_tells_of_tests_is_marked() {
        for (text, expected) in [
            ("#![allow(dead_code)]", "#[allow(dead_code)]"),
            ("#[cfg_attr(all(), ignore)] fn f() {}", "#[cfg_attr(all(),ignore)]"),
            ("#[cfg(not(test))] fn f() {}", "#[cfg(not(test))]"),
            ("fn f() { if cfg!(test) { return } }", "cfg!(test)"),
            ("macro_rules! assert_eq { () => {} }", "macro_rules! assert_eq"),
            ("mod m { use fake::assert_eq; }", "use … assert_eq"),
            ("fn f() { std::process::exit(0) }", "process::exit"),
            ("fn f() { std::env::var(\"NEXTEST_RUN_ID\").is_ok() }", "a text with NEXTEST"),
            ("impl PartialEq for Money { fn eq(&self, _: &Money) -> bool { true } }", "impl PartialEq for Money"),
            ("impl S { fn f() { #[allow(unused)] let x = 1; } }", "#[allow(unused)]"),
            ("#[path = \"b.rs\"] mod a;", "#[path=\"b.rs\"]"),
        ] {
            assert_eq!(found(text), [expected], "{text}");
        }
    }

    #[test]
    fn ordinary_code_and_words_in_texts_are_not() {
        for text in [
            "fn f() { let allow = \"#[allow(x)] cfg!(test)\"; } // process::exit",
            "impl PartialEq for Other { fn eq(&self, o: &Other) -> bool { self.0 == o.0 } }",
            "#[cfg(test)] mod tests { #[test] #[should_panic] fn t() { std::thread::current(); } }",
            "#[cfg(unix)] fn f() { assert_eq!(1, 1) } #[derive(PartialEq)] struct S;",
        ] {
            assert_eq!(found(text), [""; 0], "{text}");
        }
    }
}
