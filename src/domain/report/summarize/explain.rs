//! Why a test failed, from the output that a log shows of it.

use super::Found;
use crate::base::panic_text::{headline, is_assertion, panics, property_counterexample, root_cause};
use crate::base::text::{capped, one_line};
use crate::base::{Category, FailureId, FailureKind};
use crate::domain::record::Place;

const MESSAGE_BYTES: usize = 1024;

/// A test that a log calls failed.
#[derive(Clone, Copy, Debug)]
pub(super) struct FailedTest<'a> {
    /// As nextest names it, or as near as the log allows.
    pub(super) binary: &'a str,
    pub(super) name: &'a str,
    pub(super) end: End<'a>,
    pub(super) output: &'a str,
}

/// How its process ended, as far as the log says.
#[derive(Clone, Copy, Debug)]
pub(super) enum End<'a> {
    Failed,
    TimedOut,
    Leaked,
    /// With the signal's name.
    Signalled(&'a str),
    /// An example in the documentation, the n-th of its item from 0.
    Doctest(usize),
}

impl FailedTest<'_> {
    /// The failure with its class, its cause and its place.
    pub(super) fn explained(&self) -> Found {
        let panics = panics(self.output);
        let panic = root_cause(&panics, self.name);
        let mut place =
            panic.map(|panic| Place { file: panic.file.as_str().into(), line: panic.line, column: Some(panic.column) });
        let mut kind = FailureKind::Test;
        let counterexample = panic.and_then(|panic| property_counterexample(&panic.message));
        let (category, message) = match (self.end, panic, counterexample) {
            (End::TimedOut, ..) => (Category::timeout(), "stopped at its time limit".to_owned()),
            (End::Leaked, ..) => (Category::leak(), "left processes or open pipes behind".to_owned()),
            (End::Signalled(name), _, _) if self.output.contains("has overflowed its stack") => {
                (Category::signal(), format!("{name}, stack overflow"))
            }
            (End::Signalled(name), Some(panic), _) => {
                (Category::signal(), format!("{name} after a panic: {}", headline(&panic.message)))
            }
            (End::Signalled(name), None, _) => (Category::signal(), name.to_owned()),
            (End::Doctest(_), panic, _) => {
                place = Example::of(self.name).place();
                (Category::doctest(), panic.map_or_else(|| self.doctest_message(), |panic| headline(&panic.message)))
            }
            (End::Failed, _, Some(counterexample)) => {
                kind = FailureKind::Property;
                (Category::property(), counterexample)
            }
            (End::Failed, Some(panic), None) if is_assertion(&panic.message) => {
                (Category::assert(), headline(&panic.message))
            }
            (End::Failed, Some(panic), None) => (Category::panic(), headline(&panic.message)),
            (End::Failed, None, _) => {
                let (message, at) = self.words();
                place = at;
                (Category::assert(), message)
            }
        };
        Found {
            id: self.id(kind),
            category,
            subject: Some(self.name.to_owned()),
            message: capped(&one_line(&message), MESSAGE_BYTES),
            place,
        }
    }

    /// The same as in a run.
    fn id(&self, kind: FailureKind) -> FailureId {
        match self.end {
            End::Doctest(nth) => {
                FailureId::new(kind, &[self.binary, &Example::of(self.name).lasting_name(), &nth.to_string()])
            }
            _ => FailureId::new(kind, &[self.binary, self.name]),
        }
    }

    /// What libtest or the test itself says where nothing panicked.
    fn words(&self) -> (String, Option<Place>) {
        let said = |start: &str| self.output.lines().find_map(|line| line.trim_start().strip_prefix(start));
        if let Some(rest) = said("note: test did not panic as expected") {
            let place = rest.strip_prefix(" at ").and_then(|at| {
                let mut parts = at.trim().rsplitn(3, ':');
                let column = parts.next()?.parse().ok();
                let line = parts.next()?.parse().ok()?;
                Some(Place { file: parts.next()?.into(), line, column })
            });
            ("test did not panic as expected".to_owned(), place)
        } else if let Some(error) = said("Error: ") {
            (format!("returned an error: {error}"), None)
        } else {
            ("failed; the log does not say why".to_owned(), None)
        }
    }

    fn doctest_message(&self) -> String {
        let line = self.output.lines().find(|line| line.starts_with("error") && line.contains(": "));
        let line = line.or_else(|| self.output.lines().find(|line| !line.trim().is_empty()));
        line.unwrap_or("the example failed").to_owned()
    }
}

/// `src/lib.rs - two (line 2)`, taken apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Example<'a> {
    file: &'a str,
    item: &'a str,
    pub(super) line: u32,
}

impl<'a> Example<'a> {
    pub(super) fn of(name: &'a str) -> Example<'a> {
        let (file, rest) = name.split_once(" - ").unwrap_or((name, ""));
        let (item, after) = rest.split_once("(line ").unwrap_or((rest, ""));
        let line = after.split(')').next().and_then(|line| line.parse().ok()).unwrap_or(0);
        Example { file, item: item.trim_end(), line }
    }

    /// The name without its line, which moves.
    pub(super) fn lasting_name(self) -> String {
        format!("{} - {}", self.file, self.item)
    }

    fn place(self) -> Option<Place> {
        (self.line > 0).then(|| Place { file: self.file.into(), line: self.line, column: None })
    }
}
