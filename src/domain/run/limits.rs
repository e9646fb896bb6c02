//! The limits of a step's whole process tree: from the contract to the watchdog, and what is said when one is passed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::context::{Context, Done, humane};
use crate::base::text::{capped, one_line};
use crate::base::{ByteSize, Category, TimeLimit};
use crate::domain::contract::Contract;
use crate::domain::ladder::PlannedStep;
use crate::domain::record::{LimitRecord, Outcome, Strength};
use crate::ports::processes;
use crate::ports::watchdog::{Limits, Places, Resource, Watchdog};

/// Where the contract is silent. Far beyond what honest repositories need, and short of what brings a machine down.
const PIDS: u64 = 8192;
const DISK: u64 = 100_000_000_000;
const OUTPUT: u64 = 1_000_000_000;

/// The watchdogs of the steps that have begun.
#[derive(Debug, Default)]
pub(crate) struct StepLimits(Mutex<BTreeMap<String, Arc<Watchdog>>>);

impl StepLimits {
    /// The step's own; it begins with the step's first command.
    pub(super) fn of(&self, run: &Context<'_>, step: &PlannedStep) -> Arc<Watchdog> {
        let begin = || Arc::new(Watchdog::new(limits(run.contract), places(run, step)));
        match self.0.lock() {
            Ok(mut all) => Arc::clone(all.entry(step.name.clone()).or_insert_with(begin)),
            Err(_) => begin(),
        }
    }

    fn begun(&self, step: &PlannedStep) -> Option<Arc<Watchdog>> {
        self.0.lock().ok()?.get(&step.name).map(Arc::clone)
    }

    /// Whether the step has gone past one.
    pub(super) fn passed(&self, step: &PlannedStep) -> Option<Resource> {
        self.begun(step)?.passed()
    }

    /// What held for a step's commands; nothing where it has called none.
    pub(super) fn records(&self, step: &PlannedStep) -> Vec<LimitRecord> {
        let Some(watchdog) = self.begun(step) else { return Vec::new() };
        let record = |name: &str, value: String, by: &str, strength| LimitRecord {
            name: name.to_owned(),
            value,
            by: by.to_owned(),
            strength,
        };
        let wall = record("wall", humane(step.limit), "supervisor", Strength::Enforced);
        let others = ALL.into_iter().filter_map(|(resource, name)| {
            let value = value(watchdog.limits(), resource)?;
            let by_kernel = resource == Resource::Files;
            let strength = if by_kernel { Strength::Enforced } else { Strength::BestEffort };
            Some(record(name, value, if by_kernel { "rlimit" } else { "watchdog" }, strength))
        });
        [wall].into_iter().chain(others).collect()
    }
}

const ALL: [(Resource, &str); 6] = [
    (Resource::Memory, "memory"),
    (Resource::Cpu, "cpu"),
    (Resource::Pids, "pids"),
    (Resource::Files, "files"),
    (Resource::Disk, "disk"),
    (Resource::Output, "output"),
];

/// As the contract has them.
fn limits(contract: &Contract) -> Limits {
    let asked = &contract.sandbox;
    let bytes = |size: Option<ByteSize>| size.map(ByteSize::bytes);
    Limits {
        // Nine tenths, so that it is the step that ends and not what else runs on the machine.
        memory: bytes(asked.memory).or_else(|| Some(processes::machine_memory()? / 10 * 9)),
        cpu: asked.cpu.map(TimeLimit::duration),
        pids: Some(asked.pids.map_or(PIDS, u64::from)),
        files: asked.files.map(u64::from),
        disk: Some(bytes(asked.disk).unwrap_or(DISK)),
        output: Some(bytes(asked.output).unwrap_or(OUTPUT)),
    }
}

fn places(run: &Context<'_>, step: &PlannedStep) -> Places {
    let (root, target) = (&run.workspace.root, &run.workspace.target_dir);
    let mut written = vec![root.clone()];
    written.extend(Some(target.clone()).filter(|target| !target.starts_with(root)));
    Places { written, logs: (run.dir.path.clone(), format!("{}-{}.", step.tier, step.name)) }
}

/// A limit as the contract would have it.
fn value(limits: &Limits, resource: Resource) -> Option<String> {
    let size = |bytes: Option<u64>| bytes.map(said_size);
    match resource {
        Resource::Memory => size(limits.memory),
        Resource::Cpu => limits.cpu.map(humane),
        Resource::Pids => limits.pids.map(|count| count.to_string()),
        Resource::Files => limits.files.map(|count| count.to_string()),
        Resource::Disk => size(limits.disk),
        Resource::Output => size(limits.output),
    }
}

/// To the megabyte: nobody reads the bytes of a share of the machine's memory.
fn said_size(bytes: u64) -> String {
    const MEGABYTE: u64 = 1_000_000;
    let is_even = bytes < MEGABYTE || ByteSize::of_bytes(bytes).to_string().len() <= 8;
    ByteSize::of_bytes(if is_even { bytes } else { bytes / MEGABYTE * MEGABYTE }).to_string()
}

/// Adds what a step that has gone past a limit has to say of it, whatever else it came to: it is never green.
pub(super) fn conclude(run: &Context<'_>, step: &PlannedStep, done: &mut Done) {
    let Some(resource) = run.limits.passed(step) else { return };
    if done.outcome == Some(Outcome::Interrupted) {
        return;
    }
    let of = run.limits.begun(step).and_then(|watchdog| value(watchdog.limits(), resource)).unwrap_or_default();
    let (category, what) = match resource {
        Resource::Memory => (Category::oom(), format!("memory limit of {of}")),
        Resource::Cpu => (Category::timeout(), format!("limit of {of} of processor time")),
        Resource::Pids => (Category::budget(), format!("limit of {of} processes and threads")),
        Resource::Files => (Category::budget(), format!("limit of {of} open files")),
        Resource::Disk => (Category::budget(), format!("limit of {of} on disk")),
        Resource::Output => (Category::budget(), format!("limit of {of} of output")),
    };
    let log = run.log(step);
    let scene = run.scene(step, &run.dir.path, &log);
    done.failures.push(scene.step_failure(category, &format!("stopped at the step's {what}")));
    let largest = run.limits.begun(step).and_then(|watchdog| watchdog.largest().cloned());
    // What differs from run to run is no part of the failure.
    done.notes.extend(largest.map(|(command, bytes)| {
        let program = command.strip_prefix(run.workspace.target_dir.as_str()).unwrap_or(&command);
        format!(
            "{}: most of the memory, {}, was held by {}",
            step.name,
            said_size(bytes),
            capped(&one_line(program), 120)
        )
    }));
    let by_time = resource == Resource::Cpu;
    done.outcome = Some(if by_time { Outcome::TimedOut } else { Outcome::Failed });
    done.cached = false;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_contract_is_silent_on_has_a_limit_all_the_same() {
        let found = limits(&Contract::default());
        assert_eq!((found.pids, found.disk, found.output), (Some(PIDS), Some(DISK), Some(OUTPUT)));
        assert_eq!((found.cpu, found.files), (None, None));
        assert!(found.memory.is_some_and(|memory| processes::machine_memory().is_some_and(|all| memory < all)));
    }

    #[test]
    fn what_the_contract_says_holds() {
        let text =
            "[sandbox]\nmemory = \"2 GB\"\ncpu = \"90s\"\npids = 7\nfiles = 99\ndisk = \"3 GB\"\noutput = \"4 MB\"\n";
        let found = limits(&toml::from_str(text).unwrap());
        let said: Vec<String> = ALL.into_iter().filter_map(|(resource, _)| value(&found, resource)).collect();
        assert_eq!(said, ["2 GB", "2m", "7", "99", "3 GB", "4 MB"]);
    }

    #[test]
    fn a_share_of_the_memory_is_said_to_the_megabyte() {
        assert_eq!(said_size(22_705_709_875), "22705 MB");
        assert_eq!((said_size(64 << 20), said_size(999)), ("64 MiB".to_owned(), "999 B".to_owned()));
    }
}
