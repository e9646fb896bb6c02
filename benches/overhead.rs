//! What the harness costs beside the commands that it stands for, and how much less it says of five failing tests.
//!
//! `cargo bench --bench overhead`, by hand and on an idle machine: fetches crates by name, builds them, and needs cargo-nextest.
//! `-- hyperfine` takes one subject alone.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement prints, and what it cannot set up ends it"
)]

#[path = "common/bound.rs"]
mod bound;
mod common;
#[path = "common/crates.rs"]
mod crates;
#[path = "common/figures.rs"]
mod figures;

use std::fs;

use common::Place;
use crates::OFFLINE;

/// A tree to measure on: one crate, or several as the members of a workspace.
struct Subject {
    name: &'static str,
    crates: &'static [&'static str],
    /// A program alone has none, and `cargo test --doc` is an error there.
    has_examples: bool,
    /// Where the crates themselves have warnings, these must not end the climb.
    contract: Option<&'static str>,
}

const SUBJECTS: [Subject; 3] = [
    Subject { name: "percent-encoding", crates: &["percent-encoding"], has_examples: true, contract: None },
    Subject {
        name: "hyperfine",
        crates: &["hyperfine"],
        has_examples: false,
        contract: Some("[steps.clippy]\nuses = \"clippy\"\nwarnings = \"report\"\n"),
    },
    Subject {
        name: "workspace",
        crates: &["ryu", "humantime", "percent-encoding"],
        has_examples: true,
        contract: None,
    },
];

const ROUNDS: usize = 5;
const SEQUENCE: &str = "cargo fmt --check && cargo clippy --all-targets && cargo nextest run";
const SAME_STEPS: &str = "cargo harness run --mode fast --step fmt --step clippy --step unit --no-cache";
const WITH_EXAMPLES: &str =
    "cargo fmt --check && cargo clippy --all-targets && cargo nextest run && cargo test --doc --workspace";
const FAST: &str = "cargo harness fast --no-cache";
const NO_FAIL_FAST: &str = "cargo fmt --check; cargo clippy --all-targets; cargo nextest run --no-fail-fast";

fn main() {
    if !common::is_asked() {
        return;
    }
    let place = Place::new();
    let named: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    for subject in SUBJECTS.iter().filter(|subject| named.is_empty() || named.iter().any(|name| name == subject.name)) {
        crates::put_up(&place, subject.name, subject.crates, subject.contract);
        println!("\n{} ({})", subject.name, subject.crates.join(", "));
        compare(&place, subject.name, "fmt, clippy, unit", SEQUENCE, SAME_STEPS);
        if subject.has_examples {
            compare(&place, subject.name, "fmt, clippy, unit, doc", WITH_EXAMPLES, FAST);
        }
        plant(&place, subject);
    }
}

/// Both in turn, after each has built what it needs.
fn compare(place: &Place, dir: &str, steps: &str, by_hand: &str, by_harness: &str) {
    let both = [by_hand, by_harness].map(|line| format!("{OFFLINE}{line}"));
    for line in &both {
        let warm = place.run(dir, line);
        if warm.code != 0 {
            println!("  {steps}: `{line}` answers {}:\n{}{}", warm.code, warm.stdout, warm.stderr);
            return;
        }
    }
    println!("  {steps}");
    let [hand, harness] = figures::in_turn(
        ROUNDS,
        [("by hand", &mut |_| place.must(dir, &both[0])), ("by harness", &mut |_| place.must(dir, &both[1]))],
    );
    bound::print_overhead(&hand, &harness);
}

/// Five failing tests: how much each says, and whether it names all five.
fn plant(place: &Place, subject: &Subject) {
    let package = if subject.crates.len() == 1 { "" } else { subject.crates[0] };
    let root = place.dir.join(subject.name).join(package);
    let file = ["src/lib.rs", "src/main.rs"].iter().map(|file| root.join(file)).find(|file| file.exists()).unwrap();
    let whole = fs::read_to_string(&file).unwrap();
    let test = |n: usize| {
        format!(
            "    #[test]\n    fn planted_{n}() {{\n        let sum: usize = (0..={n}).sum();\n        \
             assert_eq!(sum, 100 + {n});\n    }}\n"
        )
    };
    let tests = (1..=5).map(test).collect::<Vec<_>>().join("\n");
    fs::write(&file, format!("{whole}\n#[cfg(test)]\nmod planted {{\n{tests}}}\n")).unwrap();
    println!("  five failing tests");
    let mut sizes = Vec::new();
    for line in [NO_FAIL_FAST, FAST] {
        let offline = format!("{OFFLINE}{line}");
        place.run(subject.name, &offline);
        let taken = place.run(subject.name, &offline);
        let named =
            (1..=5).filter(|n| (taken.stdout.clone() + &taken.stderr).contains(&format!("planted_{n}"))).count();
        let (out, err) = (taken.stdout.len(), taken.stderr.len());
        println!("    {named} of 5 named, stdout {out} bytes, stderr {err} bytes: {line}");
        sizes.push(out + err);
    }
    println!("    {:.1} times less said", sizes[0] as f64 / sizes[1] as f64);
    fs::write(file, whole).unwrap();
}
