//! A Rust file as items with their byte ranges, read from tokens: which are tests, and what each is made of.
//!
//! Tokens, not types: macros aren't expanded, comments don't count, and formatting changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// One item.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// From the first attribute to the last byte.
    pub(crate) range: Range<usize>,
    /// Outer attributes, each as the text of its tokens.
    pub(crate) attributes: Vec<String>,
    /// `fn`, `mod`, `struct` …, or the name of a macro that is called.
    pub(crate) keyword: String,
    /// What it is called; empty where it has no name.
    pub(crate) name: String,
    /// All tokens behind the attributes, blanks made the same.
    pub(crate) text: String,
    /// Of a module or another item in braces.
    body: Option<TokenStream>,
}

/// A test function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Test {
    /// The modules within the file.
    pub(crate) modules: Vec<String>,
    pub(crate) name: String,
    /// The body, blanks made the same.
    pub(crate) body: String,
    pub(crate) attributes: Vec<String>,
    /// How many assertions are in it.
    pub(crate) assertions: usize,
    pub(crate) range: Range<usize>,
}

impl Test {
    /// Its path within the file.
    pub(crate) fn path(&self) -> String {
        self.modules.iter().map(String::as_str).chain([self.name.as_str()]).collect::<Vec<_>>().join("::")
    }

    /// Whether it says of itself that it isn't to run.
    pub(crate) fn is_ignored(&self) -> bool {
        self.attributes.iter().any(|attribute| words(attribute).any(|word| word == "ignore"))
    }
}

/// The items of a file; none where its tokens don't fit together.
pub(crate) fn items(text: &str) -> Option<Vec<Item>> {
    Some(items_of(text.parse().ok()?))
}

fn items_of(tokens: TokenStream) -> Vec<Item> {
    let trees: Vec<TokenTree> = tokens.into_iter().collect();
    let mut items = Vec::new();
    let mut at = 0;
    while at < trees.len() {
        let begin = at;
        let mut attributes = Vec::new();
        let mut inner = false;
        while let Some(TokenTree::Punct(hash)) = trees.get(at).filter(|_| !inner)
            && hash.as_char() == '#'
        {
            match (trees.get(at + 1), trees.get(at + 2)) {
                (Some(TokenTree::Group(group)), _) if group.delimiter() == Delimiter::Bracket => {
                    attributes.push(group.stream().to_string());
                    at += 2;
                }
                (Some(TokenTree::Punct(bang)), Some(TokenTree::Group(group))) if bang.as_char() == '!' => {
                    attributes.push(format!("!{}", group.stream()));
                    at += 3;
                    inner = true;
                }
                _ => break,
            }
        }
        let first = at;
        if !inner {
            at = end_of_item(&trees, at);
        }
        // Whatever it is, one token at least is passed.
        at = at.max(begin + 1).min(trees.len());
        items.push(item(&trees[begin..at], &trees[first.min(at)..at], attributes, inner));
    }
    items
}

/// The index behind an item that begins at `at`.
fn end_of_item(trees: &[TokenTree], mut at: usize) -> usize {
    let by_semicolon = ends_by_semicolon(trees.get(at..).unwrap_or_default());
    while let Some(tree) = trees.get(at) {
        at += 1;
        match tree {
            TokenTree::Punct(punct) if punct.as_char() == ';' => return at,
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace && !by_semicolon => {
                return at;
            }
            _ => {}
        }
    }
    at
}

/// `use`, `const X`, `static`, `type` and `let` end with a semicolon, whatever braces they hold.
fn ends_by_semicolon(trees: &[TokenTree]) -> bool {
    let mut words = trees.iter().filter(|tree| !matches!(tree, TokenTree::Group(_))).filter_map(|tree| match tree {
        TokenTree::Ident(word) => Some(word.to_string()),
        _ => None,
    });
    let first = words.find(|word| word != "pub");
    match first.as_deref() {
        Some("use" | "static" | "type" | "let") => true,
        Some("const") => !matches!(words.next().as_deref(), Some("fn" | "unsafe" | "async" | "extern")),
        _ => false,
    }
}

const KEYWORDS: [&str; 13] = [
    "fn",
    "mod",
    "struct",
    "enum",
    "union",
    "trait",
    "impl",
    "const",
    "static",
    "type",
    "use",
    "macro_rules",
    "extern",
];

fn item(all: &[TokenTree], rest: &[TokenTree], attributes: Vec<String>, inner: bool) -> Item {
    let start = all.first().map_or(0, |tree| tree.span().byte_range().start);
    let end = all.last().map_or(start, |tree| tree.span().byte_range().end);
    let text = rest.iter().cloned().collect::<TokenStream>().to_string();
    let ident = |tree: &TokenTree| if let TokenTree::Ident(word) = tree { Some(word.to_string()) } else { None };
    let is_fn =
        rest.iter().take_while(|tree| !matches!(tree, TokenTree::Group(g) if g.delimiter() == Delimiter::Brace));
    let has_fn = is_fn.filter_map(ident).any(|word| word == "fn") && !ends_by_semicolon(rest);
    let position = rest.iter().position(|tree| match ident(tree) {
        Some(word) if has_fn => word == "fn",
        Some(word) => KEYWORDS.contains(&word.as_str()),
        None => false,
    });
    let called = rest
        .first()
        .and_then(ident)
        .filter(|_| matches!(rest.get(1), Some(TokenTree::Punct(bang)) if bang.as_char() == '!') && position.is_none());
    let keyword = position.and_then(|at| ident(&rest[at])).or(called).unwrap_or_default();
    let name = position.and_then(|at| rest[at + 1..].iter().find_map(ident)).unwrap_or_default();
    let body = rest.iter().rev().find_map(|tree| match tree {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some(group.stream()),
        TokenTree::Group(group) if keyword == "proptest" => Some(group.stream()),
        _ => None,
    });
    let keyword = if inner { "#!".to_owned() } else { keyword };
    Item { range: start..end, attributes, keyword, name, text, body }
}

impl Item {
    /// Whether only a test build has it: `#[cfg(test)]` and what implies it, or a test function.
    pub(crate) fn is_for_tests(&self) -> bool {
        self.attributes.iter().any(|attribute| implies_test(attribute)) || (self.keyword == "fn" && self.is_test())
    }

    fn is_test(&self) -> bool {
        self.attributes.iter().any(|attribute| is_test_attribute(attribute))
    }

    /// Of an inline module, what is in it.
    pub(crate) fn inside(&self) -> Vec<Item> {
        match (&self.body, self.keyword.as_str()) {
            (Some(body), "mod" | "proptest" | "quickcheck" | "impl" | "trait") => items_of(body.clone()),
            _ => Vec::new(),
        }
    }

    /// Whether it is a module in a file of its own.
    pub(crate) fn is_outer_module(&self) -> bool {
        self.keyword == "mod" && self.body.is_none()
    }
}

/// `cfg(test)`, and `cfg(all(test, …))`; not `cfg(not(test))` or `cfg(any(test, …))`.
fn implies_test(attribute: &str) -> bool {
    let plain: String = attribute.chars().filter(|c| !c.is_whitespace()).collect();
    plain == "cfg(test)" || plain.starts_with("cfg(all(test,")
}

/// `test`, `tokio::test`, `rstest` and the like.
fn is_test_attribute(attribute: &str) -> bool {
    let path = attribute.split(['(', '=']).next().unwrap_or_default().replace(' ', "");
    let last = path.rsplit("::").next().unwrap_or_default();
    matches!(last, "test" | "rstest" | "test_case" | "quickcheck" | "proptest" | "property_test" | "wasm_bindgen_test")
}

/// The words of a text of tokens.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty())
}

/// Every test function of a file, those in modules and in `proptest!` included.
pub(crate) fn tests(text: &str) -> Vec<Test> {
    let mut found = Vec::new();
    collect(&items(text).unwrap_or_default(), &[], false, &mut found);
    found
}

fn collect(items: &[Item], modules: &[String], within_property: bool, found: &mut Vec<Test>) {
    for item in items {
        match item.keyword.as_str() {
            "mod" => {
                let inner: Vec<String> = modules.iter().cloned().chain([item.name.clone()]).collect();
                collect(&item.inside(), &inner, false, found);
            }
            "proptest" | "quickcheck" => collect(&item.inside(), modules, true, found),
            "fn" if within_property || item.is_test() => {
                let body = item.body.clone().map(|body| body.to_string()).unwrap_or_default();
                found.push(Test {
                    modules: modules.to_vec(),
                    name: item.name.clone(),
                    assertions: item.body.clone().map_or(0, assertions),
                    body,
                    attributes: item.attributes.clone(),
                    range: item.range.clone(),
                });
            }
            _ => {}
        }
    }
}

/// How many macros are called that assert, by their names.
fn assertions(tokens: TokenStream) -> usize {
    let trees: Vec<TokenTree> = tokens.into_iter().collect();
    let asserts = |at: usize| match (&trees[at], trees.get(at + 1)) {
        (TokenTree::Ident(word), Some(TokenTree::Punct(bang))) => {
            usize::from(bang.as_char() == '!' && (word.to_string().contains("assert") || word == "panic"))
        }
        (TokenTree::Group(group), _) => assertions(group.stream()),
        _ => 0,
    };
    (0..trees.len()).map(asserts).sum()
}

/// By their paths, the functions that assert something and are no tests, with how many assertions are in each: the helpers of tests
/// among them.
pub(crate) fn asserting(text: &str) -> BTreeMap<String, usize> {
    fn walk(items: &[Item], path: &str, found: &mut BTreeMap<String, usize>) {
        for item in items.iter().filter(|item| !item.is_test()) {
            let path = format!("{path}::{}", item.name);
            let count = item.body.clone().map_or(0, assertions);
            match item.keyword.as_str() {
                "fn" => *found.entry(path).or_default() += count,
                // A macro that asserts is one, too.
                "macro_rules" => *found.entry(format!("{path}!")).or_default() += count,
                "mod" | "impl" | "trait" => walk(&item.inside(), &path, found),
                _ => {}
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(&items(text).unwrap_or_default(), "", &mut found);
    found
}

/// How many examples in a file's documentation are run.
pub(crate) fn examples(text: &str) -> usize {
    fn lines(items: &[Item], found: &mut Vec<String>) {
        for item in items {
            let docs = item.attributes.iter().filter(|attribute| attribute.trim_start_matches('!').starts_with("doc"));
            found.extend(docs.cloned());
            lines(&item.inside(), found);
        }
    }
    let mut docs = Vec::new();
    lines(&items(text).unwrap_or_default(), &mut docs);
    let mut within = false;
    let mut count = 0;
    for line in docs {
        let Some((_, info)) = line.split_once("```") else { continue };
        let info = info.trim_end_matches('"');
        let skipped = ["ignore", "no_run", "compile_fail", "text", "should_panic"];
        let is_rust = info.is_empty() || words(info).any(|word| word == "rust" || word.starts_with("edition"));
        count += usize::from(!within && is_rust && !words(info).any(|word| skipped.contains(&word)));
        within = !within;
    }
    count
}

/// The names of everything that a file defines outside of its tests, methods and variants' types included.
pub(crate) fn definitions(text: &str) -> BTreeSet<String> {
    fn walk(items: &[Item], found: &mut BTreeSet<String>) {
        for item in items.iter().filter(|item| !item.is_for_tests()) {
            if !matches!(item.keyword.as_str(), "use" | "impl" | "extern" | "#!" | "") {
                found.insert(item.name.clone());
            }
            walk(&item.inside(), found);
        }
    }
    let mut found = BTreeSet::new();
    walk(&items(text).unwrap_or_default(), &mut found);
    found
}

/// The ranges of a text where an identifier stands.
pub(crate) fn places_of(text: &str, word: &str) -> Vec<Range<usize>> {
    fn walk(tokens: TokenStream, word: &str, found: &mut Vec<Range<usize>>) {
        for tree in tokens {
            match tree {
                TokenTree::Ident(ident) if ident == word => found.push(ident.span().byte_range()),
                TokenTree::Group(group) => walk(group.stream(), word, found),
                _ => {}
            }
        }
    }
    let mut found = Vec::new();
    if let Ok(tokens) = text.parse() {
        walk(tokens, word, &mut found);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "//! Doc.\n#![allow(dead_code)]\nuse a::{b, c};\npub const X: [u8; 2] = { [1, 2] };\n\n/// Adds.\n\
        pub(crate) const fn add(a: u8) -> u8 { a }\nimpl S { fn method(&self) {} }\nmacro_rules! m { () => {} }\n\
        #[cfg(test)]\nmod tests {\n    use super::*;\n    #[test]\n    #[ignore = \"slow\"]\n    fn adds() { assert_eq!(add(1), 1); { assert!(true) } }\n\
        proptest! { #[test] fn p(x in 0..3) { prop_assert!(x < 3); } }\n}\n#[cfg(not(test))] fn real() {}\n";

    #[test]
    fn a_file_falls_into_its_items() {
        let items = items(FILE).unwrap();
        let named: Vec<String> = items.iter().map(|item| format!("{} {}", item.keyword, item.name)).collect();
        assert_eq!(
            named,
            ["#! ", "#! ", "use a", "const X", "fn add", "impl S", "macro_rules m", "mod tests", "fn real"]
        );
        assert_eq!(&FILE[items[4].range.clone()], "/// Adds.\npub(crate) const fn add(a: u8) -> u8 { a }");
        let for_tests: Vec<&str> = items.iter().filter(|i| i.is_for_tests()).map(|i| i.name.as_str()).collect();
        assert_eq!(for_tests, ["tests"]);
        assert_eq!(definitions(FILE), ["X", "add", "m", "method", "real"].map(str::to_owned).into());
    }

    #[test]
    fn tests_are_found_with_their_modules_assertions_and_attributes() {
        let found = tests(FILE);
        let told: Vec<(String, usize, bool)> =
            found.iter().map(|test| (test.path(), test.assertions, test.is_ignored())).collect();
        assert_eq!(told, [("tests::adds".to_owned(), 2, true), ("tests::p".to_owned(), 1, false)]);
    }

    #[test]
    fn only_what_implies_a_test_build_is_for_tests() {
        for (attribute, expected) in [
            ("cfg (test)", true),
            ("cfg (all (test , unix))", true),
            ("cfg (not (test))", false),
            ("cfg (any (test , unix))", false),
            ("test", false),
        ] {
            assert_eq!(implies_test(attribute), expected, "{attribute}");
        }
    }

    #[test]
    fn helpers_that_assert_and_examples_that_run_are_counted() {
        let text = "/// Same.\n///\n/// ```\n/// same(1, 1);\n/// ```\n///\n/// ```ignore\n/// x\n/// ```\nfn same(a: u8) { assert_eq!(a, 1) }\n\
                    impl S {\n/// ```text\n/// ```\nfn f() { assert!(true); assert!(true) } }\n#[test] fn t() { assert!(true) }";
        let expected = [("::S::f".to_owned(), 2), ("::same".to_owned(), 1)];
        assert_eq!(asserting(text), expected.into());
        assert_eq!(examples(text), 1);
    }

    #[test]
    fn an_identifier_is_found_in_code_and_not_in_text() {
        let text = "fn old() { old(); let s = \"old\"; // old\n x.old() }";
        assert_eq!(places_of(text, "old"), [3..6, 11..14, 43..46]);
    }
}
