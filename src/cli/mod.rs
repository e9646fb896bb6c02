//! The command line: what can be asked, and which verb answers.

mod flags;

use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::base::ExitCode;
use crate::commands::{self, Settings};
use crate::domain::gate;
use crate::domain::record::Mode;
use crate::domain::run::shim;
use crate::ports::sandbox::{ask, enter, first, probe};
use crate::ports::{process, supervisor};
use crate::ui;

/// A brief, trustworthy verdict on any Rust repository.
#[derive(Debug, Parser)]
#[command(name = "cargo-harness", bin_name = "cargo harness", version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    global: flags::Global,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Tiers 0-1: a verdict in seconds (also the bare `cargo harness`)
    Fast(commands::ladder::Args),
    /// Tiers 0-3: before a merge
    Full(commands::ladder::Args),
    /// Tiers 0-5: at night
    Deep(commands::ladder::Args),
    /// Run part of the ladder
    Run(commands::ladder::RunArgs),
    /// Hold programs against their oracles or golden files, case by case: the tier of differential tests alone
    Diff(commands::diff::DiffArgs),
    /// `fast` again on each change, on one screen
    Watch(commands::watch::WatchArgs),
    /// Print the effective contract, its schema, or where each value comes from
    Contract(commands::contract::Args),
    /// Show the last verdict, or one failure in detail
    Show(commands::show::Args),
    /// Join the parts of a sharded run into one verdict
    Merge(commands::merge::Args),
    /// Run what showed a failure once more: 1 if it fails the same way, 7 if otherwise, 0 if not
    Repro(commands::repro::Args),
    /// Pin compiler, tools, inputs and seeds in Harness.lock, or say what has drifted from it
    Lock(commands::lock::Args),
    /// End every run of this repository, whole process trees
    Kill(commands::kill::Args),
    /// `audit log`: print or verify the record of what was judged and changed, by whom
    Audit(commands::audit::Args),
    /// Judge a change against its base: commit, push, merge, nightly, release or weekly
    Gate(commands::gate::Args),
    /// What still leans on something else, how far it is from being replaced, and whether it comes nearer
    Fallback,
    /// Put git hooks up that call the gates, take them down, or say how they stand
    Hooks(commands::hooks::Args),
    /// Write workflows for GitHub or GitLab
    Ci(commands::ci::Args),
    /// What those hooks call
    #[command(hide = true)]
    Hook(commands::hook::Args),
    /// Turn existing logs of cargo, rustc, nextest and other compilers into the brief form
    Summarize(commands::summarize::Args),
    /// The work queue: claim a task so that nobody else does it, and land it when the gate is green
    Task(commands::task::Args),
    /// Who may change what: list the roles, check a change, write CODEOWNERS
    Role(commands::role::Args),
    /// One page from which a fresh session can start
    Brief(commands::brief::Args),
    /// Say whether everything is here that the contract needs, in which version
    Doctor,
    /// Write what is missing of contract, state files and ignore rules
    Init,
}

/// Runs one command line; the answer is the process's exit code.
pub(crate) fn run(mut args: Vec<OsString>) -> u8 {
    if let Some(code) = hidden(&args) {
        return code;
    }
    let followed = args.get(1).is_some_and(|arg| arg == process::FOLLOWED);
    if followed {
        process::end_with_caller();
    }
    if followed || args.get(1).is_some_and(|arg| arg == "harness") {
        args.remove(1);
    }
    let command = Cli::command().after_help(exit_codes());
    if is_bare(&command, &args) {
        args.insert(1.min(args.len()), "fast".into());
    }
    let parsed = command.try_get_matches_from(args).and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            let code = if error.use_stderr() { ExitCode::Usage } else { ExitCode::Green };
            return code.code();
        }
    };
    ui::set_color(cli.global.color);
    let settings = cli.global.settings();
    dispatch(cli.verb, &settings).unwrap_or_else(|error| {
        commands::report_error(&error, settings.output.format, followed);
        error.code.code()
    })
}

/// Whether no verb is named, nor help or the version asked for: then `fast` is meant, with all of its flags.
fn is_bare(command: &clap::Command, args: &[OsString]) -> bool {
    let asks = |arg: &OsString| matches!(arg.to_str(), Some("help" | "--help" | "-h" | "--version" | "-V"));
    let is_verb = |arg: &OsString| command.get_subcommands().any(|verb| arg == verb.get_name());
    let begins_with_a_flag = args.get(1).is_none_or(|arg| arg.to_string_lossy().starts_with('-'));
    begins_with_a_flag && !args.iter().skip(1).any(|arg| asks(arg) || is_verb(arg))
}

/// The exit codes as `--help` lists them.
fn exit_codes() -> String {
    let line = |code: ExitCode| format!("\n  {:>3}  {}", code.code(), code.meaning());
    format!("Exit codes:{}", ExitCode::ALL.map(line).concat())
}

/// The verbs by which this program starts itself; no command line is parsed for them.
fn hidden(args: &[OsString]) -> Option<u8> {
    let verb = args.get(1)?.to_str()?;
    let rest = || args[2..].iter().map(|arg| arg.to_string_lossy().into_owned()).collect::<Vec<String>>();
    match verb {
        commands::repro::VERB => Some(commands::repro::go(rest().first()?)),
        enter::VERB => Some(enter::main(&rest())),
        ask::VERB => {
            let (code, answers) = ask::main(&rest());
            ui::print(&answers);
            Some(code.code())
        }
        first::VERB => Some(first::main(&rest())),
        probe::VERB => {
            let (code, attempts) = probe::main(&rest());
            ui::print(&attempts);
            Some(code.code())
        }
        gate::VERB => Some(commands::judge::main(rest().first()?).code()),
        supervisor::VERB => Some(supervisor::main(rest().first()?).code()),
        supervisor::LEASH => Some(supervisor::leash(&rest())),
        shim::VERB => {
            let answer = shim::main(&rest());
            answer.note.iter().for_each(|note| ui::note(note));
            Some(answer.code)
        }
        _ => None,
    }
}

fn dispatch(verb: Verb, settings: &Settings) -> commands::Result<u8> {
    let code = match verb {
        Verb::Fast(args) => commands::ladder::climb(Mode::Fast, &args, settings),
        Verb::Full(args) => commands::ladder::climb(Mode::Full, &args, settings),
        Verb::Deep(args) => commands::ladder::climb(Mode::Deep, &args, settings),
        Verb::Run(args) => commands::ladder::part(&args, settings),
        Verb::Diff(args) => commands::diff::run(&args, settings),
        Verb::Watch(args) => commands::watch::run(&args, settings),
        Verb::Show(args) => commands::show::run(&args, settings.manifest_path.as_deref(), settings.output),
        Verb::Merge(args) => commands::merge::run(&args, settings),
        Verb::Repro(args) => commands::repro::run(&args, settings),
        Verb::Lock(args) => commands::lock::run(&args, settings),
        Verb::Kill(args) => commands::kill::run(&args, settings),
        Verb::Audit(args) => commands::audit::run(&args, settings),
        Verb::Gate(args) => commands::gate::run(&args, settings),
        Verb::Fallback => commands::fallback::run(settings),
        Verb::Ci(args) => commands::ci::run(&args, settings),
        Verb::Hooks(args) => commands::hooks::run(&args, settings),
        // Another hook's exit status, whatever it is, is passed on.
        Verb::Hook(args) => return commands::hook::run(&args, settings),
        Verb::Summarize(args) => commands::summarize::run(&args, settings.output),
        Verb::Task(args) => commands::task::run(&args, settings),
        Verb::Role(args) => commands::role::run(&args, settings),
        Verb::Brief(args) => commands::brief::run(&args, settings),
        Verb::Doctor => commands::doctor::run(settings.manifest_path.as_deref()),
        Verb::Init => commands::init::run(settings.manifest_path.as_deref()),
        Verb::Contract(args) => commands::contract::run(&args, settings.manifest_path.as_deref()),
    };
    code.map(ExitCode::code)
}
