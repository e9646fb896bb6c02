//! Replays: what is asked of one, what it comes to, what has changed since, where it takes place, and capsules that carry it.

pub(crate) mod capsule;
mod changed;
mod exact;
mod outcome;

pub(crate) use changed::{Changed, changed};
pub(crate) use exact::{Exact, ExactError};
pub(crate) use outcome::{Answer, Go, Order, Tally};
