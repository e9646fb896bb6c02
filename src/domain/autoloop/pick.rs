//! Which task comes next.

use crate::base::FailureId;
use crate::domain::orient::Known;
use crate::domain::queue::{Census, Held, Queue, QueueError, Task, Wanted};

/// Claims the most urgent task that is to be had, going on to the next where somebody was faster.
///
/// # Errors
/// There is none, or the remote can't be reached.
pub(crate) fn claim_next(
    queue: &Queue<'_>,
    known: &Known,
    worker: &str,
    role: Option<&str>,
) -> Result<(Held, Task), QueueError> {
    const ROUNDS: usize = 5;
    let is_green = |failure: &FailureId| known.is_green(failure);
    let mut census = Census::default();
    for _ in 0..ROUNDS {
        let board = queue.board()?;
        census = board.census();
        let candidates = board.candidates(Wanted { role, is_green: &is_green })?;
        if candidates.is_empty() {
            break;
        }
        for entry in candidates {
            if let Some(held) = queue.claim(entry, worker)? {
                return Ok((held, entry.task.clone()));
            }
        }
    }
    let Census { free, held, blocked } = census;
    let fit = if free > 0 { ", none of which fits" } else { "" };
    Err(QueueError::Nothing(format!("{free} free{fit}, {held} held, {blocked} blocked")))
}
