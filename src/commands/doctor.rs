//! `cargo harness doctor`: is everything here that the contract needs, in which version.

use camino::{Utf8Path, Utf8PathBuf};

use crate::base::ExitCode;
use crate::domain::contract::needs::{Need, Tool, need};
use crate::domain::contract::{self, Containment, Contract, Uses, uses_of};
use crate::domain::run::version;
use crate::ports::cargo::Workspace;
use crate::ports::sandbox::probe;
use crate::ports::{env, fs};
use crate::ui;

/// One thing looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Finding {
    /// It is there; its version, or what else there is to say.
    Ok { what: String, detail: String },
    /// It is needed and not there.
    Missing { what: String, why: String, hint: String },
    /// It isn't there, and something replaces it.
    Absent { what: String, why: String, hint: String },
}

/// Looks at tools, programs and folders and says a line of each.
pub(crate) fn run(manifest_path: Option<&Utf8Path>) -> super::Result {
    let workspace = Workspace::load(manifest_path)?;
    let loaded = contract::load(&workspace)?;
    let mut findings = tools(&workspace.root, &loaded.contract);
    findings.push(bubblewrap(&loaded.contract));
    findings.extend(programs(&workspace, &loaded.contract));
    findings.extend(folders(&workspace));
    ui::print(&findings.iter().map(Finding::text).collect::<String>());
    let lacking = findings.iter().any(|finding| matches!(finding, Finding::Missing { .. }));
    Ok(if lacking { ExitCode::Environment } else { ExitCode::Green })
}

impl Finding {
    fn text(&self) -> String {
        match self {
            Finding::Ok { what, detail } if detail.is_empty() => format!("ok      {what}\n"),
            Finding::Ok { what, detail } => format!("ok      {what} {detail}\n"),
            Finding::Missing { what, why, hint } => format!("MISSING {what}  {why}\nhint: {hint}\n"),
            Finding::Absent { what, why, hint } => format!("absent  {what}  optional: {why}\nhint: {hint}\n"),
        }
    }
}

/// What makes the sandbox whole.
fn bubblewrap(contract: &Contract) -> Finding {
    let hint = "install bubblewrap 0.8 or newer with the system's package manager, such as apt-get install bubblewrap";
    let (what, hint) = ("bubblewrap".to_owned(), hint.to_owned());
    match (probe::bubblewrap(), contract.sandbox.mode) {
        (Some(path), _) => Finding::Ok { what, detail: path.to_string() },
        (None, Containment::Required) => {
            Finding::Missing { what, why: "the contract requires the whole sandbox".to_owned(), hint }
        }
        (None, Containment::Auto) => {
            let why = "without it tests reach the network, and see that files and processes outside exist";
            Finding::Absent { what, why: why.to_owned(), hint }
        }
        (None, Containment::Off) => {
            Finding::Absent { what, why: "the contract switches the sandbox off".to_owned(), hint }
        }
    }
}

/// Each tool is asked in a thread of its own, since most of the answer's time is cargo finding the tool.
fn tools(root: &Utf8Path, contract: &Contract) -> Vec<Finding> {
    std::thread::scope(|scope| {
        let asked = Tool::ALL.map(|tool| (tool, scope.spawn(move || version(root, tool))));
        let answers = asked.map(|(tool, answer)| (tool, answer.join().ok().flatten()));
        answers.into_iter().map(|(tool, version)| tool_finding(tool, version, need(contract, tool))).collect()
    })
}

fn tool_finding(tool: Tool, version: Option<String>, need: Need) -> Finding {
    let (what, hint) = (tool.name().to_owned(), tool.how_to_install().to_owned());
    match (version, need) {
        (Some(detail), _) => Finding::Ok { what, detail },
        (None, Need::Required(why)) => Finding::Missing { what, why, hint },
        (None, Need::Optional(why)) => Finding::Absent { what, why, hint },
    }
}

/// The programs that the contract itself names, and the folders of external projects.
fn programs(workspace: &Workspace, contract: &Contract) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, step) in &contract.steps {
        let step = step.get_ref();
        if uses_of(contract, name) == Some(Uses::Command) {
            let dir = workspace.root.join(step.dir.as_deref().unwrap_or(Utf8Path::new("")));
            let program = step.run.iter().flatten().next();
            findings.extend(program.and_then(|program| look_for(workspace, program, &dir, &format!("step {name}"))));
        }
    }
    for build in contract.builds.iter().map(toml::Spanned::get_ref) {
        let dir = workspace.root.join(&build.dir);
        let by = format!("build {}", build.name);
        if !fs::is_dir(&dir) {
            let (what, why) = (format!("{}/", build.dir), format!("needed by {by}"));
            findings.push(Finding::Missing { what, why, hint: "fetch the project, or remove the build".to_owned() });
            continue;
        }
        let program = build.run.first();
        findings.extend(program.and_then(|program| look_for(workspace, program, &dir, &by)));
    }
    let mut seen = std::collections::HashSet::new();
    findings.retain(|finding| seen.insert(finding.text()));
    findings
}

/// A name is looked for on the path, a path from the folder it runs in. What the run itself will build can't be missed yet.
fn look_for(workspace: &Workspace, program: &str, dir: &Utf8Path, by: &str) -> Option<Finding> {
    let what = program.to_owned();
    let program = &program.replace("{root}", workspace.root.as_str());
    let there = if program.contains('/') {
        let path = dir.join(program);
        if path.starts_with(&workspace.target_dir) {
            return None;
        }
        fs::is_program(&path)
    } else {
        let path = env::var("PATH").unwrap_or_default();
        path.split(':').map(Utf8PathBuf::from).any(|folder| fs::is_program(&folder.join(program)))
    };
    Some(if there {
        Finding::Ok { what, detail: String::new() }
    } else {
        let hint = if program.contains('/') {
            "it is no program in that folder"
        } else {
            "install it, or add its folder to PATH"
        };
        Finding::Missing { what, why: format!("needed by {by}"), hint: hint.to_owned() }
    })
}

/// What every run takes for granted.
fn folders(workspace: &Workspace) -> [Finding; 2] {
    let target = &workspace.target_dir;
    let found = |there: bool, what: &str, why: &str, hint: &str| match there {
        true => Finding::Ok { what: what.to_owned(), detail: String::new() },
        false => Finding::Missing { what: what.to_owned(), why: why.to_owned(), hint: hint.to_owned() },
    };
    [
        found(
            fs::is_char_device(Utf8Path::new("/dev/null")),
            "/dev/null",
            "it is no character device, so that programs read back what others wrote there",
            "as root: rm -f /dev/null && mknod -m 666 /dev/null c 1 3",
        ),
        found(
            fs::is_writable(target),
            &format!("{target}/"),
            "it cannot be written",
            "make it writable for this user, or choose another with CARGO_TARGET_DIR",
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_tool_is_missed_as_much_as_it_is_needed() {
        let contract = Contract::default();
        let text = |tool: Tool, version: Option<&str>| {
            tool_finding(tool, version.map(str::to_owned), need(&contract, tool)).text()
        };
        assert_eq!(text(Tool::Nextest, Some("0.9.143")), "ok      cargo-nextest 0.9.143\n");
        assert_eq!(
            text(Tool::Rustfmt, None),
            "MISSING rustfmt  needed by step fmt\nhint: rustup component add rustfmt\n"
        );
        assert_eq!(
            text(Tool::Mutants, None),
            "absent  cargo-mutants  optional: no step uses it\nhint: cargo install --locked cargo-mutants\n"
        );
    }
}
