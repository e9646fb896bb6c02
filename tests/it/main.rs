//! The program as its users see it: every test runs the real binary in a repository of its own.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what a test cannot set up is a failure of that test"
)]
#![expect(clippy::disallowed_methods, reason = "the tests stand outside of the doors that they test")]

mod ahead;
mod attacks;
mod audit;
mod cache;
mod ci;
mod contained;
mod container;
mod diff;
mod done;
mod edits;
mod engine;
mod fallback;
mod fixtures;
mod flaky;
mod gate;
mod hooks;
mod interrupt;
mod kill;
mod ladder;
mod layers;
mod limits;
mod lock;
mod network;
mod planting;
mod queue;
mod ratchets;
mod readme;
mod repro;
mod role;
mod sampling;
mod sharding;
mod show;
mod summarize;
mod support;
mod trouble;
mod watch;
