//! The tests of the base, looked for in the head: gone, newly ignored, renamed without saying so, weakened.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use camino::Utf8PathBuf;

use super::declared::Declared;
use super::snapshot::Snapshot;
use super::source::{self, Test};
use crate::domain::record::{TestName, TestOutcome, TestRecord};

/// The tests of two trees as their sources have them.
#[derive(Debug)]
pub(super) struct Sources {
    base: BTreeMap<Utf8PathBuf, Vec<Test>>,
    head: BTreeMap<Utf8PathBuf, Vec<Test>>,
    /// What the base defines and the head doesn't.
    gone: BTreeSet<String>,
    /// Names that the change declares as renamed, as far as they were.
    renames: BTreeMap<String, String>,
    /// Tests that the change declares as removed, as far as what they test is gone.
    pub(super) removed: BTreeSet<String>,
}

impl Sources {
    /// Reads both, and what of the declarations holds.
    pub(super) fn read(base: &Snapshot, head: &Snapshot, declared: &Declared) -> Sources {
        let (before, now) = (base.definitions(), head.definitions());
        let gone: BTreeSet<String> = before.difference(&now).cloned().collect();
        let is_renamed =
            |(old, new): &(&String, &String)| gone.contains(*old) && now.contains(*new) && !before.contains(*new);
        let renames = declared.renames.iter().filter(is_renamed).map(|(old, new)| (old.clone(), new.clone())).collect();
        let (base, head) = (base.tests(), head.tests());
        let mut sources = Sources { base, head, gone, renames, removed: BTreeSet::new() };
        sources.removed = declared.removes.iter().filter(|name| sources.tests_what_is_gone(name)).cloned().collect();
        sources
    }

    /// Whether every test of that name in the base uses something that the head doesn't define any more, whatever it is called now.
    fn tests_what_is_gone(&self, name: &str) -> bool {
        let mut named = self.base.values().flatten().filter(|test| test.name == name).peekable();
        let uses_gone = |test: &Test| {
            source::words(&test.body).any(|word| self.gone.contains(word) && !self.renames.contains_key(word))
        };
        named.peek().is_some() && named.all(uses_gone)
    }

    /// A text of the base with the names that it would have now, and without the tests that are gone with what they tested.
    pub(super) fn adapted(&self, text: &str) -> String {
        let mut text = text.to_owned();
        let tests = source::tests(&text).into_iter().filter(|test| self.removed.contains(&test.name));
        let dropped: Vec<Range<usize>> = tests.map(|test| test.range).collect();
        // A name within a test that is cut goes with it.
        let stays = |place: &Range<usize>| !dropped.iter().any(|test| test.contains(&place.start));
        let mut cuts: Vec<(Range<usize>, &str)> = dropped.iter().map(|range| (range.clone(), "")).collect();
        for (old, new) in &self.renames {
            let places = source::places_of(&text, old).into_iter().filter(stays);
            cuts.extend(places.map(|place| (place, new.as_str())));
        }
        cuts.sort_by_key(|(range, _)| std::cmp::Reverse(range.start));
        for (range, new) in cuts {
            text.replace_range(range, new);
        }
        text
    }

    /// The body as it would be with the declared names.
    fn renamed(&self, body: &str) -> String {
        self.renames.iter().fold(body.to_owned(), |body, (old, new)| {
            let places = source::places_of(&body, old);
            places.into_iter().rev().fold(body, |mut body, place| {
                body.replace_range(place, new);
                body
            })
        })
    }

    /// A test of the head with the same body as this one of the base: under the same name, or under any.
    fn twin(&self, name: &str, declared: &Declared) -> Twin {
        let bodies: BTreeSet<String> = self
            .base
            .values()
            .flatten()
            .filter(|test| test.name == name)
            .map(|test| self.renamed(&test.body))
            .collect();
        let known: BTreeSet<&str> = self.base.values().flatten().map(|test| test.name.as_str()).collect();
        let same = |test: &&Test| bodies.contains(&test.body) && !test.is_ignored();
        let mut twins = self
            .head
            .values()
            .flatten()
            .filter(same)
            .filter(|test| test.name == name || !known.contains(test.name.as_str()));
        let declared = declared.renames.get(name);
        match twins.clone().find(|test| test.name == name || Some(&test.name) == declared) {
            Some(_) => Twin::Accounted,
            None => twins.next().map_or(Twin::None, |test| Twin::Renamed(test.name.clone())),
        }
    }

    /// What became of tests that aren't where they were.
    fn missing(&self, name: &str, declared: &Declared) -> Option<String> {
        let last = name.rsplit("::").next().unwrap_or(name);
        if self.removed.contains(last) {
            return None;
        }
        match self.twin(last, declared) {
            Twin::Accounted => None,
            Twin::Renamed(new) => {
                Some(format!("is called {new} now, which no `Harness-Renames: {last} -> {new}` says"))
            }
            Twin::None if declared.removes.contains(last) => {
                Some("is declared removed, but what it tests is there".to_owned())
            }
            Twin::None => Some("is gone".to_owned()),
        }
    }

    /// By the sources alone.
    pub(super) fn lost(&self, declared: &Declared) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for (path, tests) in &self.base {
            let now = self.head.get(path).map(Vec::as_slice).unwrap_or_default();
            for test in tests {
                let same = now.iter().find(|other| other.path() == test.path());
                let message = match same {
                    Some(other) if other.is_ignored() && !test.is_ignored() => Some("is ignored now".to_owned()),
                    Some(_) => None,
                    None => self.missing(&test.name, declared),
                };
                found.extend(message.map(|message| (format!("{path} {}", test.path()), message)));
            }
        }
        found
    }

    /// By what ran: the tests of the base's run, looked for in the head's.
    pub(super) fn not_run(
        &self,
        before: &[TestRecord],
        now: &[TestRecord],
        declared: &Declared,
    ) -> Vec<(String, String)> {
        let outcomes: BTreeMap<&TestName, TestOutcome> = now.iter().map(|test| (&test.test, test.outcome)).collect();
        let names: BTreeSet<&str> =
            now.iter().filter(|test| test.outcome != TestOutcome::Ignored).map(|test| last(&test.test)).collect();
        let mut found = Vec::new();
        for test in before.iter().filter(|test| test.outcome != TestOutcome::Ignored) {
            let message = match outcomes.get(&test.test) {
                Some(TestOutcome::Ignored) => Some("is ignored now".to_owned()),
                Some(_) => None,
                None => match self.missing(&test.test.name, declared) {
                    // It stands in the sources, or its twin does; then one of that name must have run.
                    None if self.removed.contains(last(&test.test)) => None,
                    None => {
                        let new = declared.renames.get(last(&test.test)).map_or(last(&test.test), String::as_str);
                        (!names.contains(new)).then(|| "did not run, though it is in the sources".to_owned())
                    }
                    some => some,
                },
            };
            found.extend(message.map(|message| (format!("{} {}", test.test.binary, test.test.name), message)));
        }
        found
    }

    /// Tests that are where they were, and assert less or are excused now.
    pub(super) fn weakened(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for (path, tests) in &self.base {
            let now = self.head.get(path).map(Vec::as_slice).unwrap_or_default();
            for test in tests {
                let Some(other) = now.iter().find(|other| other.path() == test.path()) else { continue };
                let subject = format!("{path} {}", test.path());
                if other.assertions < test.assertions {
                    let message = format!("{} assertions before, {} now", test.assertions, other.assertions);
                    found.push((subject.clone(), message));
                }
                let excused = |attribute: &&String| {
                    let excuses = ["should_panic", "cfg", "cfg_attr"];
                    source::words(attribute).next().is_some_and(|word| excuses.contains(&word))
                        && !test.attributes.contains(attribute)
                };
                found.extend(other.attributes.iter().filter(excused).map(|attribute| {
                    (subject.clone(), format!("has #[{}] now", crate::base::text::one_line(attribute)))
                }));
            }
        }
        found
    }

    /// Tests that the head has, and the base has not or with another body.
    pub(super) fn new_or_changed(&self) -> BTreeSet<String> {
        let known: BTreeSet<(&str, &str)> =
            self.base.values().flatten().map(|test| (test.name.as_str(), test.body.as_str())).collect();
        let all = self.head.values().flatten();
        all.filter(|test| !known.contains(&(test.name.as_str(), test.body.as_str())))
            .map(|test| test.name.clone())
            .collect()
    }
}

enum Twin {
    /// Under its name, or under the one that the change declares.
    Accounted,
    Renamed(String),
    None,
}

/// The last part of a test's path.
pub(super) fn last(test: &TestName) -> &str {
    test.name.rsplit("::").next().unwrap_or(&test.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn snapshot(files: &[(&str, &str)]) -> Snapshot {
        let texts: BTreeMap<Utf8PathBuf, String> =
            files.iter().map(|(path, text)| ((*path).into(), (*text).to_owned())).collect();
        Snapshot { listing: BTreeMap::new(), texts, test_files: BTreeSet::new() }
    }

    fn lost(base: &str, head: &str, message: &str) -> Vec<String> {
        let declared = Declared::read(&[message.to_owned()]);
        let sources = Sources::read(&snapshot(&[("src/lib.rs", base)]), &snapshot(&[("src/lib.rs", head)]), &declared);
        sources.lost(&declared).into_iter().map(|(subject, message)| format!("{subject}: {message}")).collect()
    }

    const BASE: &str = "fn old() {}\n#[test] fn a() { assert!(old()); }\n#[test] fn b() { assert!(true, 1); }";

    #[test]
    fn a_test_that_is_gone_ignored_or_renamed_is_found_unless_it_is_declared_and_true() {
        let gone = BASE.replace("#[test] fn a() { assert!(old()); }", "");
        assert_eq!(lost(BASE, &gone, "x"), ["src/lib.rs a: is gone"]);
        assert_eq!(
            lost(BASE, &gone, "x\n\nHarness-Removes: a"),
            ["src/lib.rs a: is declared removed, but what it tests is there"]
        );
        assert_eq!(lost(BASE, &gone.replace("fn old() {}", ""), "x\n\nHarness-Removes: a"), [""; 0]);
        assert_eq!(
            lost(BASE, &BASE.replace("#[test] fn b", "#[test] #[ignore] fn b"), "x"),
            ["src/lib.rs b: is ignored now"]
        );
        let renamed = BASE.replace("fn b()", "fn c()");
        let said = "src/lib.rs b: is called c now, which no `Harness-Renames: b -> c` says";
        assert_eq!(lost(BASE, &renamed, "x"), [said]);
        assert_eq!(lost(BASE, &renamed, "x\n\nHarness-Renames: b -> c"), [""; 0]);
        let emptied = BASE.replace("fn b() { assert!(true, 1); }", "fn c() {}");
        assert_eq!(lost(BASE, &emptied, "x\n\nHarness-Renames: b -> c"), ["src/lib.rs b: is gone"]);
        assert_eq!(lost(BASE, &BASE.replace("old", "new"), "x\n\nHarness-Renames: old -> new"), [""; 0]);
    }

    #[test]
    fn a_text_is_adapted_to_what_was_renamed_and_removed() {
        let declared = Declared::read(&["x\n\nHarness-Renames: old -> new\nHarness-Removes: g".to_owned()]);
        let base = "fn old() {}\nfn lost() {}\n#[test] fn g() { lost(); old(); }\n#[test] fn h() { old(); }";
        let head = "fn new() {}\n#[test] fn h() { new(); }";
        let sources = Sources::read(&snapshot(&[("a.rs", base)]), &snapshot(&[("a.rs", head)]), &declared);
        assert_eq!(sources.adapted(base), "fn new() {}\nfn lost() {}\n\n#[test] fn h() { new(); }");
    }

    #[test]
    fn fewer_assertions_and_new_excuses_are_found() {
        let declared = Declared::default();
        let head = "#[test] #[should_panic] fn a() { assert!(old()); }\n#[test] fn b() { }";
        let sources = Sources::read(&snapshot(&[("l.rs", BASE)]), &snapshot(&[("l.rs", head)]), &declared);
        let told: Vec<String> =
            sources.weakened().into_iter().map(|(test, message)| format!("{test}: {message}")).collect();
        assert_eq!(told, ["l.rs a: has #[should_panic] now", "l.rs b: 1 assertions before, 0 now"]);
    }
}
