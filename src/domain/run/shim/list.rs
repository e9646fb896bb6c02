//! Listing a binary's tests, less those that the selection leaves out.

#![expect(clippy::disallowed_methods, reason = "the shim spawns the test binary")]

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use super::{Order, Trouble};
use crate::domain::record::TestName;
use crate::domain::run::test_event::{self, TestEvent};

/// No honest list is longer.
const LONGEST_LIST: u64 = 256 << 20;

/// What a binary lists.
pub(super) struct Listed {
    pub(super) taken: Vec<String>,
    pub(super) code: u8,
}

/// Lists for nextest: it sees the taken tests only.
pub(super) fn relay(order: &Order, id: &str, binary: &str, args: &[String]) -> Result<u8, Trouble> {
    let listed = list(order, id, &order.argv(binary, args), args.iter().any(|arg| arg == "--ignored"))?;
    let text: String = listed.taken.iter().map(|name| format!("{name}: test\n")).collect();
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(listed.code)
}

/// Lists by running `argv`, and writes down what was listed.
pub(super) fn list(order: &Order, id: &str, argv: &[String], ignored: bool) -> Result<Listed, Trouble> {
    let (program, args) = argv.split_first().ok_or(Trouble::Call("no binary is named"))?;
    let mut child = Command::new(program).args(args).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let mut text = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(LONGEST_LIST).read_to_end(&mut text)?;
    }
    let status = child.wait()?;
    let selection = order.selection()?;
    let text = String::from_utf8_lossy(&text);
    let names =
        text.lines().filter_map(|line| line.strip_suffix(": test").or_else(|| line.strip_suffix(": benchmark")));
    let takes = |name: &String| selection.takes(&TestName { binary: id.to_owned(), name: name.clone() });
    let (taken, left_out): (Vec<String>, Vec<String>) = names.map(str::to_owned).partition(takes);
    let event = TestEvent::List { binary: id.to_owned(), ignored, taken: taken.clone(), left_out };
    test_event::write(&order.events, &event)?;
    Ok(Listed { taken, code: status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(101) })
}
