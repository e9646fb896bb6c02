//! Listing a binary's tests, less those that the selection leaves out.

#![expect(clippy::disallowed_methods, reason = "the shim spawns the test binary")]

use std::collections::HashSet;
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
struct Listed {
    taken: Vec<String>,
    code: u8,
    /// Whether nothing was left out.
    is_whole: bool,
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

/// The tests of a binary that are to be run.
pub(super) struct Both {
    /// In the order of the list, without those that the binary ignores.
    pub(super) tests: Vec<String>,
    /// The same as a set.
    pub(super) names: HashSet<String>,
    /// Whether the selection takes every test.
    pub(super) is_whole: bool,
}

/// Lists a binary's tests and, of those, the ignored ones, and writes down what was listed. None where the binary can't.
pub(super) fn both(order: &Order, id: &str, binary: &str) -> Result<Option<Both>, Trouble> {
    let ask = |extra: &[&str]| {
        let args: Vec<String> =
            ["--list", "--format", "terse"].iter().chain(extra).map(|arg| (*arg).to_owned()).collect();
        ask(&order.argv(binary, &args))
    };
    let all = record(order, id, &ask(&[])?, false)?;
    let ignored = record(order, id, &ask(&["--ignored"])?, true)?;
    if all.code != 0 || ignored.code != 0 {
        return Ok(None);
    }
    let ignored: HashSet<&String> = ignored.taken.iter().collect();
    let tests: Vec<String> = all.taken.iter().filter(|name| !ignored.contains(name)).cloned().collect();
    Ok(Some(Both { names: tests.iter().cloned().collect(), tests, is_whole: all.is_whole }))
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
    let is_whole = left_out.is_empty();
    let event = TestEvent::List { binary: id.to_owned(), ignored, taken: taken.clone(), left_out };
    test_event::write(&order.events, &event)?;
    Ok(Listed { taken, code: told.code, is_whole })
}
