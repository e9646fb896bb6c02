//! The steps of a run, one line each or one line a tier.

use crate::base::Tier;
use crate::base::text::{capped, one_line};
use crate::domain::record::{Outcome, StepRecord};

/// What the lines of one step have in common with those of a whole tier.
struct Row {
    tier: Tier,
    names: String,
    outcome: Outcome,
    cached: bool,
    ms: u64,
    detail: String,
}

const NAME_BYTES: usize = 40;
const NAMES_BYTES: usize = 120;
const DETAIL_BYTES: usize = 120;
/// The least width of the columns of names and of words; two blanks follow each.
const COLUMN: usize = 6;

/// One line for each step.
pub(crate) fn one_each<'a>(steps: impl IntoIterator<Item = &'a StepRecord>) -> Vec<String> {
    lines(steps.into_iter().map(Row::of).collect())
}

/// One line for each tier's good steps, and one for each bad one.
pub(crate) fn collapsed(steps: &[StepRecord]) -> Vec<String> {
    let mut rows = Vec::new();
    for tier in Tier::all() {
        let of_tier = || steps.iter().filter(move |step| step.tier == tier);
        let good: Vec<&StepRecord> = of_tier().filter(|step| is_good(step.outcome)).collect();
        match good.as_slice() {
            [] => {}
            [step] => rows.push(Row::of(step)),
            steps => rows.push(Row::of_several(tier, steps)),
        }
        rows.extend(of_tier().filter(|step| !is_good(step.outcome)).map(Row::of));
    }
    lines(rows)
}

/// Whether nothing is wrong with a step that ended so.
fn is_good(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Ok | Outcome::None | Outcome::Elsewhere)
}

/// The word in a step's line.
pub(crate) fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ok => "ok",
        Outcome::Failed => "FAILED",
        Outcome::None => "none",
        Outcome::Elsewhere => "elsewhere",
        Outcome::Lacking => "LACKING",
        Outcome::TimedOut => "TIMEOUT",
        Outcome::Interrupted => "STOPPED",
    }
}

/// A length of time to a tenth of a second.
pub(crate) fn seconds(ms: u64) -> String {
    let tenths = ms / 100 + u64::from(ms % 100 >= 50);
    format!("{}.{}s", tenths / 10, tenths % 10)
}

impl Row {
    fn word(&self) -> &'static str {
        if self.cached { "cached" } else { word(self.outcome) }
    }

    /// What did not run took no time.
    fn is_timed(&self) -> bool {
        !self.cached && !matches!(self.outcome, Outcome::None | Outcome::Elsewhere)
    }

    fn of(step: &StepRecord) -> Row {
        let names = capped(&one_line(&step.name), NAME_BYTES);
        let detail = capped(&one_line(&step.detail), DETAIL_BYTES);
        Row { tier: step.tier, names, outcome: step.outcome, cached: step.cached, ms: step.ms, detail }
    }

    fn of_several(tier: Tier, steps: &[&StepRecord]) -> Row {
        let ran = steps.iter().any(|step| step.outcome == Outcome::Ok);
        let outcome = if ran { Outcome::Ok } else { steps.first().map_or(Outcome::None, |step| step.outcome) };
        let name = |step: &&StepRecord| match step.outcome {
            same if same == outcome => one_line(&step.name),
            other => format!("{} ({})", one_line(&step.name), word(other)),
        };
        let names = steps.iter().map(name).collect::<Vec<_>>().join(", ");
        let mut details: Vec<String> = steps.iter().map(|step| one_line(&step.detail)).collect();
        details.retain(|detail| !detail.is_empty());
        details.dedup();
        Row {
            tier,
            names: capped(&names, NAMES_BYTES),
            outcome,
            cached: steps.iter().filter(|step| step.outcome == outcome).all(|step| step.cached),
            ms: steps.iter().map(|step| step.ms).fold(0, u64::saturating_add),
            detail: capped(&details.join(", "), DETAIL_BYTES),
        }
    }
}

fn lines(rows: Vec<Row>) -> Vec<String> {
    let column = |longest: Option<usize>| longest.unwrap_or(0).max(COLUMN) + 2;
    let names_width = column(rows.iter().map(|row| row.names.chars().count()).max());
    let words_width = column(rows.iter().filter(|row| row.is_timed()).map(|row| row.word().len()).max());
    let line = |row: Row| {
        let time = if row.is_timed() { seconds(row.ms) } else { String::new() };
        let status = row.word();
        let Row { tier, names, detail, .. } = row;
        let mut line = format!("T{tier} {names:<names_width$}{status:<words_width$}{time}");
        if !detail.is_empty() {
            line.truncate(line.trim_end().len());
            line.push_str("  ");
            line.push_str(&detail);
        }
        line.truncate(line.trim_end().len());
        line
    };
    rows.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::step;
    use super::{collapsed, one_each, seconds};
    use crate::domain::record::Outcome;

    #[test]
    fn columns_line_up_under_the_longest_name() {
        let mut failed = step(0, "clippy", Outcome::Failed, 2_140);
        failed.detail = "1 error".to_owned();
        let steps = [step(0, "fmt", Outcome::Ok, 300), failed, step(2, "prop", Outcome::None, 0)];
        insta::assert_snapshot!(one_each(&steps).join("\n"), @"
        T0 fmt     ok      0.3s
        T0 clippy  FAILED  2.1s  1 error
        T2 prop    none
        ");
    }

    #[test]
    fn a_collapsed_tier_names_its_steps_and_tells_which_did_not_run() {
        let mut unit = step(1, "unit", Outcome::Ok, 7_000);
        unit.detail = "842 tests".to_owned();
        let steps = [
            unit,
            step(1, "doc", Outcome::Ok, 5_300),
            step(1, "api", Outcome::None, 0),
            step(1, "bad", Outcome::TimedOut, 60_000),
            step(2, "prop", Outcome::Elsewhere, 0),
        ];
        insta::assert_snapshot!(collapsed(&steps).join("\n"), @"
        T1 unit, doc, api (none)  ok       12.3s  842 tests
        T1 bad                    TIMEOUT  60.0s
        T2 prop                   elsewhere
        ");
    }

    #[test]
    fn a_step_that_was_taken_before_says_so_instead_of_a_time() {
        let mut unit = step(1, "unit", Outcome::Ok, 7_000);
        (unit.cached, unit.detail) = (true, "842 tests".to_owned());
        let steps = [step(0, "fmt", Outcome::Ok, 300), unit, step(1, "doc", Outcome::None, 0)];
        insta::assert_snapshot!(one_each(&steps).join("\n"), @"
        T0 fmt     ok      0.3s
        T1 unit    cached  842 tests
        T1 doc     none
        ");
    }

    #[test]
    fn times_are_rounded_to_tenths() {
        assert_eq!([0, 49, 50, 949, 950, 61_240].map(seconds), ["0.0s", "0.0s", "0.1s", "0.9s", "1.0s", "61.2s"]);
    }
}
