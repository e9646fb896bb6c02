//! A phase of a gate, carried out in its checkout: the body of a hidden verb.

use super::Unsupervised;
use crate::base::ExitCode;
use crate::domain::contract;
use crate::domain::gate::{Answer, Order, Part, Phase};
use crate::domain::ladder::{self, Kind, Plan, Request};
use crate::domain::run::{self, Ahead, CargoFlags, Context, Footing, Output, StepLimits, Toolchain, containing};
use crate::ports::cargo::Workspace;
use crate::ports::clock;
use crate::ports::process::{self, Supervised};
use crate::ui;

/// Carries out the order and prints what it came to.
pub(crate) fn main(order: &str) -> ExitCode {
    process::end_with_caller();
    let answer = match serde_json::from_str::<Order>(order) {
        Ok(order) => carry_out(&order)
            .unwrap_or_else(|error| Answer::Error { message: super::message(&error), code: error.code.code() }),
        Err(error) => Answer::Error { message: error.to_string(), code: ExitCode::Usage.code() },
    };
    ui::print(&serde_json::to_string(&answer).unwrap_or_default());
    ExitCode::Green
}

fn carry_out(order: &Order) -> super::Result<Answer> {
    let workspace = Workspace::load(Some(&order.manifest))?;
    let loaded = contract::load(&workspace)?;
    let request = Request {
        mode: order.mode,
        tiers: Some(order.tiers.clone()),
        steps: Vec::new(),
        seed: order.seed,
        sample: Some(contract::Sample::Off),
        shard: None,
        only: None,
        input: None,
        keep_going: order.part != Part::Ladder,
        fail_fast: false,
        bless: false,
    };
    let plan = part_of(ladder::plan(&loaded.contract, &request)?, order.part);
    let output = Output::new(workspace.harness_dir());
    let dir = output.begin(loaded.contract.run.keep_runs)?;
    let runner = Supervised::new().map_err(Unsupervised)?;
    let asked = loaded.contract.sandbox.asked();
    let sandbox = containing::prepare(asked, &loaded.contract, &workspace, &dir, &runner)?;
    let toolchain = Toolchain::of_run(&workspace.root, &sandbox, &dir.path, &runner);
    let toolchain = if order.part == Part::OtherRunner { toolchain.without_nextest() } else { toolchain };
    let context = Context {
        sandbox: &sandbox,
        workspace: &workspace,
        contract: &loaded.contract,
        plan: &plan,
        flags: &CargoFlags::default(),
        output: &output,
        dir: &dir,
        runner: &runner,
        toolchain: &toolchain,
        tell: &|_| {},
        aside: false,
        question: None,
        footing: Footing::default(),
        ahead: Ahead::default(),
        limits: StepLimits::default(),
        deadline: clock::now() + loaded.contract.run.timeout.duration(),
    };
    let notes = loaded.inactive_note().into_iter().collect();
    let finished = run::carry_out(context, None, format!("gate {}", order.asked), loaded.digest.clone(), notes)?;
    Ok(Answer::Ran(Box::new(Phase { record: finished.record, tests: finished.tests })))
}

/// The plan with the steps of one part only.
fn part_of(mut plan: Plan, part: Part) -> Plan {
    let belongs = |kind: &Kind| match part {
        Part::Ladder => true,
        Part::Tests | Part::OtherRunner => matches!(kind, Kind::Nextest { .. }),
        Part::Properties => matches!(kind, Kind::Proptest { .. }),
    };
    for (_, steps) in &mut plan.rungs {
        steps.retain(|step| belongs(&step.kind));
    }
    plan.rungs.retain(|(_, steps)| part == Part::Ladder || !steps.is_empty());
    plan.tiers = plan.rungs.iter().map(|(tier, _)| *tier).collect();
    plan
}
