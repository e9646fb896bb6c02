//! The definition of done, checked by what it names: binaries, targets, and budgets that are measured in turn with the base.

use std::collections::BTreeSet;

use super::finding::Check;
use super::{Case, GateError, GateName};
use crate::base::{ByteSize, Tier};
use crate::domain::contract::{DoneBudget, Level};
use crate::domain::ratchet::Spread;
use crate::domain::record::{Outcome, RunRecord, Verdict};
use crate::domain::run::measure::{Measured, Runs, Sample, Wanted};

type Findings = Vec<(Level, String, String)>;

impl Case<'_> {
    /// Whether what the contract calls done is so; nothing where another gate asks or it says nothing.
    pub(super) fn done(&self, ladder: Option<&RunRecord>, notes: &mut Vec<String>) -> Result<Option<Check>, GateError> {
        let done = &self.contract.done;
        let is_asked = matches!(self.question.name, GateName::Release | GateName::Weekly);
        let says_nothing = done.tiers.is_none() && !self.measures_done();
        if !is_asked || says_nothing {
            return Ok(None);
        }
        let Some(ladder) = ladder.filter(|ladder| ladder.verdict == Verdict::Green) else {
            return Ok(Some(Check::not_run("done", "the ladder is not green")));
        };
        let level = self.contract.integrity.done;
        let mut findings: Findings = self.tiers_without_steps(ladder);
        let wanted = Wanted {
            sizes: !done.binaries.is_empty(),
            targets: done.targets.clone(),
            budgets: done.budgets.clone(),
            ..Wanted::default()
        };
        if self.measures_done() {
            let measured = self.measure("tree", wanted, Some("base"))?;
            let found = self.binaries(&measured).into_iter().chain(targets(&measured));
            findings.extend(found.map(|(subject, message)| (level, subject, message)));
            for (budget, told) in done.budgets.iter().zip(&measured.budgets) {
                match told {
                    Ok(runs) => {
                        let judged = Judged::of(budget, runs);
                        notes.push(format!("{}: {}", budget.name, judged.told));
                        let over = judged.over.into_iter();
                        findings.extend(over.map(|message| (level, budget.name.clone(), message)));
                    }
                    Err(why) => findings.push((level, budget.name.clone(), format!("cannot be measured: {why}"))),
                }
            }
        }
        let counts = [(done.binaries.len(), "binary"), (done.targets.len(), "target"), (done.budgets.len(), "budget")];
        let parts: Vec<String> = counts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| plural(*n, what)).collect();
        let ok =
            if parts.is_empty() { "its tiers are green".to_owned() } else { format!("{} as asked", parts.join(", ")) };
        Ok(Some(Check::mixed("done", findings, &ok)))
    }

    fn measures_done(&self) -> bool {
        let done = &self.contract.done;
        !(done.binaries.is_empty() && done.targets.is_empty() && done.budgets.is_empty())
    }

    /// A tier with nothing to run is said, since none of it is green.
    fn tiers_without_steps(&self, ladder: &RunRecord) -> Findings {
        let asked: Vec<Tier> = self.contract.done.tiers.iter().flat_map(|tiers| tiers.iter()).collect();
        let ran: BTreeSet<Tier> =
            ladder.steps.iter().filter(|step| step.outcome == Outcome::Ok).map(|step| step.tier).collect();
        let without = asked.into_iter().filter(|tier| !ran.contains(tier));
        without.map(|tier| (Level::Report, format!("tier {tier}"), "has nothing to run".to_owned())).collect()
    }

    fn binaries(&self, measured: &Measured) -> Vec<(String, String)> {
        let Some(sizes) = &measured.sizes else { return Vec::new() };
        let judge = |name: &String, most: Option<ByteSize>| match sizes {
            Err(why) => Some(format!("cannot be built: {why}")),
            Ok(sizes) => match (sizes.get(name), most) {
                (None, _) => Some("there is no binary of that name".to_owned()),
                (Some(size), Some(most)) if *size > most.bytes() => {
                    Some(format!("{} built for release, and at most {most} is asked", ByteSize::of_bytes(*size)))
                }
                _ => None,
            },
        };
        let all = self.contract.done.binaries.iter();
        all.filter_map(|binary| Some((binary.name.clone(), judge(&binary.name, binary.max_size)?))).collect()
    }
}

fn targets(measured: &Measured) -> Vec<(String, String)> {
    let failed = measured.targets.iter().filter_map(|(triple, told)| Some((triple, told.as_ref().err()?)));
    failed
        .map(|(triple, why)| {
            let missing = why.contains("can't find crate for `core`") || why.contains("can't find crate for `std`");
            let hint = if missing { format!(": install it: rustup target add {triple}") } else { String::new() };
            (triple.clone(), format!("does not build: {why}{hint}"))
        })
        .collect()
}

/// What the runs of a budget's command say of it.
struct Judged {
    /// One line of what was measured.
    told: String,
    over: Vec<String>,
}

impl Judged {
    fn of(budget: &DoneBudget, runs: &Runs) -> Judged {
        let idle = runs.nothing.unwrap_or(Sample { us: 0, kib: 0 });
        let time = |sample: &Sample| sample.us.saturating_sub(idle.us) as f64 / 1000.0;
        let memory = |sample: &Sample| sample.kib as f64 * 1024.0;
        let mut judged = Judged { told: String::new(), over: Vec::new() };
        let most_time = budget.max_time.map(|most| most.duration().as_secs_f64() * 1000.0);
        let own = Spread::of(runs.own.iter().map(time));
        judged.absolute(own, most_time, budget.max_time.map(|most| most.to_string()), &milliseconds);
        // Against the base the way into the cage is on both sides.
        let whole = |sample: &Sample| sample.us as f64;
        judged.relative("time", ratios(runs, &whole, idle.us as f64), budget);
        let most_memory = budget.max_memory.map(|most| most.bytes() as f64);
        let own = Spread::of(runs.own.iter().map(memory));
        // The process that starts the command holds as much itself.
        if own.is_some_and(|own| own.median <= memory(&idle) * 1.05) {
            judged.tell(format!("{} or less", bytes(memory(&idle))));
        } else {
            judged.absolute(own, most_memory, budget.max_memory.map(|most| most.to_string()), &bytes);
            judged.relative("memory", ratios(runs, &memory, 0.0), budget);
        }
        if most_memory.is_some_and(|most| most < memory(&idle)) {
            judged.over.push(format!("less memory than {} cannot be measured", bytes(memory(&idle))));
        }
        judged
    }

    fn absolute(&mut self, own: Option<Spread>, most: Option<f64>, asked: Option<String>, say: &dyn Fn(f64) -> String) {
        let Some(own) = own else { return };
        let told = format!("{} ({}-{} in {} runs)", say(own.median), say(own.low), say(own.high), own.count);
        if let (Some(most), Some(asked)) = (most, asked)
            && own.is_beyond(most)
        {
            self.over.push(format!("{told}, and at most {asked} is asked"));
        }
        self.tell(told);
    }

    fn relative(&mut self, what: &str, ratios: Option<Spread>, budget: &DoneBudget) {
        let Some(ratios) = ratios else { return };
        let told = format!("{:.2}x the base's {what} ({:.2}-{:.2})", ratios.median, ratios.low, ratios.high);
        if let Some(most) = budget.max_growth.filter(|most| ratios.is_beyond(1.0 + most.fraction())) {
            self.over.push(format!("{told}, and at most {most} more is asked"));
        }
        self.tell(told);
    }

    fn tell(&mut self, told: String) {
        if !self.told.is_empty() {
            self.told.push_str(", ");
        }
        self.told.push_str(&told);
    }
}

/// Of each pair, the one to the other.
fn ratios(runs: &Runs, of: &dyn Fn(&Sample) -> f64, idle: f64) -> Option<Spread> {
    let net = |sample: &Sample| (of(sample) - idle).max(1.0);
    Spread::of(runs.own.iter().zip(&runs.other).map(|(own, other)| net(own) / net(other)))
}

fn milliseconds(ms: f64) -> String {
    if ms < 1000.0 { format!("{ms:.1} ms") } else { format!("{:.2} s", ms / 1000.0) }
}

fn bytes(bytes: f64) -> String {
    if bytes < 1e9 { format!("{:.1} MB", bytes / 1e6) } else { format!("{:.2} GB", bytes / 1e9) }
}

fn plural(count: usize, what: &str) -> String {
    match (count, what.strip_suffix('y')) {
        (1, _) => format!("1 {what}"),
        (_, Some(stem)) => format!("{count} {stem}ies"),
        (_, None) => format!("{count} {what}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(own: impl Fn(u64) -> u64, other: impl Fn(u64) -> u64) -> Runs {
        let all = |us: &dyn Fn(u64) -> u64| (0..15).map(|n| Sample { us: us(n), kib: 3000 }).collect();
        Runs { own: all(&own), other: all(&other), nothing: Some(Sample { us: 1000, kib: 2000 }) }
    }

    fn over(budget: &str, runs: &Runs) -> Vec<String> {
        Judged::of(&toml::from_str(&format!("name = \"x\"\nrun = [\"x\"]\n{budget}")).unwrap(), runs).over
    }

    #[test]
    fn a_budget_is_broken_only_by_the_whole_interval() {
        let noisy = runs(|n| if n % 4 == 0 { 90_000 } else { 11_000 + n }, |n| 11_000 + n);
        assert_eq!(over("max-time = \"20 ms\"\nmax-growth = \"10%\"", &noisy), [""; 0]);
        let slow = runs(|n| 41_000 + n, |n| 21_000 + n);
        let told = over("max-time = \"30 ms\"\nmax-growth = \"50%\"\nmax-memory = \"3 MB\"", &slow);
        assert_eq!(told.len(), 3, "{told:?}");
        assert_eq!(
            told[0],
            "40.0 ms (40.0-40.0 ms in 15 runs), and at most 30ms is asked".replace("40.0-40.0 ms", "40.0 ms-40.0 ms")
        );
        assert!(told[1].starts_with("2.00x the base's time (2.00-2.00), and at most 50% more"), "{told:?}");
        assert_eq!(over("max-time = \"40 ms\"", &runs(|_| 41_000, |_| 1)), [""; 0], "at the bound is within");
    }

    #[test]
    fn what_no_run_costs_less_than_is_no_part_of_the_time_and_bounds_the_memory() {
        let quick = runs(|_| 1_200, |_| 1_200);
        assert_eq!(over("max-time = \"1 ms\"", &quick), [""; 0]);
        let told = over("max-memory = \"1 MB\"", &quick);
        assert!(told.iter().any(|told| told == "less memory than 2.0 MB cannot be measured"), "{told:?}");
    }
}
