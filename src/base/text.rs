//! Foreign text made fit for one line of a report.

use std::borrow::Cow;

/// The text without the escape sequences by which programs colour terminals and move about on them.
pub(crate) fn without_escapes(text: &str) -> Cow<'_, str> {
    const ESCAPE: char = '\u{1b}';
    if !text.contains(ESCAPE) {
        return Cow::Borrowed(text);
    }
    let mut kept = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if c != ESCAPE {
            kept.push(c);
            continue;
        }
        match rest.next() {
            Some('[') => {
                while rest.next_if(|c| ('\u{20}'..='\u{3f}').contains(c)).is_some() {}
                rest.next_if(|c| ('\u{40}'..='\u{7e}').contains(c));
            }
            // An operating system command, such as a hyperlink, ends with BEL or with ESC and a backslash.
            Some(']') => {
                while let Some(c) = rest.next_if(|c| *c != '\n') {
                    if c == '\u{7}' || (c == ESCAPE && rest.next_if_eq(&'\\').is_some()) {
                        break;
                    }
                }
            }
            Some('(' | ')') => {
                rest.next_if(|c| *c != '\n');
            }
            Some('\n') => kept.push('\n'),
            _ => {}
        }
    }
    Cow::Owned(kept)
}

/// `1 line`, `2 lines`, `2 processes`.
pub(crate) fn counted(count: u64, thing: &str) -> String {
    let ending = match count {
        1 => "",
        _ if thing.ends_with('s') => "es",
        _ => "s",
    };
    format!("{count} {thing}{ending}")
}

/// The text as one line: escape sequences of terminals are dropped; a line break or another control character, with the blanks
/// that follow it, becomes one space. So do the marks that reorder or hide what stands beside them.
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    let mut after_break = true;
    for c in without_escapes(text).chars() {
        if c.is_control() || is_deceptive(c) {
            if !after_break && !line.ends_with(' ') {
                line.push(' ');
            }
            after_break = true;
        } else if !(after_break && c == ' ') {
            line.push(c);
            after_break = false;
        }
    }
    line.truncate(line.trim_end().len());
    line
}

/// One line of foreign output, its blanks kept: what would move the cursor, or deceive the reader, becomes a space.
pub(crate) fn printable(line: &str) -> String {
    let unsafe_to_print = |c: char| c.is_control() || is_deceptive(c);
    without_escapes(line.trim_end()).chars().map(|c| if unsafe_to_print(c) { ' ' } else { c }).collect()
}

/// Line separators, and marks that change the order or the presence of what a reader sees.
fn is_deceptive(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// The text within `limit` bytes, cut between characters and ended with `…` where something is left off.
pub(crate) fn capped(text: &str, limit: usize) -> String {
    const MARK: char = '…';
    if text.len() <= limit {
        return text.to_owned();
    }
    let mut end = limit.saturating_sub(MARK.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{MARK}", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn breaks_and_escape_sequences_leave_one_space_at_most() {
        assert_eq!(one_line("failed\n  left: 1\r\n\tright: 2\n"), "failed left: 1 right: 2");
        assert_eq!(one_line("\u{1b}[1;31merror\u{1b}[0m: x  y"), "error: x  y");
        assert_eq!(without_escapes("\u{1b}(B\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{7}\u{1b}[m-x"), "link-x");
        assert_eq!(one_line("a\u{202e}b\u{2028}VERDICT: GREEN"), "a b VERDICT: GREEN");
    }

    #[test]
    fn a_cut_text_says_so_and_stays_within_its_limit() {
        assert_eq!(capped("äöü", 5), "ä…");
        assert_eq!(capped("abc", 3), "abc");
    }

    proptest! {
        #[test]
        fn any_text_becomes_one_line_within_its_limit(text in any::<String>(), limit in 3usize..300) {
            let line = capped(&one_line(&text), limit);
            prop_assert!(line.len() <= limit);
            prop_assert!(!line.chars().any(char::is_control));
        }
    }
}
