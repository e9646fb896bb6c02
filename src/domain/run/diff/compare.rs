//! Whether two answers are the same, and if not, where they part.

use std::time::Duration;

use regex::Regex;
use similar::TextDiff;

use super::answer::{Answer, Status};
use super::normalise::Rules;
use crate::base::text::one_line;
use crate::domain::contract::{Diff, Stream};

/// So much of two texts around the place where they part is drawn.
const DRAWN: usize = 64 << 10;

/// No drawing takes longer; past it the drawing is rougher.
const PATIENCE: Duration = Duration::from_secs(1);

/// A value in a message is cut to so many characters.
const SHOWN: usize = 80;

/// One way in which an answer isn't the one that was wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    /// In one line.
    pub(super) message: String,
    /// Line by line, where there are lines.
    pub(super) drawing: String,
}

/// One side: its answer, and how that is made comparable.
pub(super) struct Side<'a> {
    pub(super) answer: &'a Answer,
    pub(super) rules: Rules<'a>,
}

/// Everything in which the subject's answer differs from the one that is wanted; `who` gave that.
pub(super) fn differences(diff: &Diff, who: &str, wanted: &Side<'_>, found: &Side<'_>) -> Vec<Difference> {
    let compare = Compare { who, tolerance: diff.tolerance, wanted, found };
    let mut all = Vec::new();
    let ended = [&wanted.answer.status, &found.answer.status].map(|status| matches!(status, Status::Exited(_)));
    if diff.compare.contains(&Stream::Status) || ended.contains(&false) {
        all.extend(compare.status());
    }
    // What was cut off in the middle says nothing beyond that.
    if ended == [true, true] {
        let parts = wanted.answer.parts.keys().chain(found.answer.parts.keys());
        let parts: std::collections::BTreeSet<&String> = parts.collect();
        all.extend(parts.into_iter().filter_map(|part| compare.part(part)));
    }
    all
}

struct Compare<'a> {
    who: &'a str,
    tolerance: Option<f64>,
    wanted: &'a Side<'a>,
    found: &'a Side<'a>,
}

impl Compare<'_> {
    fn status(&self) -> Option<Difference> {
        let (wanted, found) = (&self.wanted.answer.status, &self.found.answer.status);
        let message = match (wanted, found) {
            (a, b) if a == b => return None,
            (Status::Exited(wanted), Status::Exited(found)) => {
                format!("exit status {found} where the {} has {wanted}", self.who)
            }
            (_, _) => format!("it {}, and the {} {}", found.end(), self.who, wanted.end()),
        };
        Some(Difference { message: one_line(&message), drawing: String::new() })
    }

    fn part(&self, part: &str) -> Option<Difference> {
        let side = |side: &Side<'_>| side.answer.parts.get(part).cloned().flatten();
        let plain = |message: String| Some(Difference { message, drawing: String::new() });
        match (side(self.wanted), side(self.found)) {
            (None, None) => None,
            (Some(_), None) => plain(format!("there is no {part}, which the {} has", self.who)),
            (None, Some(_)) => plain(format!("there is a {part}, which the {} has not", self.who)),
            (Some(wanted), Some(found)) if wanted == found => None,
            (Some(wanted), Some(found)) => match (String::from_utf8(wanted), String::from_utf8(found)) {
                (Ok(wanted), Ok(found)) => self.texts(part, &wanted, &found),
                (wanted, found) => {
                    let bytes = |text: Result<String, std::string::FromUtf8Error>| {
                        text.map_or_else(std::string::FromUtf8Error::into_bytes, String::into_bytes)
                    };
                    let (wanted, found) = (bytes(wanted), bytes(found));
                    let same = wanted.iter().zip(&found).take_while(|(a, b)| a == b).count();
                    plain(format!("{part} differs from byte {} on", same + 1))
                }
            },
        }
    }

    fn texts(&self, part: &str, wanted: &str, found: &str) -> Option<Difference> {
        let (wanted, found) = (self.wanted.rules.apply(wanted), self.found.rules.apply(found));
        if wanted == found || self.tolerance.is_some_and(|most| are_near(&wanted, &found, most)) {
            return None;
        }
        let line = wanted.lines().zip(found.lines()).take_while(|(a, b)| a == b).count();
        let shown = |text: &str| match text.lines().nth(line) {
            Some(line) => format!("`{}`", one_line(&line.chars().take(SHOWN).collect::<String>())),
            None => "nothing".to_owned(),
        };
        let (theirs, ours) = (shown(&wanted), shown(&found));
        let message = if theirs == ours {
            format!("{part}, line {}: it differs past its beginning", line + 1)
        } else {
            format!("{part}, line {}: {ours} where the {} has {theirs}", line + 1, self.who)
        };
        Some(Difference { message, drawing: drawn(self.who, part, &wanted, &found) })
    }
}

/// The lines around the place where the texts part, as `diff -u` draws them.
fn drawn(who: &str, part: &str, wanted: &str, found: &str) -> String {
    let same = wanted.bytes().zip(found.bytes()).take_while(|(a, b)| a == b).count();
    let window = |text: &str| {
        let bytes = text.as_bytes();
        let begin = same.saturating_sub(DRAWN / 8).min(bytes.len());
        let begin = bytes[..begin].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        String::from_utf8_lossy(&bytes[begin..bytes.len().min(begin + DRAWN)]).into_owned()
    };
    let (a, b) = (window(wanted), window(found));
    let diff = TextDiff::configure().timeout(PATIENCE).diff_lines(&a, &b);
    diff.unified_diff().context_radius(3).header(&format!("{who} {part}"), &format!("subject {part}")).to_string()
}

/// Whether two texts are the same but for numbers that lie near each other: by `most` of the larger one at most.
fn are_near(a: &str, b: &str, most: f64) -> bool {
    let Ok(number) = Regex::new(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?") else { return false };
    let numbers = |text: &str| -> Vec<f64> { number.find_iter(text).filter_map(|m| m.as_str().parse().ok()).collect() };
    let rest = |text: &str| number.replace_all(text, "#").into_owned();
    let near = |(a, b): (&f64, &f64)| a == b || (a - b).abs() <= most * a.abs().max(b.abs());
    let (of_a, of_b) = (numbers(a), numbers(b));
    rest(a) == rest(b) && of_a.len() == of_b.len() && of_a.iter().zip(&of_b).all(near)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: Status, stdout: &[u8]) -> Answer {
        Answer { status, parts: [("stdout".to_owned(), Some(stdout.to_vec()))].into() }
    }

    fn told(diff: &str, wanted: &Answer, found: &Answer) -> Vec<String> {
        let text = format!("name = \"a\"\nsubject = [\"{{case}}\"]\noracle = [\"{{case}}\"]\n{diff}");
        let diff: Diff = toml::from_str(&text).unwrap();
        let side = |answer| Side { answer, rules: Rules::new(&diff.normalise, &[]) };
        differences(&diff, "oracle", &side(wanted), &side(found)).into_iter().map(|one| one.message).collect()
    }

    #[test]
    fn where_answers_part_is_told_in_a_line() {
        let ok = |text: &str| answer(Status::Exited(0), text.as_bytes());
        assert_eq!(told("", &ok("a\nb\n"), &ok("a\nb\n")), Vec::<String>::new());
        assert_eq!(told("", &ok("a\nb\n"), &ok("a\nc\n")), ["stdout, line 2: `c` where the oracle has `b`"]);
        assert_eq!(told("", &ok("a\n"), &ok("")), ["stdout, line 1: nothing where the oracle has `a`"]);
        let one = answer(Status::Exited(1), b"a\n");
        assert_eq!(told("", &ok("a\n"), &one), ["exit status 1 where the oracle has 0"]);
        assert_eq!(told("compare = [\"stdout\"]", &ok("a\n"), &one), Vec::<String>::new());
        let bytes = answer(Status::Exited(0), b"a\xff");
        assert_eq!(told("", &ok("ab"), &bytes), ["stdout differs from byte 2 on"]);
    }

    #[test]
    fn what_did_not_end_by_itself_is_a_difference_whatever_is_compared() {
        let ok = answer(Status::Exited(0), b"");
        let hung = answer(Status::TimedOut, b"half of");
        let expected = ["it was stopped at its time limit, and the oracle ended with exit status 0"];
        assert_eq!(told("compare = [\"stdout\"]", &ok, &hung), expected);
    }

    #[test]
    fn numbers_may_lie_as_far_apart_as_the_tolerance_says_and_words_not_at_all() {
        let ok = |text: &str| answer(Status::Exited(0), text.as_bytes());
        let near = "tolerance = 1e-6";
        assert_eq!(told(near, &ok("x = 1.0000001 m\n"), &ok("x = 1 m\n")), Vec::<String>::new());
        assert_eq!(told(near, &ok("x = 1.001 m\n"), &ok("x = 1 m\n")).len(), 1);
        assert_eq!(told(near, &ok("x = 1 m\n"), &ok("y = 1 m\n")).len(), 1);
        assert_eq!(told(near, &ok("1 2\n"), &ok("1 2 2\n")).len(), 1);
    }

    #[test]
    fn a_drawing_of_long_texts_stays_short() {
        let long: String = (0..200_000).map(|n| format!("{n}\n")).collect();
        let other = long.replace("\n150000\n", "\nother\n");
        let text = drawn("oracle", "stdout", &long, &other);
        assert!(text.contains("-150000") && text.contains("+other") && text.len() < 1000, "{text}");
    }
}
