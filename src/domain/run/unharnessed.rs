//! Which test binaries have no test harness (`harness = false`), which cargo's metadata doesn't tell.

use std::collections::BTreeSet;

use cargo_metadata::Package;

use super::diagnostics::binary_id;
use crate::ports::fs;

/// Their binary ids. A manifest that can't be read has been refused by cargo before.
pub(super) fn binaries(packages: &[Package]) -> BTreeSet<String> {
    packages.iter().flat_map(of_package).collect()
}

fn of_package(package: &Package) -> Vec<String> {
    let manifest = fs::read_text(&package.manifest_path).ok().and_then(|text| text.parse::<toml::Table>().ok());
    let Some(manifest) = manifest else { return Vec::new() };
    let without = |table: &toml::Value| table.get("harness").and_then(toml::Value::as_bool) == Some(false);
    let names_in = |key: &str| -> BTreeSet<String> {
        let tables = manifest.get(key).and_then(toml::Value::as_array).map(Vec::as_slice).unwrap_or_default();
        tables.iter().filter(|t| without(t)).filter_map(|t| Some(t.get("name")?.as_str()?.to_owned())).collect()
    };
    let lib = manifest.get("lib").is_some_and(without);
    let named: BTreeSet<(&str, String)> = ["test", "bin", "example", "bench"]
        .into_iter()
        .flat_map(|key| names_in(key).into_iter().map(move |name| (key, name)))
        .collect();
    let is_unharnessed = |kind: &str, name: &str| match kind {
        "test" | "bin" | "example" | "bench" => named.contains(&(kind, name.to_owned())),
        _ => lib,
    };
    package
        .targets
        .iter()
        .filter(|target| target.kind.first().is_some_and(|kind| is_unharnessed(&kind.to_string(), &target.name)))
        .map(|target| binary_id(package.name.as_str(), &target.kind, &target.name))
        .collect()
}
