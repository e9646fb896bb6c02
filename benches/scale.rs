//! Ten thousand tests, and a test that prints 1 GB: time beside nextest's own, and the memory of each process.
//!
//! `cargo bench --bench scale`, by hand: takes minutes, 3 GB of disk, and needs cargo-nextest. `-- 500` takes fewer tests.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement prints, and what it cannot set up ends it"
)]

mod common;

use common::{Place, Taken};

const HARNESS: &str = "cargo harness run --step unit";
const NEXTEST: &str = "cargo nextest run";

fn main() {
    if !common::is_asked() {
        return;
    }
    let tests = std::env::args().find_map(|arg| arg.parse().ok()).unwrap_or(10_000);
    let place = Place::new();
    many(&place, tests);
    loud(&place);
}

fn many(place: &Place, tests: usize) {
    let body: String = (0..tests).map(|n| format!("#[test]\nfn t{n:05}() {{}}\n")).collect();
    put_up(place, "many", &body);
    place.must("many", "cargo nextest run --no-run");
    println!("\n{tests} tests");
    let taken = [NEXTEST, HARNESS].map(|line| (line, place.taken("many", line, true)));
    for (line, taken) in &taken {
        let per_test = taken.wall.as_secs_f64() * 1e3 / tests as f64;
        let (wall, cpu) = (taken.wall.as_secs_f64(), taken.cpu);
        println!("  {line}: code {}, {wall:.1} s, {per_test:.2} ms a test, cpu {cpu:.1} s", taken.code);
        memory(taken);
    }
    let [nextest, harness] = &taken;
    let more = |of: fn(&Taken) -> f64| (of(&harness.1) - of(&nextest.1)) * 1e3 / tests as f64;
    let (wall, cpu) = (more(|taken| taken.wall.as_secs_f64()), more(|taken| taken.cpu));
    println!("  overhead {wall:+.2} ms a test, cpu {cpu:+.2} ms a test");
    print!("{}", harness.1.stdout);
}

fn loud(place: &Place) {
    let body = "#[test]\nfn prints_a_gigabyte() {\n    use std::io::Write;\n    let line = \"x\".repeat(1023) + \"\\n\";\n    \
        let mut out = std::io::stdout().lock();\n    for _ in 0..1 << 20 {\n        \
        out.write_all(line.as_bytes()).unwrap();\n    }\n}\n";
    put_up(place, "loud", body);
    place.must("loud", "cargo nextest run --no-run");
    println!("\none test that prints 1 GB");
    for line in [HARNESS, NEXTEST] {
        let taken = place.taken("loud", line, true);
        println!(
            "  {line}: code {}, {:.1} s, {} bytes said",
            taken.code,
            taken.wall.as_secs_f64(),
            taken.stdout.len() + taken.stderr.len()
        );
        memory(&taken);
    }
}

fn put_up(place: &Place, name: &str, body: &str) {
    let manifest = format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n");
    place.write(&format!("{name}/Cargo.toml"), &manifest);
    place.write(&format!("{name}/src/lib.rs"), body);
    place.write(&format!("{name}/.gitignore"), "target\n");
}

fn memory(taken: &Taken) {
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    for (name, (peak, _)) in taken.peaks.iter().filter(|(_, (peak, _))| *peak > 1 << 20) {
        println!("    {:7.1} MiB at most in one {name}", mib(*peak));
    }
    println!("    {:7.1} MiB at most in the harness's and nextest's processes together", mib(taken.together));
}
