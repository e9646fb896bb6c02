//! How much of each kind there is in a Rust file: by its tokens, so that texts, comments and layout don't count.

use std::collections::BTreeMap;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

use super::source::{self, Item};
use crate::domain::contract::RatchetKind;
use crate::domain::provenance::Counts;

/// What is counted where the contract doesn't say.
pub(crate) const BY_DEFAULT: [RatchetKind; 3] = [RatchetKind::Suppressions, RatchetKind::Unsafe, RatchetKind::Ignored];

/// Ways to panic on a value that isn't there.
const UNWRAPPING: [&str; 5] = ["unwrap", "expect", "unwrap_err", "expect_err", "unwrap_unchecked"];

/// What there is of each kind; kinds of which there is none are left out. `for_tests` says that the whole file belongs to tests.
pub(crate) fn counts(text: &str, for_tests: bool) -> BTreeMap<RatchetKind, u64> {
    let mut tally = Tally::default();
    tally.items(&source::items(text).unwrap_or_default(), for_tests);
    tally.0
}

/// The numbers without those that are zero.
pub(crate) fn without_nothing(counts: Counts) -> Counts {
    let without = |numbers: BTreeMap<String, u64>| numbers.into_iter().filter(|(_, number)| *number > 0).collect();
    let all = counts.into_iter().map(|(of, numbers)| (of, without(numbers)));
    all.filter(|(_, numbers): &(String, BTreeMap<String, u64>)| !numbers.is_empty()).collect()
}

#[derive(Debug, Default)]
struct Tally(BTreeMap<RatchetKind, u64>);

impl Tally {
    fn add(&mut self, kind: RatchetKind, count: u64) {
        if count > 0 {
            *self.0.entry(kind).or_default() += count;
        }
    }

    fn items(&mut self, items: &[Item], for_tests: bool) {
        for item in items {
            let for_tests = for_tests || item.is_for_tests();
            for attribute in &item.attributes {
                self.attribute(attribute.trim_start_matches('!').parse().unwrap_or_default());
            }
            if !for_tests {
                self.add(RatchetKind::Api, public(item));
            }
            let inside = item.inside();
            if item.keyword == "mod" && !inside.is_empty() {
                self.items(&inside, for_tests);
            } else {
                self.tokens(item.text.parse().unwrap_or_default(), for_tests);
            }
        }
    }

    fn tokens(&mut self, tokens: TokenStream, for_tests: bool) {
        let trees: Vec<TokenTree> = tokens.into_iter().collect();
        for (at, tree) in trees.iter().enumerate() {
            match tree {
                TokenTree::Ident(word) if word == "unsafe" => self.add(RatchetKind::Unsafe, 1),
                TokenTree::Ident(word) if !for_tests && is_called(&trees, at) => {
                    self.add(RatchetKind::Unwrap, u64::from(UNWRAPPING.iter().any(|name| word == name)));
                }
                TokenTree::Group(group) if is_attribute(&trees, at, group) => self.attribute(group.stream()),
                TokenTree::Group(group) => self.tokens(group.stream(), for_tests),
                _ => {}
            }
        }
    }

    /// `allow(a, b)` silences two lints; whatever a `cfg_attr` may come to is counted as if it were so.
    fn attribute(&mut self, tokens: TokenStream) {
        let trees: Vec<TokenTree> = tokens.into_iter().collect();
        let Some(TokenTree::Ident(name)) = trees.first() else { return };
        let inner = trees.get(1).and_then(|tree| match tree {
            TokenTree::Group(group) => Some(group.stream()),
            _ => None,
        });
        match name.to_string().as_str() {
            "allow" | "expect" => self.add(RatchetKind::Suppressions, lints(inner.unwrap_or_default())),
            "should_panic" => self.add(RatchetKind::Suppressions, 1),
            "ignore" => {
                self.add(RatchetKind::Suppressions, 1);
                self.add(RatchetKind::Ignored, 1);
            }
            "cfg_attr" => parts(inner.unwrap_or_default()).into_iter().skip(1).for_each(|part| self.attribute(part)),
            "unsafe" => self.add(RatchetKind::Unsafe, 1),
            _ => {}
        }
    }
}

/// What commas part.
fn parts(tokens: TokenStream) -> Vec<TokenStream> {
    let trees: Vec<TokenTree> = tokens.into_iter().collect();
    let is_comma = |tree: &TokenTree| matches!(tree, TokenTree::Punct(punct) if punct.as_char() == ',');
    trees.split(is_comma).filter(|part| !part.is_empty()).map(|part| part.iter().cloned().collect()).collect()
}

/// How many lints a list names; its reason is none.
fn lints(tokens: TokenStream) -> u64 {
    let is_reason = |part: &TokenStream| {
        let mut trees = part.clone().into_iter();
        matches!(trees.next(), Some(TokenTree::Ident(word)) if word == "reason")
            && matches!(trees.next(), Some(TokenTree::Punct(punct)) if punct.as_char() == '=')
    };
    parts(tokens).iter().filter(|part| !is_reason(part)).count() as u64
}

/// Whether the group is that of `#[…]` or `#![…]`.
fn is_attribute(trees: &[TokenTree], at: usize, group: &Group) -> bool {
    let punct = |at: Option<usize>, c: char| matches!(at.and_then(|at| trees.get(at)), Some(TokenTree::Punct(p)) if p.as_char() == c);
    let begins = punct(at.checked_sub(1), '#') || (punct(at.checked_sub(1), '!') && punct(at.checked_sub(2), '#'));
    group.delimiter() == Delimiter::Bracket && begins
}

/// Whether a dot or a path leads to the word: a call, or the name of a function that is handed on.
fn is_called(trees: &[TokenTree], at: usize) -> bool {
    at > 0 && matches!(&trees[at - 1], TokenTree::Punct(punct) if matches!(punct.as_char(), '.' | ':'))
}

/// How many items others can name: the item itself, and a type's methods.
fn public(item: &Item) -> u64 {
    let is_public = |item: &Item| item.text.starts_with("pub ") && !item.text.starts_with("pub (");
    match item.keyword.as_str() {
        "impl" => item.inside().iter().filter(|method| is_public(method)).count() as u64,
        _ => u64::from(is_public(item)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str, kind: RatchetKind) -> u64 {
        counts(text, false).get(&kind).copied().unwrap_or_default()
    }

    #[test]
    fn each_lint_that_is_silenced_counts_wherever_it_stands() {
        for (text, expected) in [
            ("#![allow(dead_code, unused)]", 2),
            ("#[expect(clippy::all, reason = \"a, b\")] fn f() {}", 1),
            ("#[cfg_attr(any(), allow(a), ignore)] fn f() {}", 2),
            ("impl S { fn f() { #[allow(a)] let x = 1; } }", 1),
            ("mod m { #![allow(a)] #[test] #[should_panic(expected = \"x\")] fn t() {} }", 2),
            ("fn f() { \"#[allow(x)]\"; } // #[allow(x)]", 0),
            ("#[doc = \"ignore\"] fn f() { allow(x); a.expect(\"b\") }", 0),
        ] {
            assert_eq!(count(text, RatchetKind::Suppressions), expected, "{text}");
        }
    }

    #[test]
    fn unsafe_counts_as_a_word_and_not_in_lints_or_texts() {
        let text = "unsafe impl Send for S {}\n#[allow(unsafe_code)] unsafe fn f() { unsafe { g(\"unsafe\") } }\n\
                    #[unsafe(no_mangle)] fn h() {} mod m { fn f() { unsafe {} } }";
        assert_eq!(count(text, RatchetKind::Unsafe), 5);
    }

    #[test]
    fn unwrapping_counts_outside_of_tests_alone() {
        let text = "fn f() { a.unwrap(); b.expect(\"x\").map(Option::unwrap); unwrap(); }\nfn unwrap() {}\n\
                    #[cfg(test)] mod tests { #[test] fn t() { a.unwrap(); } }";
        assert_eq!(count(text, RatchetKind::Unwrap), 3);
        assert_eq!(counts(text, true).get(&RatchetKind::Unwrap), None);
    }

    #[test]
    fn ignored_tests_and_public_items_are_counted() {
        let text = "pub fn a() {}\npub(crate) fn b() {}\npub struct S { pub x: u8 }\nimpl S { pub fn c() {} fn d() {} }\n\
                    pub mod m { pub const X: u8 = 1; }\nmod tests { #[test] #[ignore = \"slow\"] fn t() {} }";
        assert_eq!((count(text, RatchetKind::Api), count(text, RatchetKind::Ignored)), (5, 1));
        assert!(counts("fn (", false).is_empty());
    }
}
