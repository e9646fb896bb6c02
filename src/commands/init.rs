//! `cargo harness init`: writes what is missing of contract, state files and ignore rules, and nothing that is there.

use camino::{Utf8Path, Utf8PathBuf};
use cargo_metadata::Package;

use crate::base::{ExitCode, Explain};
use crate::domain::contract::scaffold::{self, Findings};
use crate::domain::contract::{self, Source};
use crate::ports::cargo::Workspace;
use crate::ports::fs;
use crate::ui;

/// A file that can't be written where it belongs.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct InitError(#[from] fs::FsError);

impl Explain for InitError {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Environment
    }

    fn hint(&self) -> Option<String> {
        match self.0.kind() {
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                Some("make the workspace's folder writable for this user".to_owned())
            }
            _ => self.0.hint(),
        }
    }
}

/// Writes file after file and says of each what became of it.
pub(crate) fn run(manifest_path: Option<&Utf8Path>) -> super::Result {
    let workspace = Workspace::load(manifest_path)?;
    let done = match contract::load(&workspace)?.source {
        Source::Default | Source::File => {
            write(&workspace, "Harness.toml", || scaffold::contract(&findings(&workspace)))?;
            "`[done]` of `Harness.toml`"
        }
        source @ (Source::WorkspaceMetadata | Source::PackageMetadata) => {
            say("kept", &format!("{source}: no Harness.toml beside it"));
            "the contract in `Cargo.toml`"
        }
    };
    write(&workspace, "PROGRESS.md", || scaffold::progress(done))?;
    write(&workspace, "KNOWN_FAILURES.md", || scaffold::KNOWN_FAILURES.to_owned())?;
    keep_folder(&workspace, "current_tasks/available")?;
    ignore_target(&workspace)?;
    Ok(ExitCode::Green)
}

/// Writes a file of the workspace unless something is there by its name.
fn write(workspace: &Workspace, name: &str, text: impl FnOnce() -> String) -> Result<(), InitError> {
    let path = workspace.root.join(name);
    let written = !fs::is_present(&path) && fs::create_whole(&path, text().as_bytes())?;
    say(if written { "wrote" } else { "kept" }, name);
    Ok(())
}

/// Git keeps no empty folders.
fn keep_folder(workspace: &Workspace, folder: &str) -> Result<(), InitError> {
    let name = format!("{folder}/.gitkeep");
    let path = workspace.root.join(folder);
    let present = fs::names(&path)?;
    if present.is_empty() {
        fs::create_dir(&path)?;
        return write(workspace, &name, String::new);
    }
    say("kept", if present.iter().any(|name| name == ".gitkeep") { &name } else { folder });
    Ok(())
}

/// The target folder is ignored, unless it lies elsewhere.
fn ignore_target(workspace: &Workspace) -> Result<(), InitError> {
    const NAME: &str = ".gitignore";
    let path = workspace.root.join(NAME);
    let Ok(target) = workspace.target_dir.strip_prefix(&workspace.root) else {
        say("kept", &format!("{NAME}: the target folder lies outside"));
        return Ok(());
    };
    let present = fs::read_text_if_present(&path)?;
    match scaffold::ignore_rule(present.as_deref().unwrap_or_default(), &format!("/{target}")) {
        Some(rule) if present.is_some() => {
            fs::append_bytes(&path, rule.as_bytes())?;
            say("wrote", NAME);
            Ok(())
        }
        Some(rule) => write(workspace, NAME, || rule),
        None => {
            say("kept", NAME);
            Ok(())
        }
    }
}

fn say(what: &str, name: &str) {
    ui::print(&format!("{what} {name}\n"));
}

/// Libraries whose presence among a member's dependencies means property tests.
const PROPERTY_LIBRARIES: [&str; 2] = ["proptest", "quickcheck"];
/// Folders whose content decides about verdicts.
const TRUSTED: [&str; 2] = [".github", "tests/golden"];

fn findings(workspace: &Workspace) -> Findings {
    let root = &workspace.root;
    let is_property_tested = |member: &&Package| {
        member.dependencies.iter().any(|dependency| PROPERTY_LIBRARIES.contains(&dependency.name.as_str()))
    };
    let mut fuzz: Vec<Utf8PathBuf> = std::iter::once(root.as_path())
        .chain(workspace.packages.iter().filter_map(|member| member.manifest_path.parent()))
        .map(|folder| folder.join("fuzz"))
        .filter(|folder| fs::is_present(&folder.join("Cargo.toml")))
        .filter_map(|folder| Some(folder.strip_prefix(root).ok()?.to_owned()))
        .collect();
    fuzz.sort();
    fuzz.dedup();
    let corpora = fs::names(&root.join("corpus")).unwrap_or_default().into_iter();
    Findings {
        members: workspace.packages.len(),
        property_tested: workspace.packages.iter().filter(is_property_tested).map(|p| p.name.to_string()).collect(),
        fuzz,
        corpora: corpora
            .map(|name| Utf8PathBuf::from("corpus").join(name))
            .filter(|folder| fs::is_dir(&root.join(folder)))
            .collect(),
        trusted: TRUSTED
            .iter()
            .filter(|folder| fs::is_dir(&root.join(folder)))
            .map(|folder| format!("{folder}/**"))
            .collect(),
    }
}
