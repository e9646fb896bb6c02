//! CODEOWNERS from the roles: what hosts enforce on pull requests.

use super::Roles;

/// How a file begins that was written so.
pub(crate) const HEAD: &str =
    "# Written by `cargo harness role codeowners`: who must agree to a change, from the roles of the contract.\n";

/// The text of a CODEOWNERS file, where each role is the team `prefix` + its name, such as `@org/bug-miner`. Of several lines that match, a
/// host takes the last: what is somebody's alone comes after what a role may change, and what is protected comes last.
pub(crate) fn codeowners(roles: &Roles, prefix: &str) -> String {
    let mut text = HEAD.to_owned();
    let mut line = |glob: &str, owners: &[&str]| {
        let owners: Vec<String> = owners.iter().map(|owner| format!("{prefix}{owner}")).collect();
        text.push_str(&format!("{} {}\n", pattern(glob), owners.join(" ")));
    };
    let mut globs: Vec<&str> = roles.iter().flat_map(|(_, role)| &role.may).map(String::as_str).collect();
    globs.sort_unstable();
    globs.dedup();
    for glob in globs {
        let may = |(name, role): (&'_ str, &crate::domain::contract::Role)| {
            role.may.iter().any(|own| own == glob).then(|| name.to_owned())
        };
        let owners: Vec<String> = roles.iter().filter_map(may).collect();
        line(glob, &owners.iter().map(String::as_str).collect::<Vec<_>>());
    }
    for (name, role) in roles.iter() {
        role.only.iter().for_each(|glob| line(glob, &[name]));
    }
    let protectors: Vec<&str> = roles.protect.roles.iter().map(String::as_str).collect();
    roles.protect.files.iter().for_each(|glob| line(glob, &protectors));
    text
}

/// A glob from the root, as these files write it: blanks are escaped, and a name without a slash would match at any depth.
fn pattern(glob: &str) -> String {
    let glob = glob.replace('\\', "\\\\").replace(' ', "\\ ").replace('#', "\\#").replace(char::is_control, "?");
    if glob.starts_with("**/") { glob } else { format!("/{glob}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_alone_comes_after_whoever_shares() {
        let contract = "[roles.docs]\nmay = [\"**/*.md\"]\n[roles.sheriff]\nmay = [\"src/**\"]\nonly = [\"KNOWN FAILURES.md\"]\n\
                        [protect]\nfiles = [\"Harness.toml\"]\nroles = [\"docs\"]";
        let roles = Roles::of(&toml::from_str(contract).unwrap());
        let text = codeowners(&roles, "@org/");
        let lines: Vec<&str> = text.lines().skip(1).collect();
        assert!(lines.contains(&"**/*.md @org/docs"), "{text}");
        assert!(lines.iter().any(|line| line.starts_with("/src/** ") && line.contains("@org/sheriff")), "{text}");
        assert_eq!(lines[lines.len() - 2..], ["/KNOWN\\ FAILURES.md @org/sheriff", "/Harness.toml @org/docs"]);
    }
}
