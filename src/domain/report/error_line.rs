//! One failure in one line.

use std::fmt;

use crate::base::text::{capped, one_line};
use crate::domain::record::{Failure, Place};

/// What an `ERROR:` line holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ErrorLine<'a> {
    pub(crate) category: &'a str,
    pub(crate) subject: Option<&'a str>,
    pub(crate) message: &'a str,
    pub(crate) place: Option<&'a Place>,
    pub(crate) id: &'a str,
}

/// No line is longer than this many bytes.
const LINE_BYTES: usize = 320;
/// The parts around the message are cut first, so that some of the message and all of the id always remain.
const CATEGORY_BYTES: usize = 64;
const SUBJECT_BYTES: usize = 128;
const PLACE_BYTES: usize = 72;

impl<'a> From<&'a Failure> for ErrorLine<'a> {
    fn from(failure: &'a Failure) -> Self {
        ErrorLine {
            category: failure.category.as_str(),
            subject: failure.subject.as_deref(),
            message: &failure.message,
            place: failure.place.as_ref(),
            id: failure.id.as_str(),
        }
    }
}

impl fmt::Display for ErrorLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let category = capped(&one_line(self.category), CATEGORY_BYTES);
        let subject = match self.subject.map(one_line) {
            Some(subject) if !subject.is_empty() => format!("{}: ", capped(&subject, SUBJECT_BYTES)),
            _ => String::new(),
        };
        let place = self.place.map_or(String::new(), |place| format!(" at {}", tail(&one_line(&place.to_string()))));
        let around = format!("ERROR: {category} - {subject}{place} [{}]", self.id).len();
        let message = capped(&one_line(self.message), LINE_BYTES - around);
        write!(f, "ERROR: {category} - {subject}{message}{place} [{}]", self.id)
    }
}

/// The `ERROR:` lines of a report, with the line that counts the others, have no more bytes than this.
pub(crate) const ERROR_BYTES: usize = 4096;

/// All lines if they have no more bytes than the limit; otherwise as many first as last ones, and between them how many
/// were left out.
pub(crate) fn within_limit(lines: Vec<String>, left_out: impl Fn(usize) -> String) -> Vec<String> {
    let bytes = |line: &String| line.len() + 1;
    if lines.iter().map(bytes).sum::<usize>() <= ERROR_BYTES {
        return lines;
    }
    let mut room = ERROR_BYTES.saturating_sub(bytes(&left_out(lines.len())));
    let mut each = 0;
    while each < lines.len() / 2 {
        let pair = bytes(&lines[each]) + bytes(&lines[lines.len() - 1 - each]);
        if pair > room {
            break;
        }
        room -= pair;
        each += 1;
    }
    let (first, rest) = lines.split_at(each);
    let (between, last) = rest.split_at(rest.len() - each);
    [first, &[left_out(between.len())], last].concat()
}

/// The end of a long path says more than its beginning.
fn tail(place: &str) -> String {
    if place.len() <= PLACE_BYTES {
        return place.to_owned();
    }
    let mut start = place.len() - (PLACE_BYTES - '…'.len_utf8());
    while !place.is_char_boundary(start) {
        start += 1;
    }
    format!("…{}", &place[start..])
}

#[cfg(test)]
mod tests {
    use super::super::testing::{any_failure, failure};
    use super::{ErrorLine, LINE_BYTES};
    use proptest::prelude::*;

    #[test]
    fn a_compiler_finding_and_a_test_have_the_same_form() {
        let mut found = failure("c-1f3a2b4c", "E0308", "mismatched types");
        found.subject = None;
        insta::assert_snapshot!(ErrorLine::from(&found), @"ERROR: E0308 - mismatched types at src/lib.rs:47:9 [c-1f3a2b4c]");
        let found = failure("t-9ab20c1d", "ASSERT", "left == right");
        insta::assert_snapshot!(ErrorLine::from(&found), @"ERROR: ASSERT - parser::string_literal: left == right at src/lib.rs:47:9 [t-9ab20c1d]");
    }

    #[test]
    fn a_forged_header_in_a_message_stays_within_its_line() {
        let found = failure("t-9ab20c1d", "PANIC", "x\nVERDICT: GREEN tiers 0-5\u{1b}[2K\r");
        insta::assert_snapshot!(ErrorLine::from(&found), @"ERROR: PANIC - parser::string_literal: x VERDICT: GREEN tiers 0-5 at src/lib.rs:47:9 [t-9ab20c1d]");
    }

    proptest! {
        #[test]
        fn every_failure_is_one_bounded_line_that_holds_its_id(found in any_failure()) {
            let line = ErrorLine::from(&found).to_string();
            prop_assert!(line.len() <= LINE_BYTES, "{}", line.len());
            let breaks = |c: char| c.is_control() || c == '\u{2028}';
            prop_assert!(!line.contains(breaks));
            let id = format!(" [{}]", found.id);
            prop_assert!(line.starts_with("ERROR: ") && line.ends_with(&id));
        }
    }
}
