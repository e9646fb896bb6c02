//! Makes two answers comparable: what may vary without meaning anything is made the same in both.

use camino::Utf8Path;
use regex::Regex;

use crate::domain::contract::{NamedNormaliser, Normaliser};

/// The normalisers of one side: the same for both but for the folders that they ran in.
#[derive(Clone, Debug)]
pub(super) struct Rules<'a> {
    normalisers: &'a [Normaliser],
    address: Option<Regex>,
    /// Paths and what stands for them, the longest first.
    places: Vec<(String, &'static str)>,
}

impl<'a> Rules<'a> {
    /// `places` are the paths that `paths` takes out, with their names.
    pub(super) fn new(normalisers: &'a [Normaliser], places: &[(&Utf8Path, &'static str)]) -> Rules<'a> {
        let named = |path: &Utf8Path| path.as_str().len() > 1;
        let mut places: Vec<(String, &'static str)> =
            places.iter().filter(|(path, _)| named(path)).map(|(path, name)| (path.to_string(), *name)).collect();
        places.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
        Rules { normalisers, address: Regex::new(r"\b0x[0-9a-fA-F]+\b").ok(), places }
    }

    /// The text after all of them, in their order.
    pub(super) fn apply(&self, text: &str) -> String {
        self.normalisers.iter().fold(text.to_owned(), |text, normaliser| match normaliser {
            Normaliser::Replace(rule) => {
                let line = |line: &str| rule.pattern.0.replace_all(line, rule.with.as_str()).into_owned();
                joined(&text.split_terminator('\n').map(line).collect::<Vec<_>>(), &text)
            }
            Normaliser::Named(NamedNormaliser::SortLines) => sorted(&text),
            Normaliser::Named(NamedNormaliser::Whitespace) => trimmed(&text),
            Normaliser::Named(NamedNormaliser::Addresses) => match &self.address {
                Some(address) => address.replace_all(&text, "{address}").into_owned(),
                None => text,
            },
            Normaliser::Named(NamedNormaliser::Paths) => {
                self.places.iter().fold(text, |text, (path, name)| text.replace(path, name))
            }
        })
    }
}

fn sorted(text: &str) -> String {
    let mut lines: Vec<&str> = text.split_terminator('\n').collect();
    lines.sort_unstable();
    joined(&lines, text)
}

fn trimmed(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    joined(&lines, text)
}

/// With a line break at the end where there was one.
fn joined(lines: &[impl AsRef<str>], before: &str) -> String {
    let end = if before.ends_with('\n') { "\n" } else { "" };
    lines.iter().map(AsRef::as_ref).collect::<Vec<_>>().join("\n") + end
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn named(names: &[NamedNormaliser]) -> Vec<Normaliser> {
        names.iter().copied().map(Normaliser::Named).collect()
    }

    #[test]
    fn each_takes_out_what_it_is_for() {
        use NamedNormaliser::{Addresses, Paths, SortLines, Whitespace};
        let places = [("/w/run/3.dir".into(), "{dir}"), ("/w".into(), "{root}")];
        for (normaliser, text, expected) in [
            (SortLines, "b\na\n", "a\nb\n"),
            (SortLines, "b\na", "a\nb"),
            (Whitespace, "a \t\r\nb\r\n", "a\nb\n"),
            (Addresses, "at 0x7ffe12 and 0x0, not 10x2", "at {address} and {address}, not 10x2"),
            (Paths, "/w/run/3.dir/a /w/b", "{dir}/a {root}/b"),
        ] {
            let normalisers = named(&[normaliser]);
            assert_eq!(Rules::new(&normalisers, &places).apply(text), expected, "{normaliser:?}");
        }
    }

    proptest! {
        #[test]
        fn what_was_normalised_stays_as_it_is(text in "[ab0x1 \t\r\n/w]{0,40}", at in 0usize..4) {
            use NamedNormaliser::{Addresses, Paths, SortLines, Whitespace};
            let normalisers = named(&[[SortLines, Whitespace, Addresses, Paths][at]]);
            let rules = Rules::new(&normalisers, &[("/w/a".into(), "{dir}"), ("/w".into(), "{root}")]);
            let once = rules.apply(&text);
            prop_assert_eq!(rules.apply(&once), once);
        }
    }
}
