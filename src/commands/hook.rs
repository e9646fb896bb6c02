//! What a git hook calls: the hook of somebody else that was there before, then the gate for every line that git gives.

use camino::{Utf8Path, Utf8PathBuf};

use super::gate::Bench;
use super::{MessageFormat, Settings};
use crate::base::text::{counted, one_line};
use crate::base::{ExitCode, Explain};
use crate::domain::gate::{GateName, Question, gate_json, gate_text};
use crate::domain::hooks::{self as domain, Demand, Form, Hook, Trunk, Update};
use crate::domain::report::{Detail, json_line};
use crate::ports::objects::short;
use crate::ports::source::{self, Source};
use crate::ports::{env, githooks};
use crate::ui;

/// Which hook, and what git has called it with.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    hook: Hook,
    /// The gate for the default branch of the repository that is pushed to
    #[arg(long, value_name = "NAME")]
    gate: Option<GateName>,
    /// The hook file that git has called
    #[arg(long, value_name = "FILE")]
    file: Option<Utf8PathBuf>,
    #[arg(last = true)]
    rest: Vec<String>,
}

/// A hook can't do its work.
#[derive(Debug, thiserror::Error)]
enum HookError {
    #[error("standard input cannot be read: {0}")]
    Input(std::io::Error),
    #[error("{path}, which was here before, cannot be run: {cause}")]
    Foreign { path: Utf8PathBuf, cause: std::io::Error },
}

impl Explain for HookError {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Environment
    }

    fn hint(&self) -> Option<String> {
        match self {
            HookError::Input(_) => None,
            HookError::Foreign { .. } => Some("its first line names a program that is not here".to_owned()),
        }
    }
}

/// Does what the hook is for; any other code than 0 has git stop.
pub(crate) fn run(args: &Args, settings: &Settings) -> super::Result<u8> {
    let here = env::current_dir().map_err(super::NoFolder)?;
    let source = Source::at(&here)?;
    let input = match args.hook {
        Hook::Commit => Vec::new(),
        Hook::Push | Hook::Receive => githooks::input().map_err(HookError::Input)?,
    };
    if let Some(file) = &args.file {
        let code = run_foreign(args, file, &source, &input)?;
        if code != 0 {
            return Ok(code);
        }
    }
    let code = match args.hook {
        Hook::Commit => commit(source, settings)?,
        Hook::Push | Hook::Receive => push(args, source, &input, settings)?,
    };
    Ok(code.code())
}

/// The hook that was there before comes first, and its word counts.
fn run_foreign(args: &Args, file: &Utf8Path, source: &Source, input: &[u8]) -> super::Result<u8> {
    let place = domain::Place::of(source)?;
    let Some(path) = domain::foreign(&place, args.hook, file) else { return Ok(0) };
    Ok(githooks::run(&path, &args.rest, input).map_err(|cause| HookError::Foreign { path, cause })?)
}

/// Judges what is staged; a base without a manifest says nothing of what is good.
fn commit(source: Source, settings: &Settings) -> super::Result {
    let manifest = domain::manifest(&source)?;
    let index = source::hook_index(source.root());
    let has_base = match source.commit("HEAD") {
        Ok(head) => source.has_file(&head, &manifest)?,
        Err(_) => false,
    };
    let mut question = question(GateName::Commit, &source, &manifest);
    if !has_base {
        let tree = source.staged(index.as_deref())?;
        if !source.has_file(&tree, &manifest)? {
            ui::print(&format!("NOTE: nothing is judged, as there is no {manifest}\n"));
            return Ok(ExitCode::Green);
        }
        let lone = source.lone_commit(&tree)?;
        (question.base, question.head) = (Some(lone.clone()), Some(lone));
    }
    question.index = index;
    judge(&Bench::take(&source, settings)?, &question, settings)
}

/// Judges every reference of a push; one that isn't green refuses all.
fn push(args: &Args, source: Source, input: &[u8], settings: &Settings) -> super::Result {
    let is_here = args.hook == Hook::Receive;
    let source = if is_here { source.with_incoming() } else { source };
    let updates = domain::updates(if is_here { Form::PreReceive } else { Form::PrePush }, input)?;
    let trunk = match args.rest.first() {
        _ if is_here => Trunk::here(&source, &updates)?,
        remote => Trunk::of_remote(&source, remote.map_or("origin", String::as_str)),
    };
    let manifest = domain::manifest(&source)?;
    let tags = tags(&updates);
    let (mut bench, mut refused) = (None, Vec::new());
    for update in &updates {
        let demand = domain::demand(update, &source, &trunk, &manifest)?;
        say(update, &demand, settings);
        let code = match demand {
            Demand::Pass(_) => ExitCode::Green,
            Demand::Refuse(_) => ExitCode::Red,
            Demand::Judge { commit, base } => {
                let bench = match &bench {
                    Some(bench) => bench,
                    None => bench.insert(Bench::take(&source, settings)?),
                };
                let name = args.gate.filter(|_| trunk.name.as_ref() == Some(&update.name)).unwrap_or(GateName::Push);
                let question = question(name, &source, &manifest);
                let question = Question { head: Some(commit), base: Some(base), pushed_tags: tags.clone(), ..question };
                judge(bench, &question, settings)?
            }
        };
        if code != ExitCode::Green {
            refused.push((update, code));
        }
    }
    conclude(&updates, &refused, settings);
    Ok(refused.first().map_or(ExitCode::Green, |(_, code)| *code))
}

/// What the push has of tags.
fn tags(updates: &[Update]) -> Vec<(String, String)> {
    let tag = |update: &Update| Some((update.name.strip_prefix("refs/tags/")?.to_owned(), update.new.clone()?));
    updates.iter().filter_map(tag).collect()
}

fn question(name: GateName, source: &Source, manifest: &Utf8Path) -> Question {
    let folder = manifest.parent().filter(|folder| !folder.as_str().is_empty());
    Question {
        name,
        base: None,
        head: None,
        role: None,
        dir: folder.map_or(source.root().to_owned(), |folder| source.root().join(folder)),
        source: source.clone(),
        index: None,
        pushed_tags: Vec::new(),
        reuse: true,
    }
}

fn judge(bench: &Bench, question: &Question, settings: &Settings) -> super::Result {
    let record = bench.judge(question)?;
    let detail = match settings.output.detail {
        Detail::Verbose => Detail::Verbose,
        _ => Detail::Quiet,
    };
    ui::print(&match settings.output.format {
        MessageFormat::Json => gate_json(&record),
        _ => gate_text(&record, detail),
    });
    Ok(record.verdict.exit_code())
}

fn say(update: &Update, demand: &Demand, settings: &Settings) {
    let name = one_line(&update.name);
    if settings.output.format == MessageFormat::Json {
        let (state, why) = match demand {
            Demand::Judge { .. } => ("judged", None),
            Demand::Pass(why) => ("not-judged", Some(*why)),
            Demand::Refuse(why) => ("refused", Some(*why)),
        };
        return ui::print(&json_line("push", &serde_json::json!({ "ref": name, "state": state, "why": why })));
    }
    ui::print(&match demand {
        Demand::Judge { commit, base } if commit == base => {
            format!("PUSH: {name}: {} by its own contract\n", short(commit))
        }
        Demand::Judge { commit, base } => format!("PUSH: {name}: {} onto {}\n", short(commit), short(base)),
        Demand::Pass(why) => format!("PUSH: {name}: not judged: {why}\n"),
        Demand::Refuse(why) => format!("ERROR: GATE - {name}: refused: {why}\n"),
    });
}

fn conclude(updates: &[Update], refused: &[(&Update, ExitCode)], settings: &Settings) {
    if settings.output.format == MessageFormat::Json || refused.is_empty() {
        return;
    }
    let names: Vec<String> = refused.iter().map(|(update, _)| one_line(&update.name)).collect();
    let all = counted(updates.len() as u64, "ref");
    ui::print(&format!("PUSH: refused, for {} of {all}: {}\n", names.len(), names.join(", ")));
}
