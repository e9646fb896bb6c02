//! A phase of a gate, carried out in its checkout: the body of a hidden verb.

use camino::Utf8Path;

use super::Unsupervised;
use crate::base::ExitCode;
use crate::domain::contract::{self, Loaded};
use crate::domain::gate::{Answer, Order, Part, Phase};
use crate::domain::ladder::{self, Kind, Plan, Request};
use crate::domain::run::{
    self, Ahead, CargoFlags, Context, Footing, Output, RunDir, StepLimits, Toolchain, containing, measure,
};
use crate::domain::sandbox::Sandbox;
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
    let runner = Supervised::new().map_err(Unsupervised)?;
    let ground = Ground::lay(&order.manifest, order, &runner)?;
    if order.part == Part::Measure {
        let other = order.other.as_ref().map(|manifest| Ground::lay(manifest, order, &runner)).transpose()?;
        let other = other.as_ref().map(|other| other.context(&runner));
        let measured = measure::measure(&ground.context(&runner), other.as_ref(), &order.wanted)?;
        return Ok(Answer::Measured(Box::new(measured)));
    }
    let asked = format!("gate {}", order.asked);
    let finished = run::carry_out(ground.context(&runner), None, asked, ground.loaded.digest.clone())?;
    Ok(Answer::Ran(Box::new(Phase { record: finished.record, tests: finished.tests })))
}

/// What a run in one checkout stands on.
struct Ground {
    workspace: Workspace,
    loaded: Loaded,
    plan: Plan,
    flags: CargoFlags,
    output: Output,
    dir: RunDir,
    toolchain: Toolchain,
    sandbox: Sandbox,
}

impl Ground {
    fn lay(manifest: &Utf8Path, order: &Order, runner: &Supervised) -> super::Result<Ground> {
        let workspace = Workspace::load(Some(manifest))?;
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
        let asked = loaded.contract.sandbox.asked();
        let sandbox = containing::prepare(asked, &loaded.contract, &workspace, &dir, runner)?;
        let toolchain = Toolchain::of_run(&workspace.root, &sandbox, &dir.path, runner);
        let toolchain = if order.part == Part::OtherRunner { toolchain.without_nextest() } else { toolchain };
        Ok(Ground { workspace, loaded, plan, flags: CargoFlags::default(), output, dir, toolchain, sandbox })
    }

    fn context<'a>(&'a self, runner: &'a Supervised) -> Context<'a> {
        Context {
            sandbox: &self.sandbox,
            workspace: &self.workspace,
            contract: &self.loaded.contract,
            plan: &self.plan,
            flags: &self.flags,
            output: &self.output,
            dir: &self.dir,
            runner,
            toolchain: &self.toolchain,
            tell: &|_| {},
            aside: false,
            question: None,
            footing: Footing::default(),
            ahead: Ahead::default(),
            limits: StepLimits::default(),
            deadline: clock::now() + self.loaded.contract.run.timeout.duration(),
        }
    }
}

/// The plan with the steps of one part only.
fn part_of(mut plan: Plan, part: Part) -> Plan {
    let belongs = |kind: &Kind| match part {
        Part::Ladder => true,
        Part::Tests | Part::OtherRunner => matches!(kind, Kind::Nextest { .. }),
        Part::Properties => matches!(kind, Kind::Proptest { .. }),
        Part::Measure => false,
    };
    for (_, steps) in &mut plan.rungs {
        steps.retain(|step| belongs(&step.kind));
    }
    plan.rungs.retain(|(_, steps)| part == Part::Ladder || !steps.is_empty());
    // Where no step is left the record still says which tiers were asked for: there is no way to write none.
    if !plan.rungs.is_empty() {
        plan.tiers = plan.rungs.iter().map(|(tier, _)| *tier).collect();
    }
    plan
}
