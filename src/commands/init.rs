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
    let source = contract::load(&workspace)?.source;
    let mut scaffolding = Scaffolding { workspace: &workspace, said: String::new() };
    let result = scaffolding.put_up(source);
    ui::print(&scaffolding.said);
    result?;
    Ok(ExitCode::Green)
}

struct Scaffolding<'a> {
    workspace: &'a Workspace,
    /// A line for each file, those before an error included.
    said: String,
}

impl Scaffolding<'_> {
    fn put_up(&mut self, source: Source) -> Result<(), InitError> {
        let done = match source {
            Source::Default | Source::File => {
                self.write("Harness.toml", || scaffold::contract(&findings(self.workspace)))?;
                "`[done]` of `Harness.toml`"
            }
            Source::WorkspaceMetadata | Source::PackageMetadata => {
                self.say("kept", &format!("{source}: no Harness.toml beside it"));
                "the contract in `Cargo.toml`"
            }
        };
        self.write("PROGRESS.md", || scaffold::progress(done))?;
        self.write("KNOWN_FAILURES.md", || scaffold::KNOWN_FAILURES.to_owned())?;
        self.keep_folder("current_tasks/available")?;
        self.ignore_target()
    }

    /// Writes a file of the workspace unless something is there by its name.
    fn write(&mut self, name: &str, text: impl FnOnce() -> String) -> Result<(), InitError> {
        let path = self.workspace.root.join(name);
        let written = !fs::is_present(&path) && fs::create_whole(&path, text().as_bytes())?;
        self.say(if written { "wrote" } else { "kept" }, name);
        Ok(())
    }

    /// Git keeps no empty folders.
    fn keep_folder(&mut self, folder: &str) -> Result<(), InitError> {
        let name = format!("{folder}/.gitkeep");
        let path = self.workspace.root.join(folder);
        let present = fs::names(&path)?;
        if present.is_empty() {
            fs::create_dir(&path)?;
            return self.write(&name, String::new);
        }
        self.say("kept", if present.iter().any(|name| name == ".gitkeep") { &name } else { folder });
        Ok(())
    }

    /// The target folder is ignored, unless it lies elsewhere.
    fn ignore_target(&mut self) -> Result<(), InitError> {
        const NAME: &str = ".gitignore";
        let path = self.workspace.root.join(NAME);
        let Ok(target) = self.workspace.target_dir.strip_prefix(&self.workspace.root) else {
            self.say("kept", &format!("{NAME}: the target folder lies outside"));
            return Ok(());
        };
        let present = fs::read_text_if_present(&path)?;
        match scaffold::ignore_rule(present.as_deref().unwrap_or_default(), &format!("/{target}")) {
            Some(rule) if present.is_some() => {
                fs::append_bytes(&path, rule.as_bytes())?;
                self.say("wrote", NAME);
            }
            Some(rule) => self.write(NAME, || rule)?,
            None => self.say("kept", NAME),
        }
        Ok(())
    }

    fn say(&mut self, what: &str, name: &str) {
        self.said.push_str(&format!("{what} {name}\n"));
    }
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

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the tests lay out workspaces of their own")]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn tree(folder: &Utf8Path) -> BTreeMap<Utf8PathBuf, String> {
        let mut files = BTreeMap::new();
        for entry in folder.read_dir_utf8().unwrap().map(|entry| entry.unwrap().into_path()) {
            if entry.is_dir() {
                files.extend(tree(&entry));
            } else {
                files.insert(entry.clone(), std::fs::read_to_string(&entry).unwrap());
            }
        }
        files
    }

    fn put_up(root: &Utf8Path, source: Source) -> (Result<(), InitError>, String) {
        let workspace =
            Workspace { root: root.to_owned(), target_dir: root.join("target"), build_dir: None, packages: Vec::new() };
        let mut scaffolding = Scaffolding { workspace: &workspace, said: String::new() };
        (scaffolding.put_up(source), scaffolding.said)
    }

    fn folder() -> (tempfile::TempDir, Utf8PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        (folder, root)
    }

    #[test]
    fn run_twice_it_changes_nothing_and_keeps_what_a_person_wrote() {
        let (_held, root) = folder();
        std::fs::write(root.join("PROGRESS.md"), "mine").unwrap();
        std::fs::write(root.join(".gitignore"), "*.o").unwrap();
        let (first, said) = put_up(&root, Source::Default);
        first.unwrap();
        insta::assert_snapshot!(said, @r"
        wrote Harness.toml
        kept PROGRESS.md
        wrote KNOWN_FAILURES.md
        wrote current_tasks/available/.gitkeep
        wrote .gitignore
        ");
        let before = tree(&root);
        assert_eq!(before[&root.join("PROGRESS.md")], "mine");
        assert_eq!(before[&root.join(".gitignore")], "*.o\n/target\n");
        let (second, said) = put_up(&root, Source::File);
        second.unwrap();
        assert!(said.lines().all(|line| line.starts_with("kept ")), "{said}");
        assert_eq!(tree(&root), before);
    }

    #[test]
    fn beside_a_contract_in_cargo_metadata_no_second_one_is_written() {
        let (_held, root) = folder();
        let (result, said) = put_up(&root, Source::WorkspaceMetadata);
        result.unwrap();
        assert!(said.starts_with("kept [workspace.metadata.harness] in Cargo.toml: no Harness.toml beside it\n"));
        assert!(!root.join("Harness.toml").exists());
    }

    #[test]
    fn a_file_in_the_way_is_one_clear_error_after_what_was_done() {
        let (_held, root) = folder();
        std::fs::write(root.join("current_tasks"), "").unwrap();
        let (result, said) = put_up(&root, Source::Default);
        let message = result.unwrap_err().to_string();
        assert!(message.contains("current_tasks/available: Not a directory"), "{message}");
        assert_eq!(said.lines().count(), 3);
    }
}
