//! What a panicking Rust program says on standard error.
//!
//! The text explains a failure; it never decides one, because the judged code can print whatever it likes.

use super::text::{capped, one_line};

/// One panic as the default hook prints it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PanicText {
    pub(crate) thread: String,
    /// As the compiler was given it.
    pub(crate) file: String,
    pub(crate) line: u32,
    pub(crate) column: u32,
    /// Possibly several lines; bounded.
    pub(crate) message: String,
}

/// Messages are cut here: what follows explains nothing more.
const MESSAGE_BYTES: usize = 8 << 10;
const MESSAGE_LINES: usize = 200;

/// Every panic in the text, in its order. Indented output, as nextest prints it, is read as well.
pub(crate) fn panics(text: &str) -> Vec<PanicText> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let following = &lines[at + 1..];
        match Header::of(lines[at]) {
            Some(header) => {
                let (panic, used) = header.complete(following);
                found.extend(panic);
                at += 1 + used;
            }
            None => at += 1,
        }
    }
    found
}

/// The parts of `thread 'NAME' (ID) panicked at REST`.
struct Header<'a> {
    indent: &'a str,
    thread: &'a str,
    rest: &'a str,
}

impl<'a> Header<'a> {
    fn of(line: &'a str) -> Option<Header<'a>> {
        let (before, after) = line.split_once("thread '")?;
        let (who, rest) = after.split_once(" panicked at ")?;
        let thread = who.strip_suffix('\'').or_else(|| {
            let (thread, id) = who.strip_suffix(')')?.rsplit_once("' (")?;
            id.bytes().all(|b| b.is_ascii_digit()).then_some(thread)
        })?;
        // Output that a test left without a line break may stand before the header; only blanks are an indent.
        let indent = if before.trim().is_empty() { before } else { "" };
        Some(Header { indent, thread, rest })
    }

    /// The panic, and how many of the following lines belong to it.
    fn complete(&self, following: &[&'a str]) -> (Option<PanicText>, usize) {
        match self.rest.strip_prefix('\'') {
            Some(quoted) => self.complete_quoted(quoted, following),
            None => self.complete_modern(following),
        }
    }

    fn panic(&self, place: (&str, u32, u32), message: &str) -> PanicText {
        let (file, line, column) = place;
        let (thread, file) = (self.thread.to_owned(), file.to_owned());
        PanicText { thread, file, line, column, message: capped(message.trim_end(), MESSAGE_BYTES) }
    }

    fn complete_modern(&self, following: &[&'a str]) -> (Option<PanicText>, usize) {
        let Some(place) = self.rest.trim_end().strip_suffix(':').and_then(place) else { return (None, 0) };
        let mut message = String::new();
        let mut used = 0;
        // What stands less deep than the header is another text.
        let inner = |line: &&'a str| line.strip_prefix(self.indent).or(line.trim().is_empty().then_some(""));
        let mut rest = following.iter().take(MESSAGE_LINES).map_while(inner).enumerate().peekable();
        while let Some((at, line)) = rest.next() {
            let mut goes_on = || rest.peek().is_some_and(|(_, next)| continues_message(next));
            if ends_message(line) || (line.trim().is_empty() && !message.is_empty() && !goes_on()) {
                break;
            }
            if message.len() <= MESSAGE_BYTES {
                message.push_str(line);
                message.push('\n');
            }
            used = at + 1;
        }
        (Some(self.panic(place, message.trim_start_matches('\n'))), used)
    }

    /// Before Rust 1.73: `panicked at 'MESSAGE', FILE:LINE:COLUMN`, where the message may span lines.
    fn complete_quoted(&self, quoted: &str, following: &[&str]) -> (Option<PanicText>, usize) {
        let mut message = String::new();
        for (used, line) in std::iter::once(&quoted).chain(following).enumerate().take(MESSAGE_LINES) {
            let line = line.strip_prefix(self.indent).unwrap_or(line);
            if used > 0 && Header::of(line).is_some() {
                break;
            }
            if let Some((last, at)) = line.rsplit_once("', ")
                && let Some(place) = place(at.trim_end())
            {
                message.push_str(last);
                return (Some(self.panic(place, &message)), used);
            }
            message.push_str(line);
            message.push('\n');
        }
        (None, 0)
    }
}

/// `FILE:LINE:COLUMN`, read from its end because a file's name may hold colons.
fn place(text: &str) -> Option<(&str, u32, u32)> {
    let (rest, column) = text.rsplit_once(':')?;
    let (file, line) = rest.rsplit_once(':')?;
    if file.is_empty() { None } else { Some((file, line.parse().ok()?, column.parse().ok()?)) }
}

/// What the runtime, libtest and nextest print after a message.
fn ends_message(line: &str) -> bool {
    const STARTS: [&str; 10] = [
        "note: run with",
        "note: Some details are omitted",
        "note: test did not panic as expected",
        "stack backtrace:",
        "---- ",
        "────",
        "test result: ",
        "thread caused non-unwinding panic",
        "fatal runtime error:",
        "error: test failed",
    ];
    let is_test_line = || line.starts_with("test ") && line.contains(" ... ");
    STARTS.iter().any(|start| line.starts_with(start)) || is_test_line() || Header::of(line).is_some()
}

/// Whether a line after a blank one still belongs to the message: error chains, differences, counterexamples.
fn continues_message(line: &str) -> bool {
    const STARTS: [&str; 7] =
        ["Caused by:", "Diff ", "minimal failing input", "Location:", "left:", "right:", "Error: "];
    !line.trim().is_empty() && (line.starts_with([' ', '\t', '<', '>']) || STARTS.iter().any(|s| line.starts_with(s)))
}

/// The cause in one short line: an assertion's condition with its own words and, if short, its two values; otherwise the
/// first line that says something.
pub(crate) fn headline(message: &str) -> String {
    let first = message.lines().find(|line| !line.trim().is_empty()).unwrap_or("panicked without a message").trim();
    let condition = if let Some((condition, rest)) =
        first.strip_prefix("assertion `").and_then(|rest| rest.split_once("` failed"))
    {
        format!("{condition}{rest}")
    } else if let Some(condition) = first.strip_prefix("assertion failed: ") {
        let quoted = condition.strip_prefix("`(").and_then(|rest| rest.split_once(")`"));
        quoted.map_or_else(|| condition.to_owned(), |(condition, rest)| format!("{condition}{rest}"))
    } else {
        return one_line(first);
    };
    match Sides::of(message) {
        Some(Sides { left, right, words: Some(words) }) => {
            one_line(&format!("{condition}: {words} (left: {left}, right: {right})"))
        }
        Some(Sides { left, right, words: None }) => one_line(&format!("{condition} (left: {left}, right: {right})")),
        None => one_line(&condition),
    }
}

/// The two values of an `assert_eq!`, where both are one short line.
struct Sides<'a> {
    left: &'a str,
    right: &'a str,
    /// Older assertions put the caller's own words after the right value.
    words: Option<&'a str>,
}

impl<'a> Sides<'a> {
    fn of(message: &'a str) -> Option<Sides<'a>> {
        const SHORT: usize = 60;
        let mut lines = message.lines().skip(1).skip_while(|line| !line.trim_start().starts_with("left: "));
        let left = lines.next()?.trim().strip_prefix("left: ")?;
        let right = lines.next()?.trim().strip_prefix("right: ")?;
        let unquoted = |text: &'a str| {
            let (value, rest) = text.strip_prefix('`')?.rsplit_once('`')?;
            Some((value, rest))
        };
        let (left, right, words) = match (unquoted(left), unquoted(right)) {
            (Some((left, ",")), Some((right, ""))) => (left, right, None),
            (Some((left, ",")), Some((right, words))) => (left, right, words.strip_prefix(": ")),
            _ => (left, right, None),
        };
        let short = |text: &str| text.chars().count() <= SHORT;
        (short(left) && short(right)).then_some(Sides { left, right, words })
    }
}

/// Whether the message is that of an `assert!` of any kind.
pub(crate) fn is_assertion(message: &str) -> bool {
    let first = message.trim_start().lines().next().unwrap_or_default();
    first.starts_with("assertion failed")
        || first.strip_prefix("assertion `").is_some_and(|rest| rest.contains("` failed"))
}

/// The panic that explains a test's end: the last one of its own thread, unless that one only reports that another thread
/// panicked; then the last one before it of another thread. Where its own thread has none, the last of all.
pub(crate) fn root_cause<'a>(panics: &'a [PanicText], own_thread: &str) -> Option<&'a PanicText> {
    let Some(at) = panics.iter().rposition(|panic| panic.thread == own_thread) else { return panics.last() };
    let own = &panics[at];
    if !is_join_error(&own.message) {
        return Some(own);
    }
    let earlier = panics[..at].iter().rev().find(|panic| panic.thread != own_thread && !is_join_error(&panic.message));
    earlier.or(Some(own))
}

fn is_join_error(message: &str) -> bool {
    let message = message.trim();
    message.ends_with("Any { .. }") || message == "a scoped thread panicked"
}

/// The counterexample of a property test in one line, `minimal failing input: x = 1000`, where the message is that of proptest
/// or quickcheck.
pub(crate) fn property_counterexample(message: &str) -> Option<String> {
    const INPUT: &str = "minimal failing input:";
    let text = message.trim_start();
    let input = if text.starts_with("Test failed: ") || text.starts_with("Test aborted: ") {
        let (_, input) = text.split_once(INPUT)?;
        input.split("\n\tsuccesses:").next().unwrap_or(input)
    } else {
        let (kind, arguments) = text.strip_prefix("[quickcheck] TEST FAILED")?.split_once("Arguments: ")?;
        if kind.contains('\n') {
            return None;
        }
        arguments.split("\nError: ").next().unwrap_or(arguments)
    };
    Some(capped(&one_line(&format!("{INPUT} {}", input.trim())), MESSAGE_BYTES))
}

/// The file and line that proptest's own assertions write into the message; the panic itself names the whole macro's.
pub(crate) fn property_place(message: &str) -> Option<(&str, u32)> {
    let (reason, _) = message.trim_start().strip_prefix("Test failed: ")?.split_once("\nminimal failing input:")?;
    let (_, at) = reason.trim_end().trim_end_matches('.').rsplit_once(" at ")?;
    let (file, line) = at.rsplit_once(':')?;
    Some((file, line.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn only(text: &str) -> PanicText {
        let mut found = panics(text);
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }

    #[test]
    fn the_present_form_is_read_with_and_without_a_thread_id() {
        for id in ["", " (4711)"] {
            let text = format!(
                "running 1 test\n\nthread 'tests::bad'{id} panicked at src/lib.rs:14:9:\nassertion `left == right` failed: sums\n  \
                 left: 1\n right: 2\nnote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n"
            );
            let panic = only(&text);
            assert_eq!((panic.thread.as_str(), panic.file.as_str()), ("tests::bad", "src/lib.rs"));
            assert_eq!((panic.line, panic.column), (14, 9));
            assert_eq!(panic.message, "assertion `left == right` failed: sums\n  left: 1\n right: 2");
        }
    }

    #[test]
    fn the_form_before_2023_is_read_over_several_lines() {
        let panic = only(
            "thread 'a' panicked at 'assertion failed: `(left == right)`\n  left: `1`,\n right: `2`: sums', src/lib.rs:7:5\nnote: run",
        );
        assert_eq!((panic.file.as_str(), panic.line, panic.column), ("src/lib.rs", 7, 5));
        assert_eq!(headline(&panic.message), "left == right: sums (left: 1, right: 2)");
    }

    #[test]
    fn indented_output_after_other_text_is_read() {
        let panic = only("    thread 'x' panicked at C:\\a b\\lib.rs:1:2:\n    boom\n\n  stderr ───\n");
        assert_eq!((panic.file.as_str(), panic.message.as_str()), ("C:\\a b\\lib.rs", "boom"));
        assert_eq!(only("no break: thread 'x' panicked at a.rs:1:2:\nboom").message, "boom");
    }

    #[test]
    fn a_message_ends_where_the_next_text_begins() {
        let text = "thread 'a' panicked at a.rs:1:1:\nfirst\nthread 'b' panicked at b.rs:2:2:\nsecond\n\nunrelated\n\
                    thread 'c' panicked at c.rs:3:3:\ntop\n\nCaused by:\n    0: deep\ntest c ... FAILED\n";
        let messages: Vec<String> = panics(text).into_iter().map(|panic| panic.message).collect();
        assert_eq!(messages, ["first", "second", "top\n\nCaused by:\n    0: deep"]);
    }

    #[test]
    fn a_headline_is_the_cause_in_one_line() {
        let cases = [
            (
                "assertion `left == right` failed: custom\n  left: 1\n right: 2",
                "left == right: custom (left: 1, right: 2)",
            ),
            (
                "assertion `left != right` failed\n  left: \"a\"\n right: \"a\"",
                "left != right (left: \"a\", right: \"a\")",
            ),
            ("assertion failed: x > 3", "x > 3"),
            ("\n\nindex out of bounds\nmore", "index out of bounds"),
            ("", "panicked without a message"),
        ];
        for (message, expected) in cases {
            assert_eq!(headline(message), expected);
        }
        let long = format!("assertion `left == right` failed\n  left: {}\n right: 2", "1".repeat(61));
        assert_eq!(headline(&long), "left == right");
    }

    #[test]
    fn assertions_are_told_from_other_panics() {
        assert!(is_assertion("assertion failed: a"));
        assert!(is_assertion("assertion `left matches right` failed\n left: 1\n right: Some(_)"));
        assert!(!is_assertion("the assertion failed"));
        assert!(!is_assertion("Test failed: assertion failed: a"));
    }

    #[test]
    fn the_root_cause_is_the_panic_behind_a_join_error() {
        let panic = |thread: &str, message: &str| PanicText {
            thread: thread.to_owned(),
            file: "a.rs".to_owned(),
            line: 1,
            column: 1,
            message: message.to_owned(),
        };
        let joined = "called `Result::unwrap()` on an `Err` value: Any { .. }";
        let of = |panics: &[PanicText]| root_cause(panics, "t").map(|panic| panic.message.clone());
        assert_eq!(of(&[panic("<unnamed>", "deep"), panic("t", joined)]).as_deref(), Some("deep"));
        assert_eq!(of(&[panic("w", "deep"), panic("t", "a scoped thread panicked")]).as_deref(), Some("deep"));
        assert_eq!(of(&[panic("t", "own"), panic("w", "later")]).as_deref(), Some("own"));
        assert_eq!(of(&[panic("w", "a"), panic("v", "b")]).as_deref(), Some("b"));
        assert_eq!(of(&[panic("t", joined)]).as_deref(), Some(joined));
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn counterexamples_of_both_libraries_are_read() {
        let proptest = "Test failed: assertion failed: x < 1000 at src/lib.rs:9.\nminimal failing input: x = 1000, v = [\n    0,\n]\n\t\
                        successes: 3\n\tlocal rejects: 0\n";
        assert_eq!(property_counterexample(proptest).as_deref(), Some("minimal failing input: x = 1000, v = [ 0, ]"));
        let quick = "[quickcheck] TEST FAILED (runtime error). Arguments: (1, [2])\nError: \"boom\"";
        assert_eq!(property_counterexample(quick).as_deref(), Some("minimal failing input: (1, [2])"));
        assert_eq!(property_counterexample("assertion failed: x"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(parts in proptest::collection::vec(
            prop_oneof![
                any::<String>(),
                Just("thread '".to_owned()), Just("' panicked at ".to_owned()), Just("' (12) panicked at ".to_owned()),
                Just("a.rs:1:2:\n".to_owned()), Just("', a.rs:1:2\n".to_owned()), Just("\n".to_owned()),
                Just("left: `".to_owned()), Just("assertion `".to_owned()), Just("minimal failing input:".to_owned()),
            ], 0..40)) {
            let text = parts.concat();
            for panic in panics(&text) {
                prop_assert!(panic.message.len() <= MESSAGE_BYTES);
                prop_assert_eq!(headline(&panic.message).lines().count() <= 1, true);
            }
            let _ = (headline(&text), is_assertion(&text), property_counterexample(&text));
        }

        #[test]
        fn a_printed_panic_is_read_back(
            thread in "[a-z:_]{1,20}", file in "[a-zA-Z/_.]{1,20}", line: u32, column: u32, message in "[a-z ]{0,20}[a-z]",
        ) {
            let text = format!("\nthread '{thread}' (7) panicked at {file}:{line}:{column}:\n{message}\nnote: run with `RUST_BACKTRACE=1`\n");
            prop_assert_eq!(panics(&text), [PanicText { thread, file, line, column, message }]);
        }
    }

    #[test]
    fn a_property_names_the_line_of_its_assertion() {
        let text = "Test failed: assertion failed: `(left == right)` \n  left: `1`,\n right: `2` at src/a b.rs:8.\nminimal failing input: n = 1";
        assert_eq!(property_place(text), Some(("src/a b.rs", 8)));
        assert_eq!(property_place("Test failed: look at this.\nminimal failing input: n = 1"), None);
    }
}
