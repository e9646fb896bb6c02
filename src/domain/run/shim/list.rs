//! Listing a binary's tests, less those that the selection leaves out.

#![expect(clippy::disallowed_methods, reason = "the shim spawns the test binary")]

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use camino::Utf8PathBuf;

use super::{Order, Trouble};
use crate::base::Digest;
use crate::domain::record::TestName;
use crate::domain::run::test_event::{self, TestEvent};
use crate::ports::fs;

/// No honest list is longer.
const LONGEST_LIST: u64 = 256 << 20;

/// What a binary lists.
pub(super) struct Listed {
    pub(super) taken: Vec<String>,
    pub(super) code: u8,
}

/// Lists for nextest: it sees the taken tests only. A binary without a harness that knows nothing of lists is one test.
pub(super) fn relay(order: &Order, id: &str, binary: &str, args: &[String]) -> Result<u8, Trouble> {
    let ignored = args.iter().any(|arg| arg == "--ignored");
    let mut told = ask(&order.argv(binary, args))?;
    if order.unharnessed.contains(id) && !told.names_tests() {
        if !ignored {
            fs::create(&whole_marker(order, id))?;
        }
        told = Told { text: if ignored { String::new() } else { format!("{}: test\n", target_name(id)) }, code: 0 };
    }
    let listed = record(order, id, &told, ignored)?;
    let text: String = listed.taken.iter().map(|name| format!("{name}: test\n")).collect();
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(listed.code)
}

/// Lists by running `argv`, and writes down what was listed.
pub(super) fn list(order: &Order, id: &str, argv: &[String], ignored: bool) -> Result<Listed, Trouble> {
    record(order, id, &ask(argv)?, ignored)
}

/// Lists a binary that is one test as a whole, and says whether the selection takes it.
pub(super) fn take(order: &Order, id: &str, name: &str) -> Result<bool, Trouble> {
    let told = Told { text: format!("{name}: test\n"), code: 0 };
    Ok(!record(order, id, &told, false)?.taken.is_empty())
}

/// Whether `relay` has found this binary to be one test as a whole.
pub(super) fn is_whole(order: &Order, id: &str) -> bool {
    order.unharnessed.contains(id) && fs::size(&whole_marker(order, id)).is_some()
}

/// The name of a test that is a whole binary.
pub(super) fn target_name(id: &str) -> &str {
    id.rsplit(['/', ':']).next().unwrap_or(id)
}

fn whole_marker(order: &Order, id: &str) -> Utf8PathBuf {
    order.logs.join(format!(".whole-{}", Digest::of_fields([id.as_bytes()]).prefix(16)))
}

/// What a binary answered when it was asked for its tests.
struct Told {
    text: String,
    code: u8,
}

impl Told {
    /// Silence is no list: a program that takes no notice of its arguments may have nothing to say.
    fn names_tests(&self) -> bool {
        let mut lines = self.text.lines().filter(|line| !line.is_empty()).peekable();
        self.code == 0 && lines.peek().is_some() && lines.all(|line| test_name(line).is_some())
    }
}

fn test_name(line: &str) -> Option<&str> {
    line.strip_suffix(": test").or_else(|| line.strip_suffix(": benchmark"))
}

fn ask(argv: &[String]) -> Result<Told, Trouble> {
    let (program, args) = argv.split_first().ok_or(Trouble::Call("no binary is named"))?;
    let mut child = Command::new(program).args(args).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let mut text = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(LONGEST_LIST).read_to_end(&mut text)?;
    }
    let code = child.wait()?.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(101);
    Ok(Told { text: String::from_utf8_lossy(&text).into_owned(), code })
}

fn record(order: &Order, id: &str, told: &Told, ignored: bool) -> Result<Listed, Trouble> {
    let selection = order.selection()?;
    let takes = |name: &String| selection.takes(&TestName { binary: id.to_owned(), name: name.clone() });
    let names = told.text.lines().filter_map(test_name).map(str::to_owned);
    let (taken, left_out): (Vec<String>, Vec<String>) = names.partition(takes);
    let event = TestEvent::List { binary: id.to_owned(), ignored, taken: taken.clone(), left_out };
    test_event::write(&order.events, &event)?;
    Ok(Listed { taken, code: told.code })
}
