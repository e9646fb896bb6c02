//! Nextest's files: the profile that the harness gives it, the report that it writes, the repository's own configuration.

use std::collections::BTreeMap;

use camino::Utf8Path;

use super::context::{Context, RunError};
use super::judge::Reported;
use super::tests_step;
use crate::domain::record::TestName;
use crate::ports::fs;

/// The harness's profile adds a report to the repository's default profile and changes nothing else.
const PROFILE: &str = "cargo-harness";

const CONFIG: &str = ".config/nextest.toml";

/// Writes the profile and gives its name, which is none that the repository defines itself: its own would win.
///
/// # Errors
/// Where the file can't be written.
pub(super) fn write_tool_config(run: &Context<'_>, path: &Utf8Path, junit: &Utf8Path) -> Result<String, RunError> {
    let own = repository_config(&run.workspace.root);
    let taken = |name: &str| own.as_ref().and_then(|c| c.get("profile")?.get(name)).is_some();
    let mut name = PROFILE.to_owned();
    while taken(&name) {
        name.push('-');
    }
    let mut junit_table = toml::Table::new();
    junit_table.insert("path".into(), junit.as_str().into());
    junit_table.insert("store-success-output".into(), false.into());
    junit_table.insert("store-failure-output".into(), false.into());
    let nest = |key: &str, inner: toml::Table| toml::Table::from_iter([(key.to_owned(), toml::Value::Table(inner))]);
    let config = nest("profile", nest(&name, nest("junit", junit_table)));
    fs::replace(path, config.to_string().as_bytes())?;
    Ok(name)
}

/// Whether the repository's configuration hides tests by filters of its own.
pub(super) fn default_filters(root: &Utf8Path) -> bool {
    mentions(root, &["default-filter"])
}

/// Whether the repository's configuration decides what runs, beside what and after what, so that nobody but nextest can run its tests
/// as they are meant to be.
pub(super) fn decides(root: &Utf8Path) -> bool {
    let unreadable = fs::is_present(&root.join(CONFIG)) && repository_config(root).is_none();
    unreadable || mentions(root, &["default-filter", "test-groups", "test-group", "scripts", "setup", "run-wrapper"])
}

fn mentions(root: &Utf8Path, keys: &[&str]) -> bool {
    fn within(value: &toml::Value, keys: &[&str]) -> bool {
        match value {
            toml::Value::Table(table) => {
                table.iter().any(|(key, value)| keys.contains(&key.as_str()) || within(value, keys))
            }
            toml::Value::Array(values) => values.iter().any(|value| within(value, keys)),
            _ => false,
        }
    }
    repository_config(root).is_some_and(|config| within(&toml::Value::Table(config), keys))
}

fn repository_config(root: &Utf8Path) -> Option<toml::Table> {
    fs::read_text(&root.join(CONFIG)).ok()?.parse().ok()
}

/// What nextest's report says of each test; nothing where there is no whole report.
pub(super) fn read_junit(path: &Utf8Path) -> Option<BTreeMap<TestName, Reported>> {
    let report = quick_junit::Report::deserialize_from_str(&fs::read_text(path).ok()?).ok()?;
    let mut tests = BTreeMap::new();
    for suite in report.test_suites {
        for case in suite.test_cases {
            let test = TestName { binary: suite.name.as_str().to_owned(), name: case.name.as_str().to_owned() };
            tests.extend(tests_step::reported(&case.status).map(|reported| (test, reported)));
        }
    }
    Some(tests)
}
