//! Fuzz targets.

use camino::Utf8Path;

use super::context::{Context, Done, RunError};
use crate::base::TimeLimit;
use crate::domain::ladder::PlannedStep;

pub(super) fn run(
    _run: &Context<'_>,
    _step: &PlannedStep,
    _dir: Option<&Utf8Path>,
    _time: Option<TimeLimit>,
) -> Result<Done, RunError> {
    Ok(Done::none("no fuzz targets"))
}
