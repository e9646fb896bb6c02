//! `cargo harness hooks install|uninstall|status`: git hooks that call the gates, beside those of others.

use camino::{Utf8Path, Utf8PathBuf};

use super::{MessageFormat, Settings};
use crate::base::{ExitCode, Explain};
use crate::domain::gate::GateName;
use crate::domain::hooks::{self, Hook, Place, Said, State};
use crate::domain::report::json_line;
use crate::ports::source::Source;
use crate::ports::{env, fs};
use crate::ui;

/// What to do.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Put up `pre-commit` and `pre-push`; hooks that are there go on to run, and run first
    Install(Install),
    /// Take them down, and restore what was there before
    Uninstall,
    /// Say how they stand: exit code 1 where one is missing
    Status,
}

#[derive(Debug, clap::Args)]
struct Install {
    /// Only this one: pre-commit or pre-push
    #[arg(value_name = "HOOK", conflicts_with = "server")]
    only: Vec<Hook>,
    /// In a bare repository: `pre-receive`, which no pusher gets past
    #[arg(long)]
    server: bool,
    /// The gate for the default branch: push by default, or merge, nightly, release, weekly
    #[arg(long, value_name = "NAME", requires = "server")]
    gate: Option<GateName>,
}

/// The hook doesn't belong to this repository.
#[derive(Debug, thiserror::Error)]
enum Misplaced {
    #[error("nobody commits in a bare repository")]
    Bare,
    #[error("`--server` is for a bare repository, and {0} has a work tree")]
    WorkTree(Utf8PathBuf),
    #[error("`gate commit` judges what is staged, and nothing is in a push")]
    Gate,
    #[error("there is no Cargo.toml in {0} or above it, up to the repository's top")]
    NoManifest(Utf8PathBuf),
}

impl Explain for Misplaced {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Usage
    }

    fn hint(&self) -> Option<String> {
        match self {
            Misplaced::Bare => Some("`hooks install --server` puts up a hook for what is pushed to it".to_owned()),
            Misplaced::WorkTree(_) => Some("without it, the hooks are for commits and pushes from here".to_owned()),
            Misplaced::Gate => Some("name push or merge".to_owned()),
            Misplaced::NoManifest(_) => Some("name it: --manifest-path PATH".to_owned()),
        }
    }
}

/// Puts up, takes down or looks.
pub(crate) fn run(args: &Args, settings: &Settings) -> super::Result {
    let here = env::current_dir().map_err(super::NoFolder)?;
    let source = Source::at(&here)?;
    let place = Place::of(&source)?;
    match &args.verb {
        Verb::Install(install) => put_up(install, &source, &place, &here, settings),
        Verb::Uninstall => {
            let mut said = hooks::uninstall(&place, suitable(&source))?;
            hooks::keep_manifest(&source, None)?;
            said.retain(|hook| hook.state == State::Removed);
            tell(&said, settings);
            Ok(ExitCode::Green)
        }
        Verb::Status => {
            let said: Vec<Said> =
                suitable(&source).iter().map(|hook| hooks::status(&place, *hook)).collect::<Result<_, _>>()?;
            tell(&said, settings);
            let all = said.iter().all(|hook| hook.state == State::Installed);
            Ok(if all { ExitCode::Green } else { ExitCode::Red })
        }
    }
}

/// The hooks that such a repository can have.
fn suitable(source: &Source) -> &'static [Hook] {
    if source.is_bare() { &[Hook::Receive] } else { &[Hook::Commit, Hook::Push] }
}

fn put_up(install: &Install, source: &Source, place: &Place, here: &Utf8Path, settings: &Settings) -> super::Result {
    match (install.server, source.is_bare()) {
        (false, true) => return Err(Misplaced::Bare.into()),
        (true, false) => return Err(Misplaced::WorkTree(source.root().to_owned()).into()),
        _ if install.gate == Some(GateName::Commit) => return Err(Misplaced::Gate.into()),
        _ if install.only.contains(&Hook::Receive) => {
            return Err(Misplaced::WorkTree(source.root().to_owned()).into());
        }
        _ => {}
    }
    let manifest = manifest(source, here, settings)?;
    let wanted = if install.only.is_empty() { suitable(source) } else { &install.only };
    let said = hooks::install(place, wanted, install.gate)?;
    hooks::keep_manifest(source, manifest.as_deref())?;
    tell(&said, settings);
    Ok(ExitCode::Green)
}

/// Where a tree has its manifest, from its top. A bare repository has no tree to look at.
fn manifest(source: &Source, here: &Utf8Path, settings: &Settings) -> super::Result<Option<Utf8PathBuf>> {
    if source.is_bare() {
        return Ok(settings.manifest_path.clone());
    }
    let top = source.root();
    let start = here.canonicalize_utf8().unwrap_or_else(|_| here.to_owned());
    let above = || start.ancestors().map(|folder| folder.join("Cargo.toml")).take_while(|path| path.starts_with(top));
    let found = match &settings.manifest_path {
        Some(path) => Some(start.join(path)).filter(|path| fs::is_present(path)),
        // The workspace's own is the uppermost.
        None => above().filter(|path| fs::is_present(path)).last(),
    };
    let found = found.and_then(|path| path.canonicalize_utf8().ok());
    let found = found.and_then(|path| path.strip_prefix(top).map(Utf8Path::to_owned).ok());
    Ok(Some(found.ok_or(Misplaced::NoManifest(start))?))
}

fn tell(all: &[Said], settings: &Settings) {
    if settings.output.format == MessageFormat::Json {
        return ui::print(&all.iter().map(|said| json_line("hook", said)).collect::<String>());
    }
    let width = all.iter().map(|said| said.hook.len()).max().unwrap_or(0);
    let line = |said: &Said| {
        let after = said.after.as_ref().map(|path| format!(", after {path}")).unwrap_or_default();
        let detail = match said.state {
            State::Installed => format!("installed  {}{after}", said.file),
            State::Missing => "missing    put it up with `cargo harness hooks install`".to_owned(),
            State::Displaced => format!("displaced  {} is another one's now", said.file),
            State::Removed => format!("removed    {}", said.file),
        };
        format!("{:width$}  {detail}\n", said.hook)
    };
    ui::print(&all.iter().map(line).collect::<String>());
    let stays = |said: &&Said| said.with_lefthook && said.state == State::Installed;
    let with_lefthook: Vec<&Said> = all.iter().filter(stays).collect();
    if !with_lefthook.is_empty() {
        ui::print(&for_lefthook(&with_lefthook));
    }
}

/// Lefthook writes its hook files anew when its settings change. What it runs by itself stays.
fn for_lefthook(hooks: &[&Said]) -> String {
    let mut text =
        "NOTE: `lefthook install` would put its own hook back; what stays is this in lefthook.yml:\n".to_owned();
    for said in hooks {
        let more = if said.hook == Hook::Push.name() { " -- {1} {2}\n      use_stdin: true" } else { "" };
        let (name, run) = (said.hook, format!("cargo-harness hook {}{more}", said.hook));
        text.push_str(&format!("{name}:\n  jobs:\n    - name: harness\n      run: {run}\n"));
    }
    text
}
