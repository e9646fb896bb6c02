//! A documentation example: rustdoc reads its output and exit status, so both are passed on.

#![expect(clippy::disallowed_methods, reason = "the shim spawns the example")]

use std::process::Command;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};

use super::{Answer, Order, Trouble};
use crate::ports::clock;
use crate::ports::tree::{self, SignalPipe, Watch, Woke};

/// What an example that was stopped at the time limit seems to have ended with.
const TIMED_OUT: u8 = 124;

/// Runs one example. Merged examples come as one program with arguments, which only the step's limit bounds.
pub(super) fn run(order: &Order, binary: &str, args: &[String]) -> Result<Answer, Trouble> {
    tree::become_subreaper()?;
    let signals = SignalPipe::new(&[SIGTERM, SIGINT])?;
    let argv = order.argv(binary, args);
    let (program, args_of_program) = argv.split_first().ok_or(Trouble::Call("no example is named"))?;
    let child = Command::new(program).args(args_of_program).spawn()?;
    let watch = Watch::new(child.id())?;
    let deadline = args.is_empty().then(|| clock::now() + Duration::from_millis(order.test_timeout_ms));
    let mut note = None;
    let code = match watch.wait(deadline, Some(&signals), false)? {
        Woke::Exited => {
            let status = watch.reap()?;
            status.exit_status().or_else(|| Some(128 + status.terminating_signal()?)).unwrap_or(101)
        }
        Woke::Deadline => {
            watch.stop(Duration::from_millis(300))?;
            note = Some(format!("stopped after {} ms", order.test_timeout_ms));
            i32::from(TIMED_OUT)
        }
        Woke::Signalled | Woke::Abandoned => {
            watch.stop(Duration::from_millis(300))?;
            101
        }
    };
    tree::kill_all(Duration::from_secs(1));
    Ok(Answer { code: u8::try_from(code).unwrap_or(101), note })
}
