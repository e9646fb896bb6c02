//! Where test functions stand in the sources, and which of them are property or fuzz tests.
//!
//! Read from token trees, not from types: macros aren't expanded, and a file that doesn't parse is passed over. Nothing is
//! decided by it but which tests a property step runs and which place a failure without one is given.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::ports::fs;

/// What a function is to the ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Plain,
    Property,
    Fuzz,
}

/// One function that may be a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Function {
    /// Its path within the binary as far as files and inline modules tell.
    pub(super) path: String,
    pub(super) role: Role,
    pub(super) file: Utf8PathBuf,
    pub(super) line: u32,
}

/// More files than any package has.
const MOST_FILES: usize = 20_000;

/// The functions of a package: those below `src` and `tests`.
pub(super) fn functions(package_dir: &Utf8Path) -> Vec<Function> {
    let mut functions = Vec::new();
    for folder in ["src", "tests"] {
        for file in fs::files_below(&package_dir.join(folder), "rs", MOST_FILES) {
            let Ok(text) = fs::read_text(&file) else { continue };
            let Ok(tokens) = text.parse::<TokenStream>() else { continue };
            let relative = file.strip_prefix(package_dir).unwrap_or(&file);
            let mut scan = Scan { file: &file, functions: &mut functions };
            scan.stream(tokens, &module_path(relative), Role::Plain);
        }
    }
    functions
}

/// The names, without their path, of the functions that have this role.
pub(super) fn names_of(functions: &[Function], role: Role) -> BTreeSet<String> {
    let name = |function: &Function| function.path.rsplit("::").next().unwrap_or_default().to_owned();
    functions.iter().filter(|function| function.role == role).map(name).collect()
}

/// The function that a test's path means: by its whole path, or by its name where only one function has it.
pub(super) fn find<'a>(functions: &'a [Function], test: &str) -> Option<&'a Function> {
    let exact = functions.iter().find(|function| function.path == test);
    exact.or_else(|| {
        let name = test.rsplit("::").next().unwrap_or(test);
        let mut named = functions.iter().filter(|function| function.path.rsplit("::").next() == Some(name));
        named.next().filter(|_| named.next().is_none())
    })
}

/// `src/a/b.rs` is `a::b`, `src/a/mod.rs` is `a`; roots of crates have none.
fn module_path(relative: &Utf8Path) -> Vec<String> {
    let mut parts: Vec<String> = relative.with_extension("").components().skip(1).map(|c| c.to_string()).collect();
    let in_tests = relative.starts_with("tests");
    if in_tests && !parts.is_empty() {
        parts.remove(0);
    }
    let is_root = |name: &str| matches!(name, "mod" | "lib" | "main");
    if parts.last().is_some_and(|name| is_root(name)) {
        parts.pop();
    }
    parts
}

struct Scan<'a> {
    file: &'a Utf8Path,
    functions: &'a mut Vec<Function>,
}

impl Scan<'_> {
    fn stream(&mut self, tokens: TokenStream, path: &[String], inherited: Role) {
        let trees: Vec<TokenTree> = tokens.into_iter().collect();
        let mut role = inherited;
        let mut i = 0;
        while i < trees.len() {
            match (&trees[i], trees.get(i + 1), trees.get(i + 2)) {
                (TokenTree::Punct(hash), Some(TokenTree::Group(attribute)), _) if hash.as_char() == '#' => {
                    if mentions(&attribute.stream(), &["proptest", "quickcheck", "property_test"]) {
                        role = Role::Property;
                    }
                    i += 1;
                }
                (TokenTree::Ident(word), Some(TokenTree::Ident(name)), Some(TokenTree::Group(body)))
                    if word == "mod" && body.delimiter() == Delimiter::Brace =>
                {
                    let inner: Vec<String> = path.iter().cloned().chain([name.to_string()]).collect();
                    self.stream(body.stream(), &inner, inherited);
                    i += 2;
                }
                (TokenTree::Ident(word), Some(TokenTree::Ident(name)), _) if word == "fn" => {
                    let body = trees[i..].iter().find_map(|tree| match tree {
                        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some(group.stream()),
                        _ => None,
                    });
                    let fuzzes = body.is_some_and(|body| calls_check(&body));
                    self.functions.push(Function {
                        path: path.iter().cloned().chain([name.to_string()]).collect::<Vec<_>>().join("::"),
                        role: if fuzzes { Role::Fuzz } else { role },
                        file: self.file.to_owned(),
                        line: u32::try_from(name.span().start().line).unwrap_or(0),
                    });
                    role = inherited;
                    i += 1;
                }
                (TokenTree::Ident(word), Some(TokenTree::Punct(bang)), Some(TokenTree::Group(body)))
                    if bang.as_char() == '!' =>
                {
                    let property = word == "proptest" || word == "quickcheck";
                    if property {
                        self.stream(body.stream(), path, Role::Property);
                    }
                    i += 2;
                }
                (TokenTree::Group(group), ..) if group.delimiter() == Delimiter::Brace => {
                    self.stream(group.stream(), path, inherited);
                    role = inherited;
                }
                (TokenTree::Punct(end), ..) if end.as_char() == ';' => role = inherited,
                _ => {}
            }
            i += 1;
        }
    }
}

fn mentions(tokens: &TokenStream, words: &[&str]) -> bool {
    tokens
        .clone()
        .into_iter()
        .any(|tree| matches!(&tree, TokenTree::Ident(ident) if words.iter().any(|word| ident == word)))
}

/// Whether `bolero::check!` or `check!` is called.
fn calls_check(body: &TokenStream) -> bool {
    let trees: Vec<TokenTree> = body.clone().into_iter().collect();
    trees.iter().enumerate().any(|(i, tree)| match (tree, trees.get(i + 1)) {
        (TokenTree::Ident(word), Some(TokenTree::Punct(bang))) => word == "check" && bang.as_char() == '!',
        (TokenTree::Group(group), _) => calls_check(&group.stream()),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scanned(text: &str) -> Vec<(String, Role, u32)> {
        let mut functions = Vec::new();
        let tokens: TokenStream = text.parse().expect("tokens");
        Scan { file: Utf8Path::new("src/lib.rs"), functions: &mut functions }.stream(tokens, &[], Role::Plain);
        functions.into_iter().map(|f| (f.path, f.role, f.line)).collect()
    }

    #[test]
    fn roles_come_from_macros_attributes_and_calls() {
        let found = scanned(
            "mod tests {\n proptest! { #[test] fn p(x in 0..3) { } }\n #[quickcheck]\n fn q(x: u8) -> bool { true }\n\
             #[test] fn f() { bolero::check!().for_each(|_| {}); }\n #[test] fn plain() {}\n}",
        );
        let expected = [
            ("tests::p", Role::Property, 2),
            ("tests::q", Role::Property, 4),
            ("tests::f", Role::Fuzz, 5),
            ("tests::plain", Role::Plain, 6),
        ];
        assert_eq!(found, expected.map(|(path, role, line)| (path.to_owned(), role, line)));
    }

    #[test]
    fn files_give_module_paths() {
        let path = |text: &str| module_path(Utf8Path::new(text)).join("::");
        assert_eq!(path("src/lib.rs"), "");
        assert_eq!(path("src/a/b.rs"), "a::b");
        assert_eq!(path("src/a/mod.rs"), "a");
        assert_eq!(path("tests/it.rs"), "");
        assert_eq!(path("tests/it/main.rs"), "");
        assert_eq!(path("tests/it/verbs.rs"), "verbs");
    }
}
