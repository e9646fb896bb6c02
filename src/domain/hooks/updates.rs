//! The lines that git gives a hook on standard input: which references are to become what.

use crate::base::{ExitCode, Explain};

/// More references than anybody pushes at once.
const MOST: usize = 10_000;

/// What a reference of the repository that is pushed to is to become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Update {
    /// Its full name there.
    pub(crate) name: String,
    /// The object that it named there; none where it is new.
    pub(crate) old: Option<String>,
    /// None where it is deleted.
    pub(crate) new: Option<String>,
}

/// Which hook's lines they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Local name, local object, name there, object there
    PrePush,
    /// Old object, new object, name
    PreReceive,
}

/// What stands on standard input isn't what git writes.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum LineError {
    #[error("line {0} of standard input is not what git gives this hook")]
    Foreign(usize),
    #[error("over {MOST} references are pushed at once")]
    TooMany,
}

impl Explain for LineError {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Usage
    }

    fn hint(&self) -> Option<String> {
        match self {
            LineError::Foreign(_) => Some("git calls this; `cargo harness gate push` judges by hand".to_owned()),
            LineError::TooMany => Some("push them in several parts".to_owned()),
        }
    }
}

/// Reads all lines.
///
/// # Errors
/// One is of another form: nothing is judged by a guess.
pub(crate) fn updates(form: Form, input: &[u8]) -> Result<Vec<Update>, LineError> {
    let lines = input.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty());
    let all: Vec<Update> = lines
        .take(MOST + 1)
        .map(|(at, line)| update(form, &String::from_utf8_lossy(line)).ok_or(LineError::Foreign(at + 1)))
        .collect::<Result<_, _>>()?;
    if all.len() > MOST { Err(LineError::TooMany) } else { Ok(all) }
}

fn update(form: Form, line: &str) -> Option<Update> {
    // What is pushed may be named by any expression, with spaces in it.
    let mut fields = line.rsplitn(if form == Form::PrePush { 4 } else { 3 }, ' ');
    let last = [fields.next()?, fields.next()?, fields.next()?];
    fields.next().is_some().eq(&(form == Form::PrePush)).then_some(())?;
    let (name, old, new) = match form {
        Form::PrePush => (last[1], last[0], last[2]),
        Form::PreReceive => (last[0], last[2], last[1]),
    };
    name.starts_with("refs/").then(|| Some(Update { name: name.to_owned(), old: object(old)?, new: object(new)? }))?
}

/// Zeros stand for no object.
fn object(text: &str) -> Option<Option<String>> {
    let is_id = [40, 64].contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then(|| text.bytes().any(|byte| byte != b'0').then(|| text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZERO: &str = "0000000000000000000000000000000000000000";
    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    fn of(name: &str, old: Option<&str>, new: Option<&str>) -> Update {
        Update { name: name.to_owned(), old: old.map(str::to_owned), new: new.map(str::to_owned) }
    }

    #[test]
    fn every_line_of_a_push_is_read_deletions_and_odd_names_among_them() {
        let text = format!(
            "refs/heads/a {A} refs/heads/a {B}\n(delete) {ZERO} refs/heads/b {B}\n:/fix a bug {A} refs/heads/c {ZERO}\n"
        );
        let expected = [
            of("refs/heads/a", Some(B), Some(A)),
            of("refs/heads/b", Some(B), None),
            of("refs/heads/c", None, Some(A)),
        ];
        assert_eq!(updates(Form::PrePush, text.as_bytes()).unwrap(), expected);
        assert_eq!(updates(Form::PrePush, b"").unwrap(), []);
        let text = format!("{A} {B} refs/heads/a\n{A} {ZERO} refs/heads/\u{fc}");
        let expected = [of("refs/heads/a", Some(A), Some(B)), of("refs/heads/\u{fc}", Some(A), None)];
        assert_eq!(updates(Form::PreReceive, text.as_bytes()).unwrap(), expected);
    }

    #[test]
    fn a_line_of_another_form_is_an_error_and_never_skipped() {
        let good = format!("refs/heads/a {A} refs/heads/a {B}");
        for bad in
            ["x", "a b c d", &format!("{A} {B} refs/heads/a"), &good.replace(A, "aa"), &good.replace("refs/", "")]
        {
            let text = format!("{good}\n{bad}\n");
            assert_eq!(updates(Form::PrePush, text.as_bytes()), Err(LineError::Foreign(2)), "{bad}");
        }
        assert_eq!(updates(Form::PreReceive, good.as_bytes()), Err(LineError::Foreign(1)));
        assert_eq!(updates(Form::PrePush, format!("{good}\n").repeat(MOST + 1).as_bytes()), Err(LineError::TooMany));
    }
}
