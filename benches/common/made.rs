//! Crates that are made up: very many tests, and one that is very loud.

use crate::common::{Place, Taken};

/// So many tests that do nothing, in one crate, built.
pub(crate) fn many(place: &Place, tests: usize) {
    let body: String = (0..tests).map(|n| format!("#[test]\nfn t{n:05}() {{}}\n")).collect();
    put_up(place, "many", &body);
}

/// One test that prints 1 GB.
pub(crate) fn loud(place: &Place) {
    let body = "#[test]\nfn prints_a_gigabyte() {\n    use std::io::Write;\n    let line = \"x\".repeat(1023) + \"\\n\";\n    \
        let mut out = std::io::stdout().lock();\n    for _ in 0..1 << 20 {\n        \
        out.write_all(line.as_bytes()).unwrap();\n    }\n}\n";
    put_up(place, "loud", body);
}

fn put_up(place: &Place, name: &str, body: &str) {
    let manifest = format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n");
    place.write(&format!("{name}/Cargo.toml"), &manifest);
    place.write(&format!("{name}/src/lib.rs"), body);
    place.write(&format!("{name}/.gitignore"), "target\n");
    place.must(name, "cargo nextest run --no-run");
}

/// The memory of each program that took part, and of the harness's and nextest's processes at a time.
pub(crate) fn print_memory(taken: &Taken) {
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    for (name, (peak, _)) in taken.peaks.iter().filter(|(_, (peak, _))| *peak > 1 << 20) {
        println!("    {:7.1} MiB at most in one {name}", mib(*peak));
    }
    println!("    {:7.1} MiB at most in the harness's and nextest's processes together", mib(taken.together));
}
