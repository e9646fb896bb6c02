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
#[path = "common/made.rs"]
mod made;

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
    made::many(place, tests);
    println!("\n{tests} tests");
    let taken = [NEXTEST, HARNESS].map(|line| (line, place.taken("many", line, true)));
    for (line, taken) in &taken {
        let per_test = taken.wall.as_secs_f64() * 1e3 / tests as f64;
        let (wall, cpu) = (taken.wall.as_secs_f64(), taken.cpu);
        println!("  {line}: code {}, {wall:.1} s, {per_test:.2} ms a test, cpu {cpu:.1} s", taken.code);
        made::print_memory(taken);
    }
    let [nextest, harness] = &taken;
    let more = |of: fn(&Taken) -> f64| (of(&harness.1) - of(&nextest.1)) * 1e3 / tests as f64;
    let (wall, cpu) = (more(|taken| taken.wall.as_secs_f64()), more(|taken| taken.cpu));
    println!("  overhead {wall:+.2} ms a test, cpu {cpu:+.2} ms a test");
    print!("{}", harness.1.stdout);
}

fn loud(place: &Place) {
    made::loud(place);
    println!("\none test that prints 1 GB");
    for line in [HARNESS, NEXTEST] {
        let taken = place.taken("loud", line, true);
        println!(
            "  {line}: code {}, {:.1} s, {} bytes said",
            taken.code,
            taken.wall.as_secs_f64(),
            taken.stdout.len() + taken.stderr.len()
        );
        made::print_memory(&taken);
    }
}
