//! Manifests compared by what they mean to a verdict: a new dependency is no finding, a test target that is switched off is one.

use toml::{Table, Value};

/// What two manifests differ in that a change may not decide for itself.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    /// Keys, each with what became of it.
    pub(super) found: Vec<(String, String)>,
    /// The head's manifest with the base's values of those keys; nothing where it can be taken as it is.
    pub(super) hardened: Option<String>,
}

/// Tables that count as a whole.
const WHOLE: [&str; 4] = ["profile", "patch", "replace", "lints"];
/// Keys of a table that count.
const PACKAGE: [&str; 6] = ["build", "autobins", "autotests", "autoexamples", "autobenches", "workspace"];
const TARGET: [&str; 6] = ["test", "doctest", "harness", "path", "required-features", "name"];
const WORKSPACE: [&str; 3] = ["exclude", "default-members", "lints"];
/// Kinds of targets that a manifest lists.
const TARGETS: [&str; 4] = ["bin", "test", "example", "bench"];
const DEPENDENCIES: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];
/// What a target is switched off by.
const SWITCHES: [&str; 3] = ["test", "harness", "doctest"];
/// What says where a dependency comes from, or which one it is.
const ORIGIN: [&str; 7] = ["path", "git", "branch", "rev", "tag", "registry", "package"];

/// Compares a manifest with that of the base.
pub(super) fn compare(base: &str, head: &str) -> Comparison {
    let (Ok(base), Ok(head)) = (toml::from_str::<Table>(base), toml::from_str::<Table>(head)) else {
        // A manifest that is none makes the ladder red by itself.
        return Comparison::default();
    };
    let mut found = Vec::new();
    let mut judged = head;
    let mut whole = |table: &mut Table, base: &Table, header: &str, keys: &[&str]| {
        for key in keys {
            if table.get(*key) != base.get(*key) {
                found.push((format!("{header}{key}"), change(base.get(*key), table.get(*key))));
                put(table, key, base.get(*key).cloned());
            }
        }
    };
    whole(&mut judged, &base, "", &WHOLE);
    for (header, keys) in [("package", PACKAGE.as_slice()), ("lib", &TARGET), ("workspace", &WORKSPACE)] {
        let empty = Table::new();
        let before = base.get(header).and_then(Value::as_table).unwrap_or(&empty);
        if let Some(now) = judged.get_mut(header).and_then(Value::as_table_mut) {
            whole(now, before, &format!("{header}."), keys);
            own_contract(now, before, header, &mut whole);
        } else if base.contains_key(header) {
            found.push((header.to_owned(), "removed".to_owned()));
            put(&mut judged, header, base.get(header).cloned());
            return finish(found, judged);
        }
    }
    targets(&base, &mut judged, &mut found);
    features(&base, &mut judged, &mut found);
    members(&base, &mut judged, &mut found);
    dependencies(&base, &mut judged, "", &mut found);
    if let Some(before) = base.get("workspace").and_then(Value::as_table)
        && let Some(now) = judged.get_mut("workspace").and_then(Value::as_table_mut)
    {
        dependencies(before, now, "workspace.", &mut found);
    }
    finish(found, judged)
}

fn finish(found: Vec<(String, String)>, judged: Table) -> Comparison {
    let hardened = if found.is_empty() { None } else { toml::to_string(&judged).ok() };
    Comparison { found, hardened }
}

/// A contract in a manifest.
fn own_contract(
    now: &mut Table,
    before: &Table,
    header: &str,
    whole: &mut impl FnMut(&mut Table, &Table, &str, &[&str]),
) {
    let empty = Table::new();
    let of = |table: &Table| table.get("metadata").and_then(Value::as_table).cloned();
    let base = of(before).unwrap_or(empty);
    let mut metadata = of(now).unwrap_or_default();
    if metadata.get("harness") != base.get("harness") || metadata.get("nextest") != base.get("nextest") {
        whole(&mut metadata, &base, &format!("{header}.metadata."), &["harness", "nextest"]);
        now.insert("metadata".to_owned(), Value::Table(metadata));
    }
}

fn put(table: &mut Table, key: &str, value: Option<Value>) {
    match value {
        Some(value) => drop(table.insert(key.to_owned(), value)),
        None => drop(table.remove(key)),
    }
}

fn change(before: Option<&Value>, now: Option<&Value>) -> String {
    let brief = |value: Option<&Value>| match value {
        None => "none".to_owned(),
        Some(Value::Table(_)) => "a table".to_owned(),
        Some(value) => crate::base::text::capped(&value.to_string().replace('\n', " "), 60),
    };
    match (before, now) {
        (Some(Value::Table(_)), Some(Value::Table(_))) => "changed".to_owned(),
        _ => format!("{} before, {} now", brief(before), brief(now)),
    }
}

fn name_of(target: &Value) -> Option<&str> {
    target.as_table()?.get("name")?.as_str()
}

/// Targets that the base lists stay as they are; new ones may not be switched off.
fn targets(base: &Table, head: &mut Table, found: &mut Vec<(String, String)>) {
    let of = |table: &Table, kind: &str| table.get(kind).and_then(Value::as_array).cloned().unwrap_or_default();
    for kind in TARGETS {
        let (before, mut now) = (of(base, kind), of(head, kind));
        let count = found.len();
        for old in &before {
            let name = name_of(old).unwrap_or_default();
            match now.iter_mut().find(|target| name_of(target) == name_of(old)) {
                None => {
                    found.push((format!("{kind}.{name}"), "removed".to_owned()));
                    now.push(old.clone());
                }
                Some(new) => {
                    let differs = |key: &&&str| new.get(**key) != old.get(**key);
                    if let Some(key) = TARGET.iter().find(differs) {
                        found.push((format!("{kind}.{name}.{key}"), change(old.get(*key), new.get(*key))));
                        *new = old.clone();
                    }
                }
            }
        }
        now.retain(|target| {
            let is_new = !before.iter().any(|old| name_of(old) == name_of(target));
            let off = |key: &&&str| target.get(**key).is_some_and(|value| value.as_bool() == Some(false));
            let switched_off = SWITCHES.iter().find(off);
            let key = switched_off.or(target.get("required-features").map(|_| &"required-features"));
            let Some(key) = key.filter(|_| is_new && kind != "bench") else { return true };
            found.push((
                format!("{kind}.{}.{key}", name_of(target).unwrap_or_default()),
                change(None, target.get(*key)),
            ));
            false
        });
        if found.len() > count {
            put(head, kind, (!now.is_empty()).then_some(Value::Array(now)));
        }
    }
}

/// New features and more in one are fine, the default ones and what is taken away are not.
fn features(base: &Table, head: &mut Table, found: &mut Vec<(String, String)>) {
    let before = base.get("features").and_then(Value::as_table).cloned().unwrap_or_default();
    let mut now = head.get("features").and_then(Value::as_table).cloned().unwrap_or_default();
    let count = found.len();
    for (name, old) in &before {
        let kept = |new: &Value| {
            let has = |item: &Value| new.as_array().is_some_and(|items| items.contains(item));
            old.as_array().is_some_and(|items| items.iter().all(has)) && (name != "default" || new == old)
        };
        if !now.get(name).is_some_and(kept) {
            found.push((format!("features.{name}"), change(Some(old), now.get(name))));
            now.insert(name.clone(), old.clone());
        }
    }
    if !before.contains_key("default")
        && now.get("default").is_some_and(|new| new.as_array().is_none_or(|n| !n.is_empty()))
    {
        found.push(("features.default".to_owned(), change(None, now.get("default"))));
        now.remove("default");
    }
    if found.len() > count {
        head.insert("features".to_owned(), Value::Table(now));
    }
}

fn members(base: &Table, head: &mut Table, found: &mut Vec<(String, String)>) {
    let of = |table: &Table| -> Vec<Value> {
        let members = table.get("workspace").and_then(|workspace| workspace.get("members"));
        members.and_then(Value::as_array).cloned().unwrap_or_default()
    };
    let (before, mut now) = (of(base), of(head));
    let gone: Vec<Value> = before.into_iter().filter(|member| !now.contains(member)).collect();
    if !gone.is_empty() {
        for member in &gone {
            found.push(("workspace.members".to_owned(), format!("{member} removed")));
        }
        now.extend(gone);
        if let Some(workspace) = head.get_mut("workspace").and_then(Value::as_table_mut) {
            workspace.insert("members".to_owned(), Value::Array(now));
        }
    }
}

/// A dependency that there was comes from where it came from.
fn dependencies(base: &Table, head: &mut Table, header: &str, found: &mut Vec<(String, String)>) {
    for kind in DEPENDENCIES {
        let before = base.get(kind).and_then(Value::as_table).cloned().unwrap_or_default();
        let Some(now) = head.get_mut(kind).and_then(Value::as_table_mut) else { continue };
        for (name, old) in before {
            let Some(new) = now.get(&name) else { continue };
            if let Some(key) = ORIGIN.iter().find(|key| new.get(**key) != old.get(**key)) {
                found.push((format!("{header}{kind}.{name}.{key}"), change(old.get(*key), new.get(*key))));
                now.insert(name, old);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "[package]\nname = \"a\"\n[lib]\nname = \"a\"\n[[test]]\nname = \"it\"\n[features]\ndefault = [\"std\"]\nstd = []\n\
        [dependencies]\nserde = \"1\"\n[dev-dependencies]\nproptest = \"1\"\n[workspace]\nmembers = [\"b\"]\n[profile.test]\nopt-level = 1\n";

    fn found(from: &str, to: &str) -> Vec<String> {
        let head = BASE.replace(from, to);
        assert_ne!(head, BASE, "{from}");
        let comparison = compare(BASE, &head);
        assert_eq!(comparison.hardened.is_some(), !comparison.found.is_empty());
        if let Some(hardened) = &comparison.hardened {
            assert_eq!(compare(BASE, hardened).found, [], "{hardened}");
        }
        comparison.found.into_iter().map(|(key, _)| key).collect()
    }

    #[test]
    fn what_loosens_is_found_and_the_judged_manifest_has_the_value_of_the_base() {
        for (from, to, key) in [
            ("[lib]\n", "[lib]\ntest = false\n", "lib.test"),
            ("name = \"it\"\n", "name = \"it\"\nharness = false\n", "test.it.harness"),
            ("[[test]]\nname = \"it\"\n", "", "test.it"),
            ("[lib]\n", "[[test]]\nname = \"new\"\nrequired-features = [\"x\"]\n[lib]\n", "test.new.required-features"),
            ("opt-level = 1", "overflow-checks = false", "profile"),
            ("proptest = \"1\"", "proptest = { path = \"stub\" }", "dev-dependencies.proptest.path"),
            ("default = [\"std\"]", "default = []", "features.default"),
            ("members = [\"b\"]", "members = []", "workspace.members"),
            ("name = \"a\"\n[lib]", "name = \"a\"\nautotests = false\n[lib]", "package.autotests"),
            ("[profile.test]", "[patch.crates-io]\nx = { path = \"x\" }\n[profile.test]", "patch"),
            ("[lib]\n", "[package.metadata.harness.run]\nseed = 1\n[lib]\n", "package.metadata.harness"),
        ] {
            assert_eq!(found(from, to), [key], "{to}");
        }
    }

    #[test]
    fn dependencies_versions_and_features_come_and_grow_freely() {
        for (from, to) in [
            ("serde = \"1\"", "serde = \"2\"\nsyn = \"3\""),
            ("std = []", "std = [\"serde/std\"]\nnew = []"),
            ("name = \"a\"\n[lib]", "name = \"a\"\nversion = \"2.0.0\"\n[lib]"),
            ("members = [\"b\"]", "members = [\"b\", \"c\"]"),
            ("[[test]]", "[[bin]]\nname = \"x\"\n[[test]]"),
        ] {
            assert_eq!(found(from, to), [""; 0], "{to}");
        }
    }
}
