//! No stale green: after every edit of anything that a verdict hangs on, `fast` says what is true now.
//!
//! Random edits of a repository whose every input has known good and bad values: the verdict must be green exactly when no
//! input has a bad one. And what changes nothing must nearly always cost nothing.

mod inputs;
mod tree;
mod world;

use std::collections::HashSet;
use std::time::Instant;

use crate::support::{Random, number, said};

use world::{Change, Idle, Manner, State, World};

/// So often the model itself is held against a run that can know nothing of the earlier ones.
const CHECK_EVERY: usize = 25;

/// Fewer runs of known states say nothing about the share of them that was unneeded.
const ENOUGH: usize = 100;

/// What was done, and what came of it.
#[derive(Default)]
struct Proof {
    seed: usize,
    history: Vec<String>,
    /// States that were judged green.
    green: HashSet<State>,
    verdicts: [usize; 2],
    cached: usize,
    /// Runs of a state that was green before.
    known: usize,
    /// After which edits such a run wasn't answered from the cache.
    unneeded: Vec<String>,
}

/// `HARNESS_EDITS=1000` makes as many edits, and `HARNESS_EDITS_SEED` others.
#[test]
fn no_edit_leaves_a_stale_verdict() {
    let (edits, seed) = (number("HARNESS_EDITS", 25), number("HARNESS_EDITS_SEED", 24301));
    let mut random = Random::new(seed as u64);
    let mut world = World::new();
    let mut proof = Proof { seed, ..Proof::default() };
    let mut breaks = Vec::new();
    let since = Instant::now();
    proof.judge(&world, "Begin".to_owned());
    for n in 1..=edits {
        let edit = edit(&mut world, &mut breaks, &mut random);
        world.assert_as_modelled(&edit);
        proof.judge(&world, edit);
        if n % CHECK_EVERY == 0 {
            proof.check(&world);
        }
    }
    said(&format!("{edits} edits in {:.0?}: {}", since.elapsed(), proof.told()));
    let (known, unneeded) = (proof.known, proof.unneeded.len());
    assert!(known < ENOUGH || unneeded * 20 < known, "{unneeded} of {known} runs were unneeded");
}

/// The next edit, in words. Most break what is well and mend what is broken: only such an edit can leave a stale verdict.
fn edit(world: &mut World, breaks: &mut Vec<Change>, random: &mut Random) -> String {
    let broken = world.broken();
    if !broken.is_empty() && random.in_percent(75) {
        let changes = world.changes(*random.choose(&broken), false);
        // What was there before is a state that was judged already.
        let back = changes.iter().find(|change| Some(**change) == world.back).filter(|_| random.in_percent(50));
        let change = *back.unwrap_or_else(|| random.choose(&changes));
        return make(world, change, random);
    }
    match random.below(100) {
        ..10 => {
            world.commit();
            "Commit".to_owned()
        }
        10..15 if world.commits.len() > 1 => {
            world.uncommit();
            "Take the commit back".to_owned()
        }
        15..35 => {
            let what = *random.choose(&Idle::ALL);
            world.idle(what, random)
        }
        35..45 => {
            let still_so = |input: usize| world.changes(input, broken.contains(&input));
            let changes: Vec<Change> = (0..world.inputs.len()).flat_map(still_so).collect();
            make(world, *random.choose(&changes), random)
        }
        _ => {
            // Every way of breaking it has its turn before any has another.
            let change = loop {
                if breaks.is_empty() {
                    *breaks = (0..world.inputs.len()).flat_map(|input| world.every_change(input)).collect();
                    random.shuffle(breaks);
                }
                let change = breaks.pop().unwrap();
                if !broken.contains(&change.input) && world.changes(change.input, true).contains(&change) {
                    break change;
                }
            };
            make(world, change, random)
        }
    }
}

fn make(world: &mut World, change: Change, random: &mut Random) -> String {
    let manner = *random.choose(&Manner::ALL);
    world.change(change, manner);
    format!("{} ({manner:?})", world.told(change))
}

impl Proof {
    /// Runs `fast`, whose verdict must be that of the model.
    fn judge(&mut self, world: &World, edit: String) {
        let broken = world.broken();
        self.history.push(format!("{edit}{}", if broken.is_empty() { " → green" } else { " → red" }));
        let state = world.state();
        let (facts, answer) = world.judge(false);
        let is_cached = facts.verdict()["cached"] == true;
        let is_right = if broken.is_empty() { facts.code == 0 } else { (1..=3).contains(&facts.code) };
        let names: Vec<&str> = broken.iter().map(|input| world.inputs[*input].name).collect();
        assert!(
            is_right,
            "a wrong verdict; broken are {names:?}; after these edits, seed {}:\n  {}\n{}",
            self.seed,
            self.history.join("\n  "),
            answer.whole()
        );
        self.verdicts[usize::from(broken.is_empty())] += 1;
        self.cached += usize::from(is_cached);
        if broken.is_empty() && !self.green.insert(state) {
            self.known += 1;
            if !is_cached {
                self.unneeded.push(edit);
            }
        }
    }

    /// Holds the model itself against a run that finds nothing built and nothing judged.
    fn check(&self, world: &World) {
        let (facts, answer) = world.judge(true);
        let agrees = (facts.code == 0) == world.broken().is_empty();
        let history = self.history.join("\n  ");
        assert!(agrees, "the model is wrong; seed {}:\n  {history}\n{}", self.seed, answer.whole());
    }

    fn told(&self) -> String {
        let Proof { verdicts: [red, green], cached, known, unneeded, .. } = self;
        let list: String = unneeded.iter().map(|edit| format!("\n  unneeded after: {edit}")).collect();
        format!(
            "{green} green, {red} red, none wrong, {cached} cached; {} of {known} runs of a known state unneeded{list}",
            unneeded.len()
        )
    }
}
