//! What a source file names of its own crate, read from its tokens: `use` items, paths in code, and paths within macros.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A path of this crate, without its leading `crate`.
#[derive(Debug)]
pub(crate) struct Import {
    pub(crate) path: Vec<String>,
    pub(crate) line: usize,
}

/// What the rules ask about a file.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) imports: Vec<Import>,
    /// The lines of `use super::*` outside of tests.
    pub(crate) hidden_imports: Vec<usize>,
    /// `todo!` and `unimplemented!`, with their lines.
    pub(crate) unfinished: Vec<(String, usize)>,
}

/// Reads a file whose module is `module`.
///
/// # Errors
/// Where it is not Rust.
pub(crate) fn facts(text: &str, module: &[String]) -> syn::Result<Facts> {
    syn::parse_file(text)?;
    let mut facts = Facts::default();
    let is_test = module.last().is_some_and(|name| is_of_tests(name));
    scan(text.parse()?, module, is_test, &mut facts);
    Ok(facts)
}

fn is_of_tests(module: &str) -> bool {
    ["tests", "testing"].contains(&module)
}

fn scan(stream: TokenStream, module: &[String], in_tests: bool, facts: &mut Facts) {
    let tokens: Vec<TokenTree> = stream.into_iter().collect();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match token {
            TokenTree::Ident(word) if word == "mod" => {
                if let (Some(TokenTree::Ident(name)), Some(TokenTree::Group(body))) =
                    (tokens.get(at + 1), tokens.get(at + 2))
                {
                    let inner = [module, &[name.to_string()]].concat();
                    let in_tests = in_tests || is_of_tests(&name.to_string()) || is_for_tests(&tokens[..at]);
                    scan(body.stream(), &inner, in_tests, facts);
                    at += 2;
                }
            }
            TokenTree::Ident(word)
                if ["crate", "super", "self"].contains(&word.to_string().as_str())
                    && is_path(&tokens, at + 1)
                    && !is_punct(at.checked_sub(1).and_then(|before| tokens.get(before)), '$') =>
            {
                let mut paths = Vec::new();
                at = path(&tokens, at, &[], &mut paths);
                for (written, line) in paths {
                    if !in_tests && written.last().is_some_and(|last| last == "*") && written[0] == "super" {
                        facts.hidden_imports.push(line);
                    }
                    facts.imports.push(Import { path: resolved(&written, module), line });
                }
            }
            TokenTree::Ident(word)
                if ["todo", "unimplemented"].contains(&word.to_string().as_str())
                    && is_punct(tokens.get(at + 1), '!') =>
            {
                facts.unfinished.push((word.to_string(), word.span().start().line));
            }
            TokenTree::Group(group) => scan(group.stream(), module, in_tests, facts),
            _ => {}
        }
        at += 1;
    }
}

/// Whether the tokens before `mod` end with `#[cfg(test)]`.
fn is_for_tests(before: &[TokenTree]) -> bool {
    let attribute = before.iter().rev().find(|token| matches!(token, TokenTree::Group(_)));
    attribute.is_some_and(|group| group.to_string().replace(' ', "") == "[cfg(test)]")
}

fn is_punct(token: Option<&TokenTree>, wanted: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
}

fn is_path(tokens: &[TokenTree], at: usize) -> bool {
    is_punct(tokens.get(at), ':') && is_punct(tokens.get(at + 1), ':')
}

/// Reads the path that begins at `at`, with all branches of a `use` group, and gives the index of its last token.
fn path(tokens: &[TokenTree], at: usize, before: &[String], found: &mut Vec<(Vec<String>, usize)>) -> usize {
    match tokens.get(at) {
        Some(TokenTree::Ident(word)) => {
            let so_far = [before, &[word.to_string()]].concat();
            let goes_on = is_path(tokens, at + 1)
                && match tokens.get(at + 3) {
                    Some(TokenTree::Ident(_)) => true,
                    Some(TokenTree::Group(group)) => group.delimiter() == Delimiter::Brace,
                    next => is_punct(next, '*'),
                };
            if goes_on {
                return path(tokens, at + 3, &so_far, found);
            }
            found.push((so_far, word.span().start().line));
        }
        Some(TokenTree::Group(group)) => {
            let inner: Vec<TokenTree> = group.stream().into_iter().collect();
            for branch in inner.split(|token| is_punct(Some(token), ',')) {
                if !branch.is_empty() {
                    path(branch, 0, before, found);
                }
            }
        }
        Some(star) => found.push(([before, &["*".to_owned()]].concat(), star.span().start().line)),
        None => {}
    }
    at
}

/// The path from the crate's root.
fn resolved(written: &[String], module: &[String]) -> Vec<String> {
    let mut base = module.to_vec();
    let mut rest = written;
    while let Some((first, others)) = rest.split_first() {
        match first.as_str() {
            "crate" => base.clear(),
            "super" => drop(base.pop()),
            "self" => {}
            _ => break,
        }
        rest = others;
    }
    base.extend(rest.iter().filter(|part| !["self", "*"].contains(&part.as_str())).cloned());
    base
}
