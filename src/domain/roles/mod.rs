//! Roles: who may change which files, and how much at a time. The contract's, beside six that most repositories need.

mod codeowners;

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

pub(crate) use codeowners::{HEAD as CODEOWNERS_HEAD, codeowners};

use crate::base::text::one_line;
use crate::base::{ExitCode, Explain};
use crate::domain::contract::{Contract, Protect, Role};
use crate::ports::repository::Change;

/// The folder of the files that the queue itself writes.
const QUEUE: &str = "current_tasks";

/// There is no such role.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("there is no role `{wanted}`")]
pub(crate) struct NoSuchRole {
    wanted: String,
    known: Vec<String>,
}

impl Explain for NoSuchRole {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Usage
    }

    fn hint(&self) -> Option<String> {
        Some(format!("the roles are {}", self.known.join(", ")))
    }
}

/// All roles of a repository.
#[derive(Clone, Debug)]
pub(crate) struct Roles {
    roles: BTreeMap<String, Role>,
    protect: Protect,
}

/// One thing that a role may not do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Breach {
    /// Absent where the change as a whole is too large.
    pub(crate) path: Option<Utf8PathBuf>,
    pub(crate) why: String,
}

impl std::fmt::Display for Breach {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{}: {}", one_line(path.as_str()), self.why),
            None => f.write_str(&self.why),
        }
    }
}

impl Roles {
    /// Those of a contract; one named like a default replaces it.
    pub(crate) fn of(contract: &Contract) -> Roles {
        Roles { roles: contract.all_roles(), protect: contract.protect.clone().unwrap_or_default() }
    }

    /// Each with its name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Role)> {
        self.roles.iter().map(|(name, role)| (name.as_str(), role))
    }

    /// One by its name.
    ///
    /// # Errors
    /// There is none of that name.
    pub(crate) fn find(&self, name: &str) -> Result<&Role, NoSuchRole> {
        self.roles
            .get(name)
            .ok_or_else(|| NoSuchRole { wanted: name.to_owned(), known: self.roles.keys().cloned().collect() })
    }

    /// What is wrong with a change made in a role; without one, only that it touches what is somebody's alone. A rename is a deletion and
    /// a creation here, so that both ends count. The paths of the change are the repository's, whose workspace lies in the folder `root`.
    ///
    /// # Errors
    /// There is no such role.
    pub(crate) fn breaches(
        &self,
        name: Option<&str>,
        root: &Utf8Path,
        changes: &[Change],
        lines: u64,
    ) -> Result<Vec<Breach>, NoSuchRole> {
        let role = name.map(|name| self.find(name)).transpose()?;
        let mut found: Vec<Breach> = Vec::new();
        for change in changes.iter().filter(|change| !is_of_the_queue(root, &change.path)) {
            // What lies outside of the workspace matches no glob.
            let path = change.path.strip_prefix(root).unwrap_or("".into());
            let why = self
                .reserved(name, path)
                .or_else(|| role.zip(name).and_then(|(role, name)| outside(role, name, path, change)));
            found.extend(why.map(|why| Breach { path: Some(change.path.clone()), why }));
        }
        let most = role.and_then(|role| role.max_lines);
        if let Some(most) = most.filter(|most| lines > u64::from(*most)) {
            found.push(Breach { path: None, why: format!("{lines} changed lines, and the role may change {most}") });
        }
        Ok(found)
    }

    /// Why a file is somebody else's alone.
    fn reserved(&self, name: Option<&str>, path: &Utf8Path) -> Option<String> {
        let own = |other: &str| name == Some(other);
        let owner = self.roles.iter().find(|(other, role)| !own(other) && matches_any(&role.only, path));
        let shares = name.and_then(|name| self.roles.get(name)).is_some_and(|role| matches_any(&role.only, path));
        if let Some((owner, _)) = owner.filter(|_| !shares) {
            return Some(format!("only {owner} may change it"));
        }
        let is_protected = matches_any(&self.protect.files, path);
        let may = name.is_some_and(|name| self.protect.roles.iter().any(|role| role == name));
        (is_protected && !may).then(|| match self.protect.roles.as_slice() {
            [] => "it is protected".to_owned(),
            roles => format!("it is protected; only {} may change it", roles.join(", ")),
        })
    }
}

/// Whether a file of the repository is the queue's own; every role may see its own tasks come and go.
pub(crate) fn is_of_the_queue(root: &Utf8Path, path: &Utf8Path) -> bool {
    path.strip_prefix(root).is_ok_and(|path| path.starts_with(QUEUE))
}

fn outside(role: &Role, name: &str, path: &Utf8Path, change: &Change) -> Option<String> {
    const LINK: &str = "120000";
    const SUBMODULE: &str = "160000";
    if !role.may.is_empty() && !matches_any(&role.may, path) {
        return Some(format!("the role {name} may not change it"));
    }
    // Either could bring in content from where the role has no business.
    if change.new_mode == LINK {
        return Some("a symbolic link".to_owned());
    }
    [&change.old_mode, &change.new_mode].contains(&&SUBMODULE.to_owned()).then(|| "a submodule".to_owned())
}

/// Whether a path matches one of these globs. `src/**` is everything below `src`, a pattern that is none matches nothing.
pub(crate) fn matches_any(globs: &[String], path: &Utf8Path) -> bool {
    let options = glob::MatchOptions { require_literal_separator: true, ..glob::MatchOptions::new() };
    let matches =
        |pattern: &str| glob::Pattern::new(pattern).is_ok_and(|pattern| pattern.matches_with(path.as_str(), options));
    globs.iter().any(|glob| matches(glob) || (glob.ends_with("/**") && matches(&format!("{glob}/*"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(path: &str, old: &str, new: &str) -> Change {
        Change { path: path.into(), old_mode: old.to_owned(), new_mode: new.to_owned() }
    }

    fn roles(text: &str) -> Roles {
        Roles::of(&toml::from_str(text).unwrap())
    }

    fn said(roles: &Roles, name: Option<&str>, changes: &[Change], lines: u64) -> Vec<String> {
        let found = roles.breaches(name, "".into(), changes, lines).unwrap();
        let line = |breach: &Breach| format!("{}: {}", breach.path.as_deref().unwrap_or("*".into()), breach.why);
        found.iter().map(line).collect()
    }

    #[test]
    fn a_role_keeps_to_its_files_whatever_way_they_are_changed() {
        let roles = roles("[roles.miner]\nmay = [\"src/**\", \"tests/*.rs\"]\nmax-lines = 10");
        let changes = [
            change("src/a/b.rs", "100644", "100644"),
            change("tests/x.rs", "000000", "100644"),
            change("tests/golden/x.rs", "100644", "100644"),
            change("build.rs", "100644", "000000"),
            change("src/run.sh", "100644", "100755"),
            change("src/link", "000000", "120000"),
            change("src/module", "000000", "160000"),
            change("current_tasks/available/a.txt", "100644", "000000"),
        ];
        assert_eq!(
            said(&roles, Some("miner"), &changes, 11),
            [
                "tests/golden/x.rs: the role miner may not change it",
                "build.rs: the role miner may not change it",
                "src/link: a symbolic link",
                "src/module: a submodule",
                "*: 11 changed lines, and the role may change 10",
            ]
        );
        assert_eq!(said(&roles, None, &changes, 1_000_000), [""; 0]);
    }

    #[test]
    fn what_is_somebodys_alone_is_nobody_elses() {
        let roles = roles(
            "[protect]\nfiles = [\"Harness.toml\"]\nroles = [\"docs\"]\n[roles.sheriff]\nonly = [\"KNOWN_FAILURES.md\"]",
        );
        let changes = [change("KNOWN_FAILURES.md", "100644", "100644"), change("Harness.toml", "100644", "000000")];
        assert_eq!(
            said(&roles, Some("sheriff"), &changes, 1),
            ["Harness.toml: it is protected; only docs may change it"]
        );
        assert_eq!(said(&roles, None, &changes, 1).len(), 2);
        assert_eq!(said(&roles, Some("docs"), &changes, 1).len(), 2);
        assert!(
            roles.breaches(Some("nobody"), "".into(), &changes, 1).unwrap_err().hint().unwrap().contains("bug-miner")
        );
    }

    #[test]
    fn the_defaults_are_the_six_that_the_literature_names() {
        let names: Vec<String> = roles("").iter().map(|(name, _)| name.to_owned()).collect();
        let expected = ["bug-miner", "docs", "feature-implementer", "performance", "refactor", "regression-sheriff"];
        assert_eq!(names, expected);
        assert_eq!(said(&roles(""), Some("docs"), &[change("a/B.md", "000000", "100644")], 1), [""; 0]);
        assert_eq!(said(&roles(""), Some("docs"), &[change("README.md", "000000", "100644")], 1), [""; 0]);
        assert_eq!(said(&roles(""), Some("docs"), &[change("src/lib.rs", "100644", "100644")], 1).len(), 1);
    }
}
