//! One go: this program once more, with the environment that was recorded, in the tree that is asked for.

use camino::Utf8Path;

use super::super::{Output, Settings, ladder};
use super::ReproError;
use crate::base::ExitCode;
use crate::domain::ladder::Request;
use crate::domain::repro::{Go, Order};
use crate::ports::process::{self, Supervised, Variables};
use crate::ui;

/// The hidden verb; its argument is an order.
pub(crate) const VERB: &str = "__go";

/// Carries out one go and waits for its end.
pub(super) fn start(
    supervised: &Supervised,
    order: &Order,
    dir: &Utf8Path,
    variables: &[(String, Option<String>)],
) -> Result<Go, super::super::Error> {
    let order = serde_json::to_string(order).map_err(|error| ReproError::Lost(error.to_string()))?;
    let said = supervised.again(&[VERB, &order], dir, Variables::Changed(variables));
    let said = said.map_err(|error| ReproError::Lost(error.to_string()))?;
    // What the program says goes to standard error; there is an answer only where the run came to its end.
    Ok(serde_json::from_str(&said.stdout).map_err(|_| ReproError::Lost("it ended without an answer".to_owned()))?)
}

/// The body of the hidden verb.
pub(crate) fn main(order: &str) -> u8 {
    process::end_with_caller();
    let settings = |order: &Order| Settings { manifest_path: Some(order.manifest.clone()), output: Output::default() };
    let Ok(order) = serde_json::from_str::<Order>(order) else { return ExitCode::Usage.code() };
    match carry_out(&order, &settings(&order)) {
        Ok(go) => {
            ui::print(&serde_json::to_string(&go).unwrap_or_default());
            ExitCode::Green.code()
        }
        Err(error) => {
            super::super::report_error(&error, settings(&order).output.format, false);
            error.code.code()
        }
    }
}

fn carry_out(order: &Order, settings: &Settings) -> super::super::Result<Go> {
    let request = Request {
        mode: order.mode,
        tiers: None,
        steps: vec![order.step.clone()],
        seed: Some(order.seed),
        sample: None,
        shard: None,
        only: order.test.clone(),
        input: order.input.clone(),
        keep_going: true,
        fail_fast: false,
        bless: false,
    };
    let Order { packages, locked, offline, contained, .. } = order.clone();
    let args = ladder::Args::as_before(packages, locked, offline, contained);
    let finished = ladder::carry_out(request, &args, "repro".to_owned(), true, settings)?;
    let failures = finished.record.failures().cloned().collect();
    let sandbox = finished.record.sandbox.as_ref().map(|held| held.containment).unwrap_or_default();
    Ok(Go { verdict: finished.record.verdict, run: finished.record.id, failures, sandbox })
}
