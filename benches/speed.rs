//! How long a person waits for `fast`, beside what they would type without it, and beside the bounds that are kept.
//!
//! `cargo bench --bench speed`, by hand and on an idle machine: fetches crates by name, builds them, needs cargo-nextest, and
//! takes half an hour. `-- nothing`, `edits`, `cold`, `many` and `loud` measure a part alone, and `-- percent-encoding` and the
//! like on one subject alone.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a measurement prints, and what it cannot set up ends it"
)]

#[path = "common/bound.rs"]
mod bound;
mod common;
#[path = "common/crates.rs"]
mod crates;
#[path = "common/figures.rs"]
mod figures;
#[path = "common/made.rs"]
mod made;

use std::fs;
use std::path::PathBuf;

use bound::print_overhead;
use common::{Place, Taken};
use crates::OFFLINE;
use figures::{Side, in_turn, kept};

/// A tree to measure on, and a function of it that few others call.
struct Subject {
    name: &'static str,
    crates: &'static [&'static str],
    file: &'static str,
    leaf: &'static str,
}

const SUBJECTS: [Subject; 3] = [
    Subject {
        name: "percent-encoding",
        crates: &["percent-encoding"],
        file: "src/lib.rs",
        leaf: "fn after_percent_sign(",
    },
    // Over a thousand tests in two binaries.
    Subject {
        name: "pulldown-cmark",
        crates: &["pulldown-cmark"],
        file: "src/scanners.rs",
        leaf: "fn scan_closing_metadata_block(",
    },
    Subject {
        name: "workspace",
        crates: &["ryu", "humantime", "percent-encoding"],
        file: "percent-encoding/src/lib.rs",
        leaf: "fn after_percent_sign(",
    },
];

const PARTS: [&str; 5] = ["nothing", "edits", "cold", "many", "loud"];
const ROUNDS: usize = 5;
/// Of what takes milliseconds.
const MANY_ROUNDS: usize = 21;
const FAST: &str = "cargo harness fast";
const STEPS: [&str; 3] = ["cargo fmt --check", "cargo clippy --all-targets", "cargo nextest run"];
const SAME_STEPS: &str = "cargo harness run --mode fast --step fmt --step clippy --step unit";

/// Each side's own clone of the subject, so that neither warms the other.
struct Clones<'a> {
    place: &'a Place,
    subject: &'a Subject,
    hand: String,
    harness: String,
}

/// What an edit puts into the leaf function.
#[derive(Clone, Copy, Debug)]
enum Edit {
    Statement,
    Comment,
}

fn main() {
    if !common::is_asked() {
        return;
    }
    let named: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let some_of = |known: &[&str]| named.iter().any(|name| known.contains(&name.as_str()));
    let subjects = SUBJECTS.map(|subject| subject.name);
    let known = |name: &String| PARTS.contains(&name.as_str()) || subjects.contains(&name.as_str());
    assert!(named.iter().all(known), "there is {PARTS:?} to measure, on {subjects:?}");
    let is_part = |part| !some_of(&PARTS) || some_of(&[part]);
    let place = Place::new();
    for subject in SUBJECTS.iter().filter(|subject| !some_of(&subjects) || some_of(&[subject.name])) {
        let parts = ["nothing", "edits", "cold"].map(is_part);
        if parts.contains(&true) {
            println!("\n{} ({})", subject.name, subject.crates.join(", "));
            let clones = Clones::new(&place, subject);
            let measures: [fn(&Clones); 3] = [nothing, edits, cold];
            measures.iter().zip(parts).filter(|(_, is_asked)| *is_asked).for_each(|(measure, _)| measure(&clones));
        }
    }
    // Where only a subject is asked for, what is made up is not.
    let is_made_asked = |part| is_part(part) && (some_of(&[part]) || !some_of(&subjects));
    if is_made_asked("many") {
        many(&place);
    }
    if is_made_asked("loud") {
        loud(&place);
    }
}

impl Clones<'_> {
    fn new<'a>(place: &'a Place, subject: &'a Subject) -> Clones<'a> {
        crates::put_up(place, subject.name, subject.crates, None);
        let [hand, harness] = ["hand", "harness"].map(|who| {
            let clone = format!("{}-{who}", subject.name);
            place.must("", &format!("git clone --quiet {} {clone}", subject.name));
            clone
        });
        let clones = Clones { place, subject, hand, harness };
        // The line that is edited is there from now on.
        for edit in [Edit::Comment, Edit::Statement] {
            clones.insert(&clones.hand, edit);
            clones.insert(&clones.harness, edit);
        }
        println!("  {}", clones.by_harness(FAST).stdout.lines().last().unwrap_or_default());
        STEPS.iter().for_each(|step| drop(clones.by_hand(step)));
        clones
    }

    fn by_hand(&self, line: &str) -> Taken {
        self.place.must(&self.hand, &format!("{OFFLINE}{line}"))
    }

    fn by_harness(&self, line: &str) -> Taken {
        self.place.must(&self.harness, &format!("{OFFLINE}{line}"))
    }

    fn file(&self, clone: &str) -> PathBuf {
        self.place.dir.join(clone).join(self.subject.file)
    }

    /// Puts the edit's line first into the leaf function.
    fn insert(&self, clone: &str, edit: Edit) {
        let text = fs::read_to_string(self.file(clone)).unwrap();
        let Subject { name, leaf, .. } = self.subject;
        let at = text.find(leaf).unwrap_or_else(|| panic!("{name} has no `{leaf}` any more"));
        let body = at + text[at..].find("{\n").unwrap() + 2;
        fs::write(self.file(clone), format!("{}{}\n{}", &text[..body], edit.line(0), &text[body..])).unwrap();
    }

    /// Another text in the edit's line than ever before.
    fn edit(&self, clone: &str, edit: Edit, n: usize) {
        let text = fs::read_to_string(self.file(clone)).unwrap();
        let (before, after) = edit.around();
        let edited =
            |line: &str| if line.starts_with(before) && line.ends_with(after) { edit.line(n) } else { line.to_owned() };
        fs::write(self.file(clone), text.lines().map(|line| edited(line) + "\n").collect::<String>()).unwrap();
    }
}

impl Edit {
    fn around(self) -> (&'static str, &'static str) {
        match self {
            // Code that old compilers know too, and that isn't optimised away where nothing is.
            Edit::Statement => ("    let _ = [", "_u32].contains(&0);"),
            Edit::Comment => ("    // Edit ", "."),
        }
    }

    fn line(self, n: usize) -> String {
        let (before, after) = self.around();
        format!("{before}{n}{after}")
    }
}

/// A figure beside its bound.
fn bounded(what: &str, figure: f64, bound: f64) {
    println!("    {what}: {figure:.3} (bound: {bound:.3}) {}", kept(figure <= bound));
}

/// Nothing has changed since the last green verdict.
fn nothing(clones: &Clones) {
    println!("  nothing changed");
    clones.by_harness(FAST);
    let [fast, nextest] = in_turn(
        ROUNDS,
        [(FAST, &mut |_| clones.by_harness(FAST)), ("cargo nextest run", &mut |_| clones.by_hand("cargo nextest run"))],
    );
    fast.print();
    nextest.print();
    bounded("fast / nextest run", fast.median() / nextest.median(), 0.05);
    // Called otherwise it has another environment, of which it knows nothing yet.
    clones.by_harness("cargo-harness fast");
    let of_nextest = nextest.median();
    let [fast, floor, direct, direct_floor] = in_turn(
        MANY_ROUNDS,
        [
            (FAST, &mut |_| clones.by_harness(FAST)),
            ("status, start by cargo", &mut |_| clones.by_harness("git status && cargo harness --version")),
            ("cargo-harness fast", &mut |_| clones.by_harness("cargo-harness fast")),
            ("status, start", &mut |_| clones.by_harness("git status && cargo-harness --version")),
        ],
    );
    [&fast, &floor, &direct, &direct_floor].into_iter().for_each(Side::print);
    bounded("fast called directly / nextest run", direct.median() / of_nextest, 0.05);
    bounded("fast / (git status + start) by cargo", fast.median() / floor.median(), 1.5);
    bounded("fast / (git status + start) called directly", direct.median() / direct_floor.median(), 1.5);
}

/// One line has changed: each round and each side has an edit that nobody has seen before.
fn edits(clones: &Clones) {
    for edit in [Edit::Statement, Edit::Comment] {
        println!("  one line changed: {edit:?}");
        let edited = |clone: &str, n: usize| clones.edit(clone, edit, 1000 + n);
        let hand = |line: &'static str| move |_: usize| clones.by_hand(line);
        let mut said = String::new();
        let [fast, fmt, clippy, nextest] = in_turn(
            ROUNDS,
            [
                (FAST, &mut |n| {
                    edited(&clones.harness, n);
                    let taken = clones.by_harness(FAST);
                    said.clone_from(&taken.stdout);
                    taken
                }),
                (STEPS[0], &mut |n| {
                    edited(&clones.hand, n);
                    clones.by_hand(STEPS[0])
                }),
                (STEPS[1], &mut hand(STEPS[1])),
                (STEPS[2], &mut hand(STEPS[2])),
            ],
        );
        [&fast, &fmt, &clippy, &nextest].into_iter().for_each(Side::print);
        said.lines().for_each(|line| println!("      {line}"));
        let sequence = fmt.median() + clippy.median() + nextest.median();
        let share = nextest.median() / sequence;
        println!("    by hand {sequence:.0} ms, of which nextest has {:.0} %", share * 100.0);
        bounded("fast / the three by hand", fast.median() / sequence, if share > 2.0 / 3.0 { 0.3 } else { 0.6 });
    }
}

/// Nothing is built; dependencies are fetched.
fn cold(clones: &Clones) {
    println!("  nothing built");
    let by_hand = format!("{OFFLINE}{}", STEPS.join(" && "));
    let clean = |clone: &str| drop(clones.place.must(clone, "rm -rf target"));
    let [hand, harness, fast] = in_turn(
        ROUNDS,
        [
            ("fmt, clippy, nextest by hand", &mut |_| {
                clean(&clones.hand);
                clones.place.must(&clones.hand, &by_hand)
            }),
            ("the same by the harness", &mut |_| {
                clean(&clones.harness);
                clones.by_harness(SAME_STEPS)
            }),
            ("all of fast", &mut |_| {
                clean(&clones.harness);
                clones.by_harness(FAST)
            }),
        ],
    );
    print_overhead(&hand, &harness);
    fast.print();
}

/// Ten thousand tests that take no time.
fn many(place: &Place) {
    const TESTS: usize = 10_000;
    println!("\n{TESTS} tests");
    made::many(place, TESTS);
    let counts = place.must("many", FAST).stdout;
    println!("  {}", counts.lines().find(|line| line.starts_with("SUMMARY")).unwrap_or_default());
    let [fast, nextest] = in_turn(
        ROUNDS,
        [
            (FAST, &mut |_| place.must("many", "cargo harness fast --no-cache")),
            ("cargo nextest run", &mut |_| place.must("many", "cargo nextest run")),
        ],
    );
    fast.print();
    nextest.print();
    bounded("fast / nextest run", fast.median() / nextest.median(), 0.1);
}

/// One test that prints 1 GB.
fn loud(place: &Place) {
    println!("\none test that prints 1 GB");
    made::loud(place);
    let taken = place.taken("loud", FAST, true);
    println!("  {FAST}: code {}, {:.1} s", taken.code, taken.wall.as_secs_f64());
    made::print_memory(&taken);
    bounded("MB of the harness's processes together", taken.together as f64 / 1e6, 50.0);
}
