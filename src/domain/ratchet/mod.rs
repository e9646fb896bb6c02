//! Numbers that may only get better: counted by syntax, compared with those that `Harness.lock` holds, and written down there when
//! they are better.

mod compare;
mod count;
mod paired;
pub(crate) mod source;
mod test_files;
mod tighten;

pub(crate) use compare::{Sides, compare};
pub(crate) use count::{BY_DEFAULT, counts, without_nothing};
pub(crate) use paired::Spread;
pub(crate) use test_files::test_files;
pub(crate) use tighten::{Lowered, tighten};
