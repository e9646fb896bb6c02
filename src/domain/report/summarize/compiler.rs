//! Diagnostics: rustc, clippy and cargo as text and as JSON, rustfmt's differences, and `file:line:column: error:` of any tool.

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;

use super::findings::Findings;
use crate::base::text::{capped, one_line};
use crate::base::{Category, FailureId, FailureKind};
use crate::domain::record::Place;

/// Reads the lines that belong to no test.
#[derive(Debug)]
pub(super) struct CompilerReader {
    root: Utf8PathBuf,
    pending: Option<Pending>,
    format: Option<Differences>,
}

/// A diagnostic whose block of lines isn't over.
#[derive(Debug)]
struct Pending {
    class: Option<String>,
    message: String,
    place: Option<Place>,
    lines: u32,
}

/// The places of one file that rustfmt would change.
#[derive(Debug)]
struct Differences {
    file: Utf8PathBuf,
    line: u32,
    places: u64,
}

const MESSAGE_BYTES: usize = 1024;
const BLOCK_LINES: u32 = 400;

impl CompilerReader {
    /// Paths below `root` are shown relative to it.
    pub(super) fn new(root: &Utf8Path) -> CompilerReader {
        CompilerReader { root: root.to_owned(), pending: None, format: None }
    }

    /// Reads one line of text.
    pub(super) fn line(&mut self, line: &str, findings: &mut Findings) {
        if let Some(pending) = &mut self.pending {
            pending.lines += 1;
            if belongs_to_block(line) && pending.lines < BLOCK_LINES {
                pending.learn(line.trim_start(), &self.root);
                return;
            }
            self.flush(findings);
        }
        if let Some((file, at)) = difference(line) {
            self.add_difference(file, at, findings);
        } else if let Some((class, message)) = rust_header(line) {
            if let Some(category) = closing_words(class, message) {
                findings.closing(category, message);
            } else {
                let (class, message) = (class.map(str::to_owned), capped(&one_line(message), MESSAGE_BYTES));
                self.pending = Some(Pending { class, message, place: None, lines: 0 });
            }
        } else if let Some((place, class, message)) = placed_error(line) {
            let place = self.relative(place);
            let is_rust = place.file.extension() == Some("rs");
            let kind = if is_rust { FailureKind::Compile } else { FailureKind::Build };
            let other = if is_rust { Category::rustc() } else { Category::build() };
            let category = class.map_or(other, Category::named);
            findings.add_compile(kind, category, capped(&one_line(message), MESSAGE_BYTES), Some(place));
        } else if line.contains(": undefined reference to ") {
            let message = line.rsplit(": ").next().unwrap_or(line);
            findings.add_compile(
                FailureKind::Build,
                Category::build(),
                capped(&one_line(message), MESSAGE_BYTES),
                None,
            );
        } else if is_end_of_build(line) {
            findings.closing(Category::build(), line.trim());
        }
    }

    /// Reads one line that may be a message of cargo or rustc in JSON.
    pub(super) fn json(&mut self, line: &str, findings: &mut Findings) {
        let Ok(value) = serde_json::from_str::<Value>(line) else { return };
        let diagnostic = if value["reason"] == "compiler-message" { &value["message"] } else { &value };
        if value["reason"] == "build-finished" && value["success"] == false {
            findings.closing(Category::rustc(), "the build failed");
        }
        let is_error = diagnostic["level"].as_str().is_some_and(|level| level.starts_with("error"));
        let (Some(message), Some(spans), true) =
            (diagnostic["message"].as_str(), diagnostic["spans"].as_array(), is_error)
        else {
            return;
        };
        let code = diagnostic["code"]["code"].as_str();
        if spans.is_empty() && closing_words(code, message).is_some() {
            return;
        }
        let span = spans.iter().find(|span| span["is_primary"] == true).or(spans.first());
        let number = |span: &Value, key: &str| span[key].as_u64().and_then(|n| u32::try_from(n).ok());
        let place = span.and_then(|span| {
            let place = Place {
                file: span["file_name"].as_str()?.into(),
                line: number(span, "line_start")?,
                column: number(span, "column_start"),
            };
            Some(self.relative(place))
        });
        let category = code.map_or_else(Category::rustc, Category::named);
        let message = capped(message.lines().next().unwrap_or_default(), MESSAGE_BYTES);
        findings.add_compile(FailureKind::Compile, category, message, place);
    }

    /// Ends what is under way.
    pub(super) fn flush(&mut self, findings: &mut Findings) {
        if let Some(Pending { class, message, place, .. }) = self.pending.take() {
            let category = class.map_or_else(|| unnamed_class(&message), Category::named);
            findings.add_compile(FailureKind::Compile, category, message, place);
        }
        if let Some(Differences { file, line, places }) = self.format.take() {
            let message = match places {
                1 => "rustfmt would change 1 place".to_owned(),
                _ => format!("rustfmt would change {places} places"),
            };
            findings.add(super::Found {
                id: FailureId::new(FailureKind::Compile, &["FMT", file.as_str()]),
                category: Category::fmt(),
                subject: None,
                message,
                place: Some(Place { file, line, column: None }),
            });
        }
    }

    fn add_difference(&mut self, file: &str, line: u32, findings: &mut Findings) {
        let file = Utf8Path::new(file);
        let file = file.strip_prefix(&self.root).unwrap_or(file);
        match &mut self.format {
            Some(known) if known.file == file => known.places += 1,
            _ => {
                self.flush(findings);
                self.format = Some(Differences { file: file.to_owned(), line, places: 1 });
            }
        }
    }

    fn relative(&self, place: Place) -> Place {
        let file = place.file.strip_prefix(&self.root).unwrap_or(&place.file).to_owned();
        Place { file, ..place }
    }
}

impl Pending {
    fn learn(&mut self, line: &str, root: &Utf8Path) {
        if let (None, Some(at)) = (&self.place, line.strip_prefix("--> ")) {
            self.place = place(at).map(|place| {
                let file = place.file.strip_prefix(root).unwrap_or(&place.file).to_owned();
                Place { file, ..place }
            });
        } else if self.class.is_none() {
            self.class = lint(line);
        }
    }
}

/// Rustc's blocks have no blank line, and all their lines are indented or begin with a line's number.
fn belongs_to_block(line: &str) -> bool {
    line.starts_with(|c: char| c == ' ' || c.is_ascii_digit() || c == '|' || c == '.')
}

/// `error[CODE]: MESSAGE` or `error: MESSAGE`.
fn rust_header(line: &str) -> Option<(Option<&str>, &str)> {
    if let Some(message) = line.strip_prefix("error: ") {
        return Some((None, message));
    }
    let (code, message) = line.strip_prefix("error[")?.split_once("]: ")?;
    is_class(code).then_some((Some(code), message))
}

/// `E0308`, `clippy::eq_op`, `-Wunused`.
fn is_class(name: &str) -> bool {
    (1..=60).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_:-=+".contains(&b))
}

/// The class of what only closes a list of failures that stand elsewhere.
fn closing_words(class: Option<&str>, message: &str) -> Option<Category> {
    const STARTS: [&str; 9] = [
        "could not compile",
        "aborting due to ",
        "test failed, to rerun",
        "doctest failed, to rerun",
        "bench failed, to rerun",
        "test run failed",
        "build failed",
        "process didn't exit successfully",
        "could not document",
    ];
    let closes = STARTS.iter().any(|start| message.starts_with(start))
        || message.ends_with(" targets failed:")
        || message.ends_with(" target failed:");
    match class {
        None if closes && message.contains("test") => Some(Category::exit()),
        None if closes => Some(Category::rustc()),
        _ => None,
    }
}

/// Cargo's own errors are about the manifest or the registry, the others about the code.
fn unnamed_class(message: &str) -> Category {
    const SETUP: [&str; 12] = [
        "failed to parse manifest",
        "failed to parse lock file",
        "failed to load",
        "failed to get ",
        "failed to select a version",
        "failed to download",
        "failed to read",
        "no matching package",
        "could not find `Cargo.toml`",
        "package ID specification",
        "no such command",
        "toolchain ",
    ];
    if SETUP.iter().any(|start| message.starts_with(start)) { Category::setup() } else { Category::rustc() }
}

/// The lint's name from the notes of its block.
fn lint(line: &str) -> Option<String> {
    let between = |start: &str, end: char| line.split_once(start)?.1.split_once(end).map(|(name, _)| name);
    let attribute = ["#[deny(", "#[forbid(", "#[warn("].iter().find_map(|start| between(start, ')'));
    let flag = || ["`-D ", "`-F "].iter().find_map(|start| between(start, '`')).filter(|name| *name != "warnings");
    let page =
        || line.split_once("rust-clippy/").and_then(|(_, url)| url.split_once("index.html#")).map(|(_, name)| name);
    let name = match attribute.or_else(flag) {
        Some(name) => name.replace('-', "_"),
        None => format!("clippy::{}", page()?),
    };
    is_class(&name).then_some(name)
}

/// `FILE:LINE:COLUMN` or `FILE:LINE`, read from the end because a file's name may hold colons.
fn place(text: &str) -> Option<Place> {
    let (rest, last) = text.trim().rsplit_once(':')?;
    let last: u32 = last.parse().ok()?;
    let with_column = rest.rsplit_once(':').and_then(|(file, line)| Some((file, line.parse().ok()?)));
    let (file, line, column) = match with_column {
        Some((file, line)) => (file, line, Some(last)),
        None => (rest, last, None),
    };
    (!file.is_empty()).then(|| Place { file: file.into(), line, column })
}

/// `FILE:LINE:COLUMN: error: MESSAGE [-Wflag]`, and the short form of rustc with its code.
fn placed_error(line: &str) -> Option<(Place, Option<&str>, &str)> {
    for marker in [": error: ", ": fatal error: "] {
        if let Some((before, message)) = line.split_once(marker)
            && let Some(place) = place(before)
        {
            let flagged = message.rsplit_once(" [-W").and_then(|(text, flag)| Some((text, flag.strip_suffix(']')?)));
            let flagged = flagged.map(|(text, flag)| (text, flag.strip_prefix("error=").unwrap_or(flag)));
            return Some(match flagged.filter(|(_, flag)| is_class(flag)) {
                Some((text, flag)) => (place, Some(flag), text),
                None => (place, None, message),
            });
        }
    }
    let (before, rest) = line.split_once(": error[")?;
    let (code, message) = rest.split_once("]: ")?;
    Some((place(before)?, is_class(code).then_some(code), message))
}

/// `Diff in FILE:LINE:`, or before 2023 `Diff in FILE at line LINE:`.
fn difference(line: &str) -> Option<(&str, u32)> {
    let text = line.strip_prefix("Diff in ")?.strip_suffix(':')?;
    let (file, at) = text.rsplit_once(" at line ").or_else(|| text.rsplit_once(':'))?;
    Some((file, at.parse().ok()?))
}

fn is_end_of_build(line: &str) -> bool {
    let by_make = line.starts_with("make") && line.contains("*** ") && line.contains("Error ");
    by_make || line.starts_with("ninja: build stopped") || line.starts_with("collect2: error: ")
}
