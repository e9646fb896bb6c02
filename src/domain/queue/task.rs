//! A task as its file has it: a few `Key: value` lines, then free text.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::base::text::{capped, one_line};
use crate::base::{FailureId, Tiers, shell};

/// `fix-parser-edge-case`: lower-case letters, digits and dashes, so that it can be part of a ref and of a file's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct TaskId(String);

/// Why a text isn't a task's id.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a task id: up to 64 lower-case letters, digits and dashes, the first no dash")]
pub(crate) struct TaskIdError(String);

impl TaskId {
    /// As it stands in names.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// An id made of a title's words.
    pub(crate) fn of_title(title: &str) -> Option<TaskId> {
        const LONGEST: usize = 48;
        let mut words = String::new();
        for word in title.to_lowercase().split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()) {
            if words.len() + word.len() > LONGEST && !words.is_empty() {
                break;
            }
            words.push_str(if words.is_empty() { "" } else { "-" });
            words.push_str(&word[..word.len().min(LONGEST)]);
        }
        words.parse().ok()
    }
}

impl FromStr for TaskId {
    type Err = TaskIdError;
    fn from_str(text: &str) -> Result<TaskId, TaskIdError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let is_id = (1..=64).contains(&text.len())
            && text.bytes().next().is_some_and(plain)
            && text.bytes().all(|byte| plain(byte) || byte == b'-');
        if is_id { Ok(TaskId(text.to_owned())) } else { Err(TaskIdError(text.to_owned())) }
    }
}

impl TryFrom<String> for TaskId {
    type Error = TaskIdError;
    fn try_from(text: String) -> Result<TaskId, TaskIdError> {
        text.parse()
    }
}

impl From<TaskId> for String {
    fn from(id: TaskId) -> String {
        id.0
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What kind of work a task is; small and typed, so that it is known when it is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// A test that fails is to pass
    #[default]
    FailingTest,
    /// A new capability behind a flag
    Feature,
    /// The same behaviour in better form
    Refactor,
    /// Faster or smaller
    Performance,
    /// Documents that tell what is so
    Docs,
    /// Something that was green is red
    Regress,
}

impl Kind {
    const ALL: [(Kind, &'static str); 6] = [
        (Kind::FailingTest, "failing-test"),
        (Kind::Feature, "feature"),
        (Kind::Refactor, "refactor"),
        (Kind::Performance, "performance"),
        (Kind::Docs, "docs"),
        (Kind::Regress, "regress"),
    ];

    /// As the task's file has it.
    pub(crate) fn word(self) -> &'static str {
        Kind::ALL.into_iter().find(|(kind, _)| *kind == self).map_or("", |(_, word)| word)
    }
}

/// The priority of a task that names none; 1 comes first, 9 last.
pub(crate) const PRIORITY: u8 = 5;

/// One unit of work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Task {
    pub(crate) id: TaskId,
    pub(crate) title: String,
    #[serde(rename = "kind")]
    pub(crate) kind: Kind,
    pub(crate) priority: u8,
    /// Only for workers of this role.
    pub(crate) role: Option<String>,
    /// The failure that must turn green.
    pub(crate) failure: Option<FailureId>,
    /// The program that must succeed, with its arguments.
    pub(crate) check: Option<Vec<String>>,
    /// The tiers that must be green.
    pub(crate) tier: Option<Tiers>,
    /// What else the reader should know.
    pub(crate) text: String,
    /// Lines that can't be read; a task with any is not handed out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) problems: Vec<String>,
}

/// The longest title that is shown.
const TITLE: usize = 120;

impl Task {
    /// A task with nothing but a title.
    pub(crate) fn new(id: TaskId, title: &str) -> Task {
        Task {
            id,
            title: capped(&one_line(title), TITLE),
            kind: Kind::default(),
            priority: PRIORITY,
            role: None,
            failure: None,
            check: None,
            tier: None,
            text: String::new(),
            problems: Vec::new(),
        }
    }

    /// Reads a task's file. Whatever it holds, there is a task: what can't be understood is among its problems. A plain text without
    /// keys is a title with a text.
    pub(crate) fn read(id: TaskId, file: &str) -> Task {
        let mut task = Task::new(id, "");
        let mut lines = file.lines().peekable();
        while let Some((key, value)) = lines.peek().and_then(|line| line.split_once(':')) {
            if !task.take(key, value.trim()) {
                break;
            }
            lines.next();
        }
        let rest: Vec<&str> = lines.collect();
        let mut text = rest.join("\n").trim().to_owned();
        if task.title.is_empty() {
            let (first, more) = text.split_once('\n').unwrap_or((&text, ""));
            task.title = capped(&one_line(first.trim_start_matches('#')), TITLE);
            text = more.trim().to_owned();
        }
        if task.title.is_empty() {
            task.title = task.id.to_string();
        }
        task.text = text;
        task
    }

    /// Takes a line of the head; false for a key that a task doesn't have.
    fn take(&mut self, key: &str, value: &str) -> bool {
        let mut problem = None;
        match key {
            "Title" => self.title = capped(&one_line(value), TITLE),
            "Type" => match Kind::ALL.into_iter().find(|(_, word)| *word == value) {
                Some((kind, _)) => self.kind = kind,
                None => problem = Some("no such type".to_owned()),
            },
            "Role" => self.role = Some(one_line(value)),
            "Priority" => match value.parse() {
                Ok(priority @ 1..=9) => self.priority = priority,
                _ => problem = Some("a number from 1 to 9".to_owned()),
            },
            "Failure" => match value.parse() {
                Ok(failure) => self.failure = Some(failure),
                Err(error) => problem = Some(format!("{error}")),
            },
            "Check" => match shlex::split(value).filter(|argv| !argv.is_empty()) {
                Some(argv) => self.check = Some(argv),
                None => problem = Some("quotes that don't close, or no program".to_owned()),
            },
            "Tier" => match value.parse() {
                Ok(tiers) => self.tier = Some(tiers),
                Err(error) => problem = Some(format!("{error}")),
            },
            // What the lock-file layout has beyond the task itself.
            "Claimed-By" | "Nonce" | "Lease" | "Expiries" | "Renewed" | "Blocked" => {}
            _ => return false,
        }
        self.problems.extend(problem.map(|why| capped(&one_line(&format!("{key}: {value}: {why}")), 200)));
        true
    }

    /// The text of its file.
    pub(crate) fn file(&self) -> String {
        let mut text = format!("Title: {}\nType: {}\nPriority: {}\n", self.title, self.kind.word(), self.priority);
        let check = self.check.as_ref().map(|argv| shell::quote(argv));
        let failure = self.failure.as_ref().map(ToString::to_string);
        let tier = self.tier.as_ref().map(ToString::to_string);
        for (key, value) in [("Role", self.role.clone()), ("Failure", failure), ("Check", check), ("Tier", tier)] {
            text.extend(value.map(|value| format!("{key}: {value}\n")));
        }
        if !self.text.is_empty() {
            text.push_str(&format!("\n{}\n", self.text));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(text: &str) -> TaskId {
        text.parse().unwrap()
    }

    #[test]
    fn a_title_becomes_an_id_and_a_path_never_is_one() {
        assert_eq!(TaskId::of_title("Fix: parser's édge case!").unwrap().as_str(), "fix-parser-s-dge-case");
        assert!(TaskId::of_title("  !").is_none());
        for text in ["", "-a", "a/b", "..", "A", "é", &"a".repeat(65)] {
            assert!(text.parse::<TaskId>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        let mut task = Task::new(id("a"), "Fix it");
        task.failure = Some("t-9ab20c1d".parse().unwrap());
        task.check = Some(["sh", "-c", "test 1 = '1'"].map(str::to_owned).to_vec());
        task.tier = Some("0-1".parse().unwrap());
        task.role = Some("bug-miner".to_owned());
        task.text = "Look at src/lib.rs\n\nKey: value".to_owned();
        assert_eq!(Task::read(id("a"), &task.file()), task);
    }

    #[test]
    fn a_plain_text_is_a_title_and_a_broken_line_is_said() {
        let task = Task::read(id("a"), "# Add debug info\n\nDWARF 5 only\n");
        assert_eq!((task.title.as_str(), task.text.as_str()), ("Add debug info", "DWARF 5 only"));
        let task = Task::read(id("a"), "Title: x\nPriority: 0\nType: magic\nCheck: '\n");
        assert_eq!(task.problems.len(), 3, "{:?}", task.problems);
        assert_eq!(Task::read(id("a"), "").title, "a");
    }

    proptest! {
        #[test]
        fn any_file_is_a_task_with_a_title_of_one_line(text in "(Title|Type|Check|Failure|x|: |\n|'|\u{1b}|é){0,20}") {
            let task = Task::read(id("a"), &text);
            prop_assert!(!task.title.is_empty());
            prop_assert!(!task.title.chars().any(char::is_control));
        }
    }
}
