//! The first process of a container: it starts the command, takes in what that leaves, and passes on the wish to end.
//!
//! What ends it ends every process of the container. It stays outside of what the command is held to, so that the command cannot reach
//! into it and change with what it ends.

#![expect(clippy::disallowed_methods, reason = "this starts the command of a container")]

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{DumpableBehavior, Signal, WaitStatus};
use serde::{Deserialize, Serialize};

use crate::base::ExitCode;
use crate::ports::{processes, tree};

/// The hidden verb.
pub(crate) const VERB: &str = "__first";

/// Stands before what the first process tells when the command has ended.
pub(crate) const ENDED: &str = "ended ";

/// What is told then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct End {
    /// How many processes were still living.
    pub(crate) left: usize,
}

/// The body of the hidden verb: the file to tell in, then the command that enters.
pub(crate) fn main(args: &[String]) -> u8 {
    let lost = ExitCode::Environment.code();
    let [told, program, args @ ..] = args else { return lost };
    let Ok(mut teller) = OpenOptions::new().append(true).open(told) else { return lost };
    // Whoever has the same user could otherwise write into this process.
    let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
    match follow(program, args, &teller) {
        Ok((status, end)) => {
            let _ = writeln!(teller, "{ENDED}{}", serde_json::to_string(&end).unwrap_or_default());
            code(status).unwrap_or(lost)
        }
        Err(error) => {
            let _ = writeln!(teller, "{error}");
            lost
        }
    }
}

fn follow(program: &str, args: &[String], teller: &std::fs::File) -> io::Result<(WaitStatus, End)> {
    let signals = tree::SignalPipe::new(&[signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT])?;
    let mut command = Command::new(program);
    // Through its standard input it tells that it has entered.
    let child = command.args(args).stdin(Stdio::from(teller.try_clone()?)).process_group(0).spawn()?;
    drop(command);
    let pid = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    std::thread::spawn(move || {
        while let Some(pid) = pid {
            if signals.next(Duration::from_secs(60)) {
                let _ = rustix::process::kill_process_group(pid, Signal::TERM);
            }
        }
    });
    // Whoever has asked for the container holds the other end, and is gone when that closes.
    std::thread::spawn(move || {
        while rustix::io::read(rustix::stdio::stdin(), &mut [0; 64]).is_ok_and(|read| read > 0) {}
        // When the command has ended, this process does, and with it all others.
        pid.map(|pid| rustix::process::kill_process_group(pid, Signal::KILL));
    });
    let status = tree::wait_among_orphans(child.id())?;
    let own = i32::try_from(std::process::id()).unwrap_or(1);
    let left = processes::all().iter().filter(|process| process.pid != own && !process.is_dead).count();
    Ok((status, End { left }))
}

/// As a shell has it.
fn code(status: WaitStatus) -> Option<u8> {
    let code = status.exit_status().or_else(|| status.terminating_signal().map(|signal| 128 + signal))?;
    u8::try_from(code).ok()
}
