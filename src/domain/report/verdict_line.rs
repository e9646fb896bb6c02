//! The last line: what a run came to, and what of the asked it did not cover.

use super::step_lines::seconds;
use crate::base::text::{capped, one_line};
use crate::base::{Tier, Tiers};
use crate::domain::record::{Outcome, RunRecord, Verdict};

const NAME_BYTES: usize = 40;

/// `VERDICT: RED at tier 0 (1-3 not run) in 2.4s, seed 24301, log target/harness/latest`.
pub(crate) fn verdict_line(run: &RunRecord) -> String {
    let left_out = Coverage::of(run).left_out().map_or(String::new(), |text| format!(" ({text})"));
    let sample = run.sample.map_or(String::new(), |share| format!(", sample {share}"));
    let shard = run.shard.map_or(String::new(), |shard| format!(", shard {shard}"));
    let cached = if run.cached { ", cached" } else { "" };
    let (time, seed) = (seconds(run.ms), run.seed);
    format!(
        "VERDICT: {}{left_out} in {time}{cached}, seed {seed}{sample}{shard}, log {}",
        verdict_phrase(run),
        run.latest
    )
}

/// The verdict's word and where it was reached, such as `RED at tier 0`.
pub(crate) fn verdict_phrase(run: &RunRecord) -> String {
    let word = run.verdict.word();
    let at = match run.verdict {
        Verdict::Green => return format!("{word}{}", tiers_named(&Coverage::of(run).ran)),
        Verdict::NothingVerified if ran_at_all(run) => return format!("{word}: no test ran"),
        Verdict::NothingVerified => return format!("{word}: no step ran"),
        Verdict::Red => {
            let red: Tiers = run
                .steps
                .iter()
                .filter(|step| step.outcome == Outcome::Failed || !step.failures.is_empty())
                .map(|step| step.tier)
                .chain(run.stopped_at)
                .collect();
            tiers_named(&red)
        }
        Verdict::Lacking => step_named(run, Outcome::Lacking),
        Verdict::TimeLimit => step_named(run, Outcome::TimedOut),
        Verdict::Interrupted | Verdict::Terminated => step_named(run, Outcome::Interrupted),
    };
    if at.is_empty() { word.to_owned() } else { format!("{word} at{at}") }
}

fn ran_at_all(run: &RunRecord) -> bool {
    run.steps.iter().any(|step| !matches!(step.outcome, Outcome::None | Outcome::Elsewhere))
}

/// ` tier 0`, ` tiers 0-1`, or nothing.
fn tiers_named(tiers: &Tiers) -> String {
    match tiers.iter().count() {
        0 => String::new(),
        1 => format!(" tier {tiers}"),
        _ => format!(" tiers {tiers}"),
    }
}

fn step_named(run: &RunRecord, outcome: Outcome) -> String {
    let step = run.steps.iter().find(|step| step.outcome == outcome);
    let named = step.map(|step| format!(" tier {} step {}", step.tier, capped(&one_line(&step.name), NAME_BYTES)));
    named.or_else(|| run.stopped_at.map(|tier| format!(" tier {tier}"))).unwrap_or_default()
}

/// What became of each tier that was asked for.
#[derive(Debug, Default)]
pub(crate) struct Coverage {
    pub(crate) ran: Tiers,
    /// The run ended below them.
    pub(crate) not_run: Tiers,
    /// Other shards run them.
    pub(crate) elsewhere: Tiers,
    /// The repository has nothing for them.
    pub(crate) without_steps: Tiers,
}

impl Coverage {
    pub(crate) fn of(run: &RunRecord) -> Coverage {
        let ended_early =
            matches!(run.verdict, Verdict::TimeLimit | Verdict::Interrupted | Verdict::Terminated | Verdict::Lacking);
        let reached = run.steps.iter().map(|step| step.tier).max();
        let beyond = |tier: Tier| match run.stopped_at {
            Some(last) => tier > last,
            None => ended_early && reached.is_none_or(|last| tier > last),
        };
        let fate = |tier: Tier| {
            let mut outcomes = run.steps.iter().filter(|step| step.tier == tier).map(|step| step.outcome).peekable();
            if outcomes.peek().is_none() && beyond(tier) {
                return Fate::NotRun;
            }
            outcomes.fold(Fate::WithoutSteps, |fate, outcome| match (fate, outcome) {
                (_, Outcome::None) => fate,
                (Fate::WithoutSteps, Outcome::Elsewhere) => Fate::Elsewhere,
                (_, Outcome::Elsewhere) => fate,
                _ => Fate::Ran,
            })
        };
        let all_with = |wanted: Fate| run.tiers.iter().filter(|tier| fate(*tier) == wanted).collect();
        Coverage {
            ran: all_with(Fate::Ran),
            not_run: all_with(Fate::NotRun),
            elsewhere: all_with(Fate::Elsewhere),
            without_steps: all_with(Fate::WithoutSteps),
        }
    }

    /// `1 not run, 2-3 have no steps`; nothing where all tiers ran.
    pub(crate) fn left_out(&self) -> Option<String> {
        let have = if self.without_steps.iter().count() == 1 { "has" } else { "have" };
        let parts = [
            (&self.not_run, "not run".to_owned()),
            (&self.elsewhere, "in other shards".to_owned()),
            (&self.without_steps, format!("{have} no steps")),
        ];
        let parts: Vec<String> = parts
            .into_iter()
            .filter(|(tiers, _)| !tiers.is_empty())
            .map(|(tiers, what)| format!("{tiers} {what}"))
            .collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Ran,
    NotRun,
    Elsewhere,
    WithoutSteps,
}

#[cfg(test)]
mod tests {
    use super::super::testing::{green, step, tier};
    use super::verdict_line;
    use crate::domain::record::{Outcome, RunRecord, Verdict};

    fn run_with(verdict: Verdict, change: impl FnOnce(&mut RunRecord)) -> String {
        let mut run = RunRecord { verdict, ..green() };
        change(&mut run);
        verdict_line(&run)
    }

    #[test]
    fn green_names_only_the_tiers_that_ran() {
        let line = run_with(Verdict::Green, |run| run.steps.push(step(2, "prop", Outcome::None, 0)));
        insta::assert_snapshot!(line, @"VERDICT: GREEN tiers 0-1 (2-3 have no steps) in 1.2s, seed 24301, log target/harness/latest");
        let line = run_with(Verdict::Green, |run| {
            run.steps.push(step(2, "prop", Outcome::Elsewhere, 0));
            run.shard = "2/4".parse().ok();
            run.sample = "10%".parse().ok();
        });
        insta::assert_snapshot!(line, @"VERDICT: GREEN tiers 0-1 (2 in other shards, 3 has no steps) in 1.2s, seed 24301, sample 10%, shard 2/4, log target/harness/latest");
    }

    #[test]
    fn a_verdict_that_was_given_before_says_so() {
        let line = run_with(Verdict::Green, |run| *run = run.clone().again(7));
        insta::assert_snapshot!(line, @"VERDICT: GREEN tiers 0-1 (2-3 have no steps) in 0.0s, cached, seed 24301, log target/harness/latest");
    }

    #[test]
    fn red_names_its_tier_and_what_was_left() {
        let line = run_with(Verdict::Red, |run| {
            run.steps = vec![step(0, "clippy", Outcome::Failed, 5)];
            run.stopped_at = Some(tier(0));
        });
        insta::assert_snapshot!(line, @"VERDICT: RED at tier 0 (1-3 not run) in 1.2s, seed 24301, log target/harness/latest");
        let line = run_with(Verdict::Red, |run| {
            run.steps = vec![step(0, "fmt", Outcome::Failed, 5), step(2, "prop", Outcome::Failed, 5)];
        });
        insta::assert_snapshot!(line, @"VERDICT: RED at tiers 0,2 (1,3 have no steps) in 1.2s, seed 24301, log target/harness/latest");
    }

    #[test]
    fn every_other_end_says_where_it_came() {
        let ended = |verdict, outcome| {
            run_with(verdict, |run| {
                run.steps.push(step(2, "prop", outcome, 5));
                run.stopped_at = Some(tier(2));
            })
        };
        insta::assert_snapshot!(
            [
                ended(Verdict::TimeLimit, Outcome::TimedOut),
                ended(Verdict::Lacking, Outcome::Lacking),
                ended(Verdict::Interrupted, Outcome::Interrupted),
                run_with(Verdict::Terminated, |run| run.steps.clear()),
                run_with(Verdict::NothingVerified, |_| {}),
                run_with(Verdict::NothingVerified, |run| run.steps.clear()),
            ]
            .join("\n"),
            @"
        VERDICT: TIME LIMIT at tier 2 step prop (3 not run) in 1.2s, seed 24301, log target/harness/latest
        VERDICT: LACKING at tier 2 step prop (3 not run) in 1.2s, seed 24301, log target/harness/latest
        VERDICT: INTERRUPTED at tier 2 step prop (3 not run) in 1.2s, seed 24301, log target/harness/latest
        VERDICT: INTERRUPTED (0-3 not run) in 1.2s, seed 24301, log target/harness/latest
        VERDICT: NOTHING VERIFIED: no test ran (2-3 have no steps) in 1.2s, seed 24301, log target/harness/latest
        VERDICT: NOTHING VERIFIED: no step ran (0-3 have no steps) in 1.2s, seed 24301, log target/harness/latest
        "
        );
    }
}
