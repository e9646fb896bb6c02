//! What a change says of itself in the trailers of its commit messages: renamed and removed items. A declaration is no approval: it
//! counts only as far as the trees bear it out.

use std::collections::{BTreeMap, BTreeSet};

/// What a change declares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Declared {
    /// New names by old ones; the last parts of paths.
    pub(super) renames: BTreeMap<String, String>,
    /// Tests that are gone with what they tested.
    pub(super) removes: BTreeSet<String>,
    /// Whether a commit calls itself a fix.
    pub(super) is_fix: bool,
}

impl Declared {
    /// Reads the messages of a change's commits.
    pub(super) fn read(messages: &[String]) -> Declared {
        let mut declared = Declared::default();
        for message in messages {
            declared.is_fix = declared.is_fix || message.lines().next().is_some_and(is_fix);
            for line in message.lines() {
                let Some((key, value)) = line.split_once(':') else { continue };
                match (key.trim().to_ascii_lowercase().as_str(), value.split_once("->")) {
                    ("harness-renames", Some((old, new))) => {
                        declared.renames.insert(last(old), last(new));
                    }
                    ("harness-removes", None) => {
                        declared.removes.extend(value.split(',').map(last).filter(|name| !name.is_empty()));
                    }
                    _ => {}
                }
            }
        }
        declared
    }
}

fn last(path: &str) -> String {
    path.trim().rsplit("::").next().unwrap_or_default().trim_matches('`').to_owned()
}

/// `fix: …`, `fix(parser)!: …`, `Fix …`, `Fixes …`, `Fixed …`.
fn is_fix(subject: &str) -> bool {
    let word = subject.split([' ', ':', '(', '!']).next().unwrap_or_default().to_ascii_lowercase();
    matches!(word.as_str(), "fix" | "fixes" | "fixed" | "bugfix" | "hotfix")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailers_declare_and_subjects_tell_a_fix() {
        let messages = ["fix(io): x\n\nHarness-Renames: a::old -> a::new\nHarness-Removes: t::gone, lost", "Refactor"];
        let declared = Declared::read(&messages.map(str::to_owned));
        assert!(declared.is_fix);
        assert_eq!(declared.renames.get("old").map(String::as_str), Some("new"));
        assert_eq!(declared.removes, ["gone", "lost"].map(str::to_owned).into());
        assert!(!Declared::read(&["Fixtures are sorted".to_owned(), "prefix: x".to_owned()]).is_fix);
    }
}
