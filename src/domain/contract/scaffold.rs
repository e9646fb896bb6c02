//! The texts that `init` writes: a contract fitted to what is there, the state files, the ignore rules.

use camino::Utf8PathBuf;

/// What stands in a workspace, as far as a first contract depends on it. Paths are relative to its root.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings {
    /// How many packages are members.
    pub(crate) members: usize,
    /// The members that use a property testing library.
    pub(crate) property_tested: Vec<String>,
    /// Folders with fuzz targets.
    pub(crate) fuzz: Vec<Utf8PathBuf>,
    /// Folders of real external projects.
    pub(crate) corpora: Vec<Utf8PathBuf>,
    /// Files that decide about verdicts, as globs, beyond the contract itself.
    pub(crate) trusted: Vec<String>,
}

/// `Harness.toml`.
pub(crate) fn contract(findings: &Findings) -> String {
    let sections =
        [head(findings), run(), tiers(findings), fuzz(findings), builds(findings), later(findings)].into_iter();
    sections.filter(|section| !section.is_empty()).collect::<Vec<_>>().join("\n")
}

/// `PROGRESS.md`; `contract` is where the contract stands.
pub(crate) fn progress(contract: &str) -> String {
    format!(
        "# Progress\n\n\
         What is done, what is broken, what comes next. Whoever ends a session brings it up to date.\n\n\
         ## Current Status\n\n\
         - Not verified yet: `cargo harness full` says which tiers are green\n\n\
         ## Next Tasks (priority order)\n\n\
         1. Run `cargo harness full` and bring the lowest red tier to green\n\
         2. Write the definition of done into {contract}\n"
    )
}

/// `KNOWN_FAILURES.md`.
pub(crate) const KNOWN_FAILURES: &str = "# Known Failures\n\n\
    What was tried and did not work, and why, so that nobody tries it again. Newest first.\n\n\
    <!-- An entry, headed by the failure's id where it has one:\n\n\
    ## t-1a2b3c4d parser::string_literal\n\n\
    - Tried: what was changed\n\
    - Result: what happened, with the REPRO line\n\
    - Why: the cause, as far as it is known\n\n\
    -->\n";

/// What to add to `.gitignore` so that `rule`, such as `/target`, holds; nothing where it does already.
pub(crate) fn ignore_rule(gitignore: &str, rule: &str) -> Option<String> {
    let bare = rule.trim_matches('/');
    let same = |line: &str| {
        let pattern = line.trim_end();
        pattern.strip_prefix("**/").unwrap_or(pattern).trim_end_matches("/**").trim_matches('/') == bare
    };
    if gitignore.lines().any(same) {
        return None;
    }
    let end = if gitignore.contains("\r\n") { "\r\n" } else { "\n" };
    let gap = if gitignore.is_empty() || gitignore.ends_with('\n') { "" } else { end };
    Some(format!("{gap}{rule}{end}"))
}

fn head(findings: &Findings) -> String {
    let what = match findings.members {
        0 | 1 => "this package".to_owned(),
        n => format!("this workspace of {n} packages"),
    };
    format!(
        "# What {what} asks of `cargo harness`. Every key has a default:\n\
         # `cargo harness contract` prints them all, `cargo harness contract --schema` says what each means.\n"
    )
}

fn run() -> String {
    "[run]\n\
     seed = 24301           # every source of randomness is seeded from it\n\
     test-timeout = \"60s\"   # after so long a test is stopped and has failed\n\
     step-timeout = \"10m\"   # after so long a step is stopped and the run ends\n"
        .to_owned()
}

fn tiers(findings: &Findings) -> String {
    let properties = match findings.property_tested.as_slice() {
        [] => "no property tests found yet: add proptest".to_owned(),
        names => format!("property tests in {}", listed(names)),
    };
    let fuzz = match findings.fuzz.as_slice() {
        [] => "no fuzz targets yet: cargo fuzz init".to_owned(),
        folders => format!("fuzz targets in {}", listed(folders)),
    };
    let quoted = fuzz_steps(findings.fuzz.len()).map(|step| format!("\"{step}\""));
    let fuzz_steps = quoted.collect::<Vec<_>>().join(", ");
    format!(
        "[tiers]                # a red tier stops the climb; one with nothing to run is shown as none\n\
         0 = [\"fmt\", \"clippy\"]\n\
         1 = [\"unit\", \"doc\"]\n\
         2 = [\"prop\", {fuzz_steps}]   # {properties}; {fuzz}\n\
         3 = [\"diff\"]           # against an oracle\n\
         4 = [\"builds\"]         # the [[builds]] of real external projects\n\
         5 = [\"system\"]         # the [[builds]] with tier = 5\n"
    )
}

/// The step for each folder with fuzz targets: the built-in one looks in `fuzz/`.
fn fuzz(findings: &Findings) -> String {
    let step = |(name, folder): (String, &Utf8PathBuf)| {
        let dir = toml::Value::from(folder.as_str());
        format!("[steps.{name}]\nuses = \"fuzz\"\ndir = {dir}\n")
    };
    match findings.fuzz.as_slice() {
        [only] if only == "fuzz" => String::new(),
        folders => fuzz_steps(folders.len()).zip(folders).map(step).collect::<Vec<_>>().join("\n"),
    }
}

/// `fuzz`, `fuzz-2` and so on; there is always the first.
fn fuzz_steps(folders: usize) -> impl Iterator<Item = String> {
    (1..=folders.max(1)).map(|n| if n == 1 { "fuzz".to_owned() } else { format!("fuzz-{n}") })
}

/// How an external project is built can't be guessed, so these wait for a person.
fn builds(findings: &Findings) -> String {
    let build = |folder: &Utf8PathBuf| {
        let name = folder.file_name().unwrap_or("name").replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        format!(
            "#[[builds]]            # say how it is built, then remove the marks\n\
             #name = \"{}\"\n\
             #dir = {}\n\
             #run = [\"make\", \"test\"]\n",
            if name.trim_matches('-').is_empty() { "project" } else { name.trim_matches('-') },
            toml::Value::from(folder.as_str())
        )
    };
    let fits_a_comment = |folder: &&Utf8PathBuf| !folder.as_str().contains(char::is_control);
    findings.corpora.iter().filter(fits_a_comment).map(build).collect::<Vec<_>>().join("\n")
}

/// Sections that only their owner can fill in stay comments.
fn later(findings: &Findings) -> String {
    let globs = std::iter::once("Harness.toml").chain(findings.trusted.iter().map(String::as_str));
    let files = toml::Value::Array(globs.map(toml::Value::from).collect());
    format!(
        "#[done]                # the definition of done\n\
         #tiers = \"0-3\"\n\n\
         #[protect]             # what only named roles may change\n\
         #files = {files}\n"
    )
}

fn listed(names: &[impl AsRef<str>]) -> String {
    let shown: Vec<&str> = names.iter().take(3).map(AsRef::as_ref).collect();
    let more = names.len() - shown.len();
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{rest}", shown.join(", ").replace(char::is_control, "?"))
}

#[cfg(test)]
mod tests {
    use super::super::load::{Document, Source, interpret};
    use super::*;
    use proptest::prelude::*;

    fn loads(text: &str) -> Result<(), String> {
        let document = Document { path: "Harness.toml".to_owned(), text: text.to_owned() };
        let table = document.parse().map_err(|error| error.to_string())?;
        interpret(Source::File, &document, &table).map(drop).map_err(|error| error.to_string())
    }

    /// The same text with the marks removed that a person would remove.
    fn switched_on(text: &str) -> String {
        let line = |line: &str| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with(' ') => rest.to_owned(),
            _ => line.to_owned(),
        };
        text.lines().map(line).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_contract_is_fitted_to_what_is_there() {
        let findings = Findings {
            members: 3,
            property_tested: vec!["core".to_owned()],
            fuzz: vec!["crates/core/fuzz".into()],
            corpora: vec!["corpus/lua".into()],
            trusted: vec![".github/**".to_owned()],
        };
        insta::assert_snapshot!(contract(&findings), @r##"
        # What this workspace of 3 packages asks of `cargo harness`. Every key has a default:
        # `cargo harness contract` prints them all, `cargo harness contract --schema` says what each means.

        [run]
        seed = 24301           # every source of randomness is seeded from it
        test-timeout = "60s"   # after so long a test is stopped and has failed
        step-timeout = "10m"   # after so long a step is stopped and the run ends

        [tiers]                # a red tier stops the climb; one with nothing to run is shown as none
        0 = ["fmt", "clippy"]
        1 = ["unit", "doc"]
        2 = ["prop", "fuzz"]   # property tests in core; fuzz targets in crates/core/fuzz
        3 = ["diff"]           # against an oracle
        4 = ["builds"]         # the [[builds]] of real external projects
        5 = ["system"]         # the [[builds]] with tier = 5

        [steps.fuzz]
        uses = "fuzz"
        dir = "crates/core/fuzz"

        #[[builds]]            # say how it is built, then remove the marks
        #name = "lua"
        #dir = "corpus/lua"
        #run = ["make", "test"]

        #[done]                # the definition of done
        #tiers = "0-3"

        #[protect]             # what only named roles may change
        #files = ["Harness.toml", ".github/**"]
        "##);
    }

    #[test]
    fn rules_that_hold_already_are_not_added() {
        for held in ["/target", "target", "target/", "a\n**/target/\n", "/target/**\n", "target \r\n"] {
            assert_eq!(ignore_rule(held, "/target"), None, "{held:?}");
        }
        for (text, added) in [
            ("", "/target\n"),
            ("*.o\n", "/target\n"),
            ("*.o", "\n/target\n"),
            ("*.o\r\n", "/target\r\n"),
            ("#/target\n!/target\n/targets\n", "/target\n"),
        ] {
            assert_eq!(ignore_rule(text, "/target").as_deref(), Some(added), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_found_the_contract_loads(
            members in 0usize..9,
            property_tested in proptest::collection::vec("[a-z_-]{1,9}", 0..6),
            fuzz in proptest::collection::vec("[a-z]{1,5}/[a-z \n\"\\\\]{1,9}", 0..3),
            corpora in proptest::collection::vec("corpus/[a-z é][a-z .\n\"é]{0,9}", 0..3),
            trusted in proptest::collection::vec("[a-z\"]{1,5}/\\*\\*", 0..3),
        ) {
            let paths = |texts: Vec<String>| texts.into_iter().map(Utf8PathBuf::from).collect::<Vec<_>>();
            let (fuzz, mut corpora) = (paths(fuzz), paths(corpora));
            corpora.truncate(1);
            let text = contract(&Findings { members, property_tested, fuzz, corpora, trusted });
            prop_assert_eq!(loads(&text), Ok(()));
            prop_assert_eq!(loads(&switched_on(&text)), Ok(()));
        }

        #[test]
        fn a_rule_once_added_is_not_added_again(text in "[a-z/#!*\r\n]{0,30}") {
            if let Some(added) = ignore_rule(&text, "/target") {
                prop_assert_eq!(ignore_rule(&(text + &added), "/target"), None);
            }
        }
    }
}
