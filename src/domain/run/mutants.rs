//! Mutants.

use super::context::{Context, Done, RunError};
use crate::domain::ladder::PlannedStep;

pub(super) fn run(_run: &Context<'_>, _step: &PlannedStep, _args: &[String]) -> Result<Done, RunError> {
    Ok(Done::none(""))
}
