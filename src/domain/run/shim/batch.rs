//! `cargo test` starts a binary: all of its tests in one process, then whatever isn't good there again, each in a process of its own.

use super::single::{self, Test};
use super::together::{Chunk, Shared, chunks, take_repeated};
use super::{Order, Trouble, exit_code, list};
use crate::domain::record::TestName;
use crate::domain::run::test_event::{self, Ending, Said, TestEnd, TestEvent};

/// Runs the binary's taken tests.
pub(super) fn run(order: &Order, binary: &str, args: &[String]) -> Result<u8, Trouble> {
    let id = order.binaries.get(binary).cloned().unwrap_or_else(|| binary.to_owned());
    let only_list = args.iter().any(|arg| arg == "--list");
    if order.unharnessed.contains(&id) {
        return whole(order, &id, binary, args, only_list);
    }
    let Some(listed) = list::both(order, &id, binary)? else { return Ok(exit_code(false)) };
    if only_list {
        return Ok(exit_code(true));
    }
    let mut tests = listed.tests;
    let repeated = take_repeated(&mut tests);
    let shared = Shared { order, id: &id, binary };
    let mut good = true;
    let alone = |name: &str, attempt: u32| -> Result<bool, Trouble> {
        let args = ["--exact", name, "--nocapture"].map(str::to_owned);
        let ending = single::run(order, &Test { binary: &id, name, attempt }, binary, &args)?;
        Ok(single::passed(&ending, order.leaks))
    };
    for chunk in chunks(&tests) {
        let outcome = shared.run(Chunk::Named(chunk))?;
        if outcome.stopped {
            return Ok(exit_code(false));
        }
        for name in &outcome.failed {
            failed(order, &id, name)?;
            alone(name, 2)?;
            good = false;
        }
        if !outcome.silent.is_empty() {
            let silent = outcome.silent.iter().cloned().collect();
            test_event::write(&order.events, &TestEvent::Open { binary: id.clone(), failed: Vec::new(), silent })?;
        }
        for name in &outcome.silent {
            good &= alone(name, 1)?;
        }
    }
    for name in &repeated {
        good &= alone(name, 1)?;
    }
    Ok(exit_code(good))
}

/// The first attempt at a test that failed beside the others.
fn failed(order: &Order, id: &str, name: &str) -> Result<(), Trouble> {
    let ending = Ending {
        test: TestName { binary: id.to_owned(), name: name.to_owned() },
        attempt: 1,
        end: TestEnd::Exited(101),
        said: Said::Failed(String::new()),
        verdicts: 1,
        ms: 0,
        leaked: Vec::new(),
        log: Default::default(),
        argv: Vec::new(),
    };
    Ok(test_event::write(&order.events, &TestEvent::End(Box::new(ending)))?)
}

/// A binary without a harness is one test, named as its target.
fn whole(order: &Order, id: &str, binary: &str, args: &[String], only_list: bool) -> Result<u8, Trouble> {
    let name = list::target_name(id);
    let taken = list::take(order, id, name)?;
    if only_list || !taken {
        return Ok(exit_code(true));
    }
    let ending = single::run(order, &Test { binary: id, name, attempt: 1 }, binary, args)?;
    Ok(exit_code(single::passed(&ending, order.leaks)))
}
