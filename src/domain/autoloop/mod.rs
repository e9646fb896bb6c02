//! Session after session: a fresh work tree, an agent, a judgement that is the harness's own, and what lands of it.

mod check;
mod judge;
mod land;
mod pick;

pub(crate) use check::Checker;
pub(crate) use judge::{Gate, Judgement};
pub(crate) use land::{Candidate, Landed, Lander};
pub(crate) use pick::claim_next;
