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

mod common;

use std::fs;

use common::{Place, Taken};

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
const SAME_STEPS: &str = "cargo harness run --mode fast --step fmt --step clippy --step unit";
const WITH_EXAMPLES: &str =
    "cargo fmt --check && cargo clippy --all-targets && cargo nextest run && cargo test --doc --workspace";
const FAST: &str = "cargo harness fast";
const NO_FAIL_FAST: &str = "cargo fmt --check; cargo clippy --all-targets; cargo nextest run --no-fail-fast";

fn main() {
    if !common::is_asked() {
        return;
    }
    let place = Place::new();
    let named: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    for subject in SUBJECTS.iter().filter(|subject| named.is_empty() || named.iter().any(|name| name == subject.name)) {
        put_up(&place, subject);
        println!("\n{} ({})", subject.name, subject.crates.join(", "));
        compare(&place, subject.name, "fmt, clippy, unit", SEQUENCE, SAME_STEPS);
        if subject.has_examples {
            compare(&place, subject.name, "fmt, clippy, unit, doc", WITH_EXAMPLES, FAST);
        }
        plant(&place, subject);
    }
}

/// Fetches the crates' sources and makes a repository of them.
fn put_up(place: &Place, subject: &Subject) {
    let (root, scratch) = (subject.name, format!("scratch-{}", subject.name));
    place.write(&format!("{scratch}/src/lib.rs"), "");
    place.write(
        &format!("{scratch}/Cargo.toml"),
        "[package]\nname = \"scratch\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n",
    );
    // Vendoring copies what was fetched, and fetches programs too, which can't be dependencies.
    let names = subject.crates.join(" ");
    place.must(&scratch, &format!("cargo add --quiet {names} && cargo vendor --quiet >/dev/null"));
    for name in subject.crates {
        let target = if subject.crates.len() == 1 { root.to_owned() } else { format!("{root}/{name}") };
        place.must("", &format!("mkdir -p {target} && cp -R {scratch}/vendor/{name}/. {target}"));
        place.must(&target, "rm -f .cargo-checksum.json .cargo_vcs_info.json Cargo.toml.orig Cargo.lock");
        let version = place.must(&target, "grep -m 1 ^version Cargo.toml").stdout;
        println!("fetched {name}, {}", version.trim_end());
    }
    if subject.crates.len() > 1 {
        let members: Vec<String> = subject.crates.iter().map(|name| format!("\"{name}\"")).collect();
        let manifest = format!("[workspace]\nresolver = \"2\"\nmembers = [{}]\n", members.join(", "));
        place.write(&format!("{root}/Cargo.toml"), &manifest);
    }
    if let Some(contract) = subject.contract {
        place.write(&format!("{root}/Harness.toml"), contract);
    }
    place.write(&format!("{root}/.gitignore"), "target\n");
    place.must(root, "cargo fetch --quiet");
    place.must(root, "git init -q && git add -A && git -c user.name=a -c user.email=a@example.org commit -qm Begin");
}

/// Both in turn, after each has built what it needs.
fn compare(place: &Place, dir: &str, steps: &str, by_hand: &str, by_harness: &str) {
    let both = [by_hand, by_harness].map(|line| format!("export CARGO_NET_OFFLINE=true; {line}"));
    let mut taken: [Vec<Taken>; 2] = [Vec::new(), Vec::new()];
    for line in &both {
        let warm = place.run(dir, line);
        if warm.code != 0 {
            println!("  {steps}: `{line}` answers {}:\n{}{}", warm.code, warm.stdout, warm.stderr);
            return;
        }
    }
    for _ in 0..ROUNDS {
        for (line, taken) in both.iter().zip(&mut taken) {
            taken.push(place.must(dir, line));
        }
    }
    println!("  {steps}");
    let [hand, harness] = [("by hand", &taken[0]), ("by harness", &taken[1])].map(|(who, taken)| {
        let walls: Vec<f64> = taken.iter().map(|one| one.wall.as_secs_f64() * 1e3).collect();
        let cpu = median(taken.iter().map(|one| one.cpu * 1e3).collect());
        let raw = walls.iter().map(|ms| format!("{ms:.0}")).collect::<Vec<_>>().join(" ");
        let (middle, least) = (median(walls.clone()), walls.into_iter().fold(f64::INFINITY, f64::min));
        let said = taken[0].stdout.len() + taken[0].stderr.len();
        println!(
            "    {who:10}  median {middle:6.0} ms  least {least:6.0} ms  [{raw}]  cpu {cpu:6.0} ms  {said} bytes said"
        );
        (middle, least, cpu)
    });
    let bound = |by_hand: f64| 100.0 + by_hand * 0.02;
    for (what, a, b) in [("median", hand.0, harness.0), ("least", hand.1, harness.1), ("cpu", hand.2, harness.2)] {
        let (more, percent) = (b - a, (b / a - 1.0) * 100.0);
        println!("    overhead    {what:6} {more:+6.0} ms  {percent:+5.1} %  (bound: {:.0} ms)", bound(a));
    }
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
        let line = format!("export CARGO_NET_OFFLINE=true; {line}");
        place.run(subject.name, &line);
        let taken = place.run(subject.name, &line);
        let named =
            (1..=5).filter(|n| (taken.stdout.clone() + &taken.stderr).contains(&format!("planted_{n}"))).count();
        let (out, err) = (taken.stdout.len(), taken.stderr.len());
        println!(
            "    {named} of 5 named, stdout {out} bytes, stderr {err} bytes: {}",
            &line["export CARGO_NET_OFFLINE=true; ".len()..]
        );
        sizes.push(out + err);
    }
    println!("    {:.1} times less said", sizes[0] as f64 / sizes[1] as f64);
    fs::write(file, whole).unwrap();
}

/// The middle one.
fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}
