//! What the sandbox costs a step, beside the same steps without it.
//!
//! `cargo bench --bench sandbox`, by hand and on an idle machine: fetches crates by name, builds them, and needs bubblewrap.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement prints, and what it cannot set up ends it"
)]

mod common;
#[path = "common/crates.rs"]
mod crates;
#[path = "common/figures.rs"]
mod figures;

use common::Place;
use crates::OFFLINE;

/// A tree to measure on, and its crates.
const SUBJECTS: [(&str, &[&str]); 2] =
    [("percent-encoding", &["percent-encoding"]), ("workspace", &["ryu", "humantime", "percent-encoding"])];

const ROUNDS: usize = 11;

/// What the sandbox may cost a step, in milliseconds.
const BOUND: f64 = 30.0;
const STEPS: [&str; 4] = ["fmt", "clippy", "unit", "doc"];

fn main() {
    if !common::is_asked() {
        return;
    }
    let place = Place::new();
    for (name, packages) in SUBJECTS {
        crates::put_up(&place, name, packages, None);
        println!("\n{name} ({}), steps {}", packages.join(", "), STEPS.join(", "));
        compare(&place, name);
    }
}

/// Both in turn, after each has built what it needs.
fn compare(place: &Place, dir: &str) {
    let steps = STEPS.map(|step| format!("--step {step}")).join(" ");
    let lines = ["off", "required"]
        .map(|mode| format!("{OFFLINE}cargo harness run --mode fast {steps} --no-cache --sandbox={mode}"));
    lines.iter().for_each(|line| drop(place.must(dir, line)));
    let [without, within] = figures::in_turn(
        ROUNDS,
        [("without", &mut |_| place.must(dir, &lines[0])), ("within", &mut |_| place.must(dir, &lines[1]))],
    );
    without.print();
    within.print();
    let more = within.walls().into_iter().zip(without.walls()).map(|(a, b)| a - b);
    let cost = figures::median(more.collect()) / STEPS.len() as f64;
    println!("    {cost:.1} ms a step (bound: {BOUND:.0} ms) {}", figures::kept(cost <= BOUND));
}
