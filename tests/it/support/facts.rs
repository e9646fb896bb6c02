//! What the program says in `--message-format json`, for tests that ask for facts instead of text.

use serde_json::Value;

use super::{Answer, Repo};

/// One run, or the last one shown again.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) code: i32,
    lines: Vec<Value>,
}

/// One failure, each part as the `ERROR:` line has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failed {
    pub(crate) id: String,
    pub(crate) category: String,
    pub(crate) subject: String,
    pub(crate) message: String,
    pub(crate) place: String,
}

impl Repo {
    /// Runs the program and reads its facts.
    pub(crate) fn facts(&self, args: &[&str]) -> Facts {
        self.facts_in("", args)
    }

    /// The same from a folder of the repository.
    pub(crate) fn facts_in(&self, dir: &str, args: &[&str]) -> Facts {
        let mut command = self.harness_command(&[args, &["--message-format=json"]].concat());
        command.current_dir(self.root.join(dir));
        Facts::of(&super::answer(command, ""))
    }
}

impl Facts {
    pub(crate) fn of(answer: &Answer) -> Facts {
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        Facts { code: answer.code, lines: answer.stdout.lines().map(parse).collect() }
    }

    fn of_type<'a>(&'a self, wanted: &'a str) -> impl Iterator<Item = &'a Value> {
        self.lines.iter().filter(move |line| line["type"] == wanted)
    }

    pub(crate) fn failures(&self) -> Vec<Failed> {
        self.of_type("failure").map(Failed::of).collect()
    }

    /// `fmt ok`, one for each step.
    pub(crate) fn steps(&self) -> Vec<String> {
        let text = |step: &Value| format!("{} {}", text(&step["name"]), text(&step["outcome"]));
        self.of_type("step").map(text).collect()
    }

    pub(crate) fn notes(&self) -> Vec<String> {
        self.of_type("note").map(|note| text(&note["text"])).collect()
    }

    /// As the `SUMMARY:` line has it.
    pub(crate) fn counts(&self) -> String {
        let summary = self.of_type("summary").next().unwrap_or(&Value::Null);
        format!("{} passed, {} failed, {} skipped", summary["passed"], summary["failed"], summary["skipped"])
    }

    /// As the `VERDICT:` line begins.
    pub(crate) fn phrase(&self) -> String {
        text(&self.verdict()["phrase"])
    }

    pub(crate) fn verdict(&self) -> &Value {
        self.of_type("verdict").next().unwrap_or(&Value::Null)
    }
}

impl Failed {
    fn of(value: &Value) -> Failed {
        let place = match &value["place"] {
            Value::Null => String::new(),
            place if place["column"].is_null() => format!("{}:{}", text(&place["file"]), place["line"]),
            place => format!("{}:{}:{}", text(&place["file"]), place["line"], place["column"]),
        };
        let [id, category, subject, message] = ["id", "category", "subject", "message"].map(|key| text(&value[key]));
        Failed { id, category, subject, message, place }
    }

    /// The line that a person reads.
    pub(crate) fn line(&self) -> String {
        let Failed { id, category, subject, message, place } = self;
        let subject = if subject.is_empty() { String::new() } else { format!("{subject}: ") };
        let at = if place.is_empty() { String::new() } else { format!(" at {place}") };
        format!("ERROR: {category} - {subject}{message}{at} [{id}]")
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
