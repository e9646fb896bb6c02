//! Finds the contract, reads it, and says exactly where it is wrong.

use std::fmt;
use std::io::{self, Read};

use cargo_metadata::Package;
use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ContractError, Problem};
use super::places::{KeyPath, Place, Places};
use super::types::Contract;
use super::{schema, shape, validate};
use crate::base::Digest;
use crate::ports::cargo::Workspace;
use crate::ports::fs;

const FILE: &str = "Harness.toml";
const MANIFEST: &str = "Cargo.toml";
const LARGEST: u64 = 16 << 20;

/// A contract that may be relied on.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    pub(crate) contract: Contract,
    pub(crate) source: Source,
    /// Of the text that the contract was read from.
    pub(crate) digest: Digest,
    /// Where its text says what.
    pub(super) origin: Origin,
}

/// Where a contract stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Nowhere: every value has its default.
    Default,
    /// `Harness.toml` at the workspace root.
    File,
    /// `[workspace.metadata.harness]` of the root `Cargo.toml`.
    WorkspaceMetadata,
    /// `[package.metadata.harness]` of the root `Cargo.toml`.
    PackageMetadata,
}

impl Source {
    /// The table of the file that is the contract; the whole file where it is empty.
    fn table(self) -> &'static [&'static str] {
        match self {
            Source::Default | Source::File => &[],
            Source::WorkspaceMetadata => &["workspace", "metadata", "harness"],
            Source::PackageMetadata => &["package", "metadata", "harness"],
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Default => f.write_str("built-in defaults"),
            Source::File => f.write_str(FILE),
            Source::WorkspaceMetadata | Source::PackageMetadata => {
                write!(f, "[{}] in {MANIFEST}", self.table().join("."))
            }
        }
    }
}

/// Where a contract's text says what.
#[derive(Clone, Debug, Default)]
pub(super) struct Origin {
    pub(super) document: Document,
    pub(super) places: Places,
}

/// A file's text with its path relative to the workspace root.
#[derive(Clone, Debug, Default)]
pub(super) struct Document {
    pub(super) path: String,
    pub(super) text: String,
}

impl Document {
    pub(super) fn place(&self, offset: usize) -> Place {
        Place::at(self.path.as_str(), &self.text, offset)
    }

    fn wrong(&self, offset: usize, problem: Problem) -> ContractError {
        ContractError::Wrong { at: self.place(offset), problem: Box::new(problem) }
    }

    pub(super) fn parse(&self) -> Result<Spanned<DeTable<'_>>, ContractError> {
        DeTable::parse(&self.text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            self.wrong(offset, Problem::Syntax(one_line(error.message())))
        })
    }
}

/// Reads the contract of a workspace.
///
/// # Errors
/// The first thing wrong with it, in the order of its text.
pub(crate) fn load(workspace: &Workspace) -> Result<Loaded, ContractError> {
    let manifest = read(workspace, MANIFEST)?;
    let tables = manifest.as_ref().map(Document::parse).transpose()?;
    let in_manifest = |source: Source| {
        let table = tables.as_ref().and_then(|tables| find(tables.get_ref(), source.table()));
        manifest.as_ref().zip(table).map(|(document, (key, value))| Candidate { source, document, key, value })
    };
    let file = read(workspace, FILE)?;
    let mut inside = [Source::WorkspaceMetadata, Source::PackageMetadata].into_iter().filter_map(in_manifest);
    let first = inside.next();
    if let Some(candidate) = &first {
        let other = if file.is_some() { Some(FILE.to_owned()) } else { inside.next().map(|other| other.header()) };
        if let Some(other) = other {
            let at = candidate.document.place(candidate.key);
            return Err(ContractError::TwoSources { at, second: candidate.header(), first: other });
        }
    }
    for member in &workspace.packages {
        refuse_misplaced(workspace, member)?;
    }
    match (file, first) {
        (Some(document), _) => {
            let table = document.parse()?;
            interpret(Source::File, &document, &table)
        }
        (None, Some(candidate)) => candidate.interpret(),
        (None, None) => Ok(nowhere()),
    }
}

/// A contract that consists of defaults.
fn nowhere() -> Loaded {
    Loaded {
        contract: Contract::default(),
        source: Source::Default,
        digest: Digest::of_fields([]),
        origin: Origin::default(),
    }
}

/// A table of a manifest that is a contract.
struct Candidate<'a> {
    source: Source,
    document: &'a Document,
    key: usize,
    value: &'a Spanned<DeValue<'a>>,
}

impl Candidate<'_> {
    fn header(&self) -> String {
        format!("[{}]", self.source.table().join("."))
    }

    fn interpret(&self) -> Result<Loaded, ContractError> {
        let DeValue::Table(table) = self.value.get_ref() else {
            let path = KeyPath::of(self.source.table());
            let found = shape::kind(self.value.get_ref());
            let problem = Problem::WrongType { path, found, wanted: "a table".to_owned(), example: None };
            return Err(self.document.wrong(self.value.span().start, problem));
        };
        interpret(self.source, self.document, &Spanned::new(self.value.span(), table.clone()))
    }
}

/// A contract of the workspace's members that nothing would read.
fn refuse_misplaced(workspace: &Workspace, member: &Package) -> Result<(), ContractError> {
    if member.metadata.get("harness").is_none() || member.manifest_path == workspace.root.join(MANIFEST) {
        return Ok(());
    }
    let path = member.manifest_path.strip_prefix(&workspace.root).unwrap_or(&member.manifest_path);
    let document = read(workspace, path.as_str())?.unwrap_or_default();
    let tables = document.parse()?;
    let key = find(tables.get_ref(), Source::PackageMetadata.table()).map_or(0, |(key, _)| key);
    Err(ContractError::Misplaced { at: document.place(key) })
}

/// A table below a document's top, and where its key stands.
fn find<'a, 'i>(tables: &'a DeTable<'i>, keys: &[&str]) -> Option<(usize, &'a Spanned<DeValue<'i>>)> {
    let (first, rest) = keys.split_first()?;
    let (key, value) = tables.get_key_value(*first)?;
    match rest {
        [] => Some((key.span().start, value)),
        _ => find(value.get_ref().as_table()?, rest),
    }
}

/// Turns a table into a contract.
pub(super) fn interpret(
    source: Source,
    document: &Document,
    table: &Spanned<DeTable<'_>>,
) -> Result<Loaded, ContractError> {
    let first = |mut problems: Vec<shape::Located>| {
        problems.sort_by_key(|(span, _)| span.start);
        problems.into_iter().next().map(|(span, problem)| document.wrong(span.start, problem))
    };
    let root = KeyPath::of(source.table());
    if let Some(error) = first(shape::problems(schema::value(), &root, table)) {
        return Err(error);
    }
    let places = Places::of(table);
    let contract = Contract::deserialize(toml::Deserializer::from(table.clone())).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        let reason = one_line(error.message());
        document.wrong(offset, Problem::Value { path: places.covering(offset), reason })
    })?;
    if let Some(error) = first(validate::problems(&contract, &places, document)) {
        return Err(error);
    }
    Ok(Loaded {
        contract,
        source,
        digest: Digest::of_fields([document.path.as_bytes(), document.text.as_bytes()]),
        origin: Origin { document: document.clone(), places },
    })
}

/// A file at the workspace root; nothing where there is none.
fn read(workspace: &Workspace, name: &str) -> Result<Option<Document>, ContractError> {
    let path = workspace.root.join(name);
    if !fs::is_present(&path) {
        return Ok(None);
    }
    let unreadable = |kind: io::ErrorKind| ContractError::Unreadable { path: name.into(), kind };
    // Checked before opening: a named pipe would never answer.
    if fs::is_other_than_file(&path) {
        return Err(ContractError::NotAFile { path: name.into() });
    }
    let mut bytes = Vec::new();
    let file = fs::open(&path).map_err(|error| unreadable(error.kind()))?;
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|error| unreadable(error.kind()))?;
    if bytes.len() as u64 > LARGEST {
        return Err(unreadable(io::ErrorKind::FileTooLarge));
    }
    let path = name.to_owned();
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Some(Document { path, text })),
        Err(error) => {
            let good = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            Err(Document { path, text }.wrong(good, Problem::NotUtf8))
        }
    }
}

/// A parser's words on one line.
fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}
