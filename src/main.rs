//! The `cargo-harness` program: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    cargo_harness::run(std::env::args_os().collect())
}
