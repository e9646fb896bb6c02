//! External.

use super::context::{Context, Done, RunError};
use crate::domain::contract::{Build, Step};
use crate::domain::ladder::PlannedStep;

pub(super) fn builds(_run: &Context<'_>, _step: &PlannedStep, _builds: &[Build]) -> Result<Done, RunError> {
    Ok(Done::none(""))
}
pub(super) fn command(_run: &Context<'_>, _step: &PlannedStep, _command: &Step) -> Result<Done, RunError> {
    Ok(Done::none(""))
}
