//! `cargo harness`: a brief, trustworthy verdict on any Rust repository.
//!
//! # Rooms
//!
//! Imports run only downwards; `tests/it/layers.rs` holds the direction.
//!
//! - `cli`: the command line, the dispatch to verbs, and errors as one `error:` line, a `hint:` and an exit code.
//! - `commands`: one verb per file: arguments, request, domain, exit code.
//! - `ui`: the only writer to standard output and standard error.
//! - `domain`: what the harness knows. `record` (the shared words), `contract`, `ladder` (what to run, pure), `provenance` (what a
//!   verdict rests on, as digests, and the audit log), `run` (carries out a plan, and keeps what was green), `report` (a record as text, JSON lines, annotations).
//! - `ports`: the only doors to processes, files, clock and environment.
//! - `base`: values without IO.
//!
//! # Invariants
//!
//! - A verdict is computed here, from exit statuses and from what the harness's own processes saw; nothing is read
//!   from what a test prints. Where two sources of one fact disagree, the verdict is red.
//! - A step runs under a supervisor process (`ports::supervisor`), each test under a shim (`domain::run::shim`); both are this
//!   program. When the supervisor ends, for whatever reason, no process of the step is left. A run of `watch` is this
//!   program once more, and ends with the one that follows it.
//! - What a step's processes use together is watched from this process (`ports::watchdog`); each of them has the kernel's limits that its
//!   supervisor has set on itself. A run is found, to be killed, by the lock that it holds, never by a number in a file.
//! - A contained step reaches the network by a proxy in its supervisor (`ports::proxy`) or not at all; no process within stands between.
//! - What judges is in the audit log (`domain::provenance::audit`) before its answer is told.
//! - A kept verdict (`domain::run::known`, `fast::green`) is found by the digest of what it rests on. Whatever may change a verdict is in
//!   a digest or isn't passed on to what is run; what was touched during a run is not kept; a doubt is a miss.
//! - Files that outlive a run appear whole by rename, or are append-only logs.
//! - Memory doesn't grow with what a test prints: output goes to files, and only bounded heads and tails are read back.
//!
//! # Absent on purpose
//!
//! No async runtime (a handful of children, each waited for by a thread), no embedding of nextest (its library changes with
//! about every release; its command line doesn't), no parsing of human-readable test output for verdicts.

#[cfg(not(target_os = "linux"))]
compile_error!("cargo-harness needs Linux: subreapers, pidfds and /proc are what it leaves no process behind by");

mod base;
mod cli;
mod commands;
mod domain;
mod ports;
mod ui;

use std::ffi::OsString;
use std::process::ExitCode;

/// Runs `cargo harness` with the arguments of the process, the program's own name first, and gives its answer.
pub fn run(args: Vec<OsString>) -> ExitCode {
    ExitCode::from(cli::run(args))
}
