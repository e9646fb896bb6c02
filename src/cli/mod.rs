//! The command line: what can be asked, and which verb answers.

mod flags;

use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::base::ExitCode;
use crate::commands;
use crate::ports::supervisor;
use crate::ui;

/// A brief, trustworthy verdict on any Rust repository.
#[derive(Debug, Parser)]
#[command(name = "cargo-harness", bin_name = "cargo harness", version, about, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    global: flags::Global,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Print the effective contract, its schema, or where each value comes from
    Contract(commands::contract::Args),
    /// Write what is missing of contract, state files and ignore rules
    Init,
}

/// Runs one command line; the answer is the process's exit code.
pub(crate) fn run(mut args: Vec<OsString>) -> ExitCode {
    // The hidden verbs are this program's own children: no command line is parsed for them.
    if let [_, verb, order] = args.as_slice()
        && verb == supervisor::VERB
    {
        return supervisor::main(&order.to_string_lossy());
    }
    if args.get(1).is_some_and(|arg| arg == "harness") {
        args.remove(1);
    }
    let parsed = Cli::command().try_get_matches_from(args).and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { ExitCode::Usage } else { ExitCode::Green };
        }
    };
    ui::set_color(cli.global.color);
    dispatch(cli).unwrap_or_else(|error| {
        ui::error(&format!("{:#}", error.cause), error.hint.as_deref());
        error.code
    })
}

fn dispatch(cli: Cli) -> commands::Result {
    match cli.verb {
        Some(Verb::Contract(args)) => commands::contract::run(&args, cli.global.manifest_path.as_deref()),
        Some(Verb::Init) => commands::init::run(cli.global.manifest_path.as_deref()),
        None => Ok(ExitCode::Green),
    }
}
