//! What `Harness.lock` pins, as it is now, and whether a run runs with that.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;

use super::toolchain::Toolchain;
use crate::base::Digest;
use crate::domain::contract::Contract;
use crate::domain::contract::needs::Tool;
use crate::domain::provenance::{FILE, Lock};
use crate::domain::record::Locked;
use crate::ports::cargo::Workspace;
use crate::ports::fs;

/// A folder with more than that isn't pinned by its content.
const LARGEST_FOLDER: u64 = 4 << 30;

/// Folders of inputs that tools keep by custom.
const CORPORA: [&str; 3] = ["corpus", "fuzz/corpus", "proptest-regressions"];

/// What there is to pin now.
pub(crate) fn now(workspace: &Workspace, contract: &Contract, digest: &Digest, toolchain: &Toolchain) -> Lock {
    let mut lock = Lock::new();
    let [release, commit] = ["release", "commit-hash"].map(|field| toolchain.rustc_field(field).map(str::to_owned));
    let channel = release.as_deref().map(|release| channel(release).to_owned());
    let known = [("channel", channel), ("release", release), ("commit", commit)];
    lock.toolchain = known.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    lock.toolchain.extend(image(contract));
    lock.tools = tools(toolchain);
    lock.inputs = inputs(workspace, contract);
    lock.inputs.insert("contract".to_owned(), digest.to_string());
    lock.seeds = BTreeMap::from([("run".to_owned(), contract.run.seed.to_string())]);
    lock
}

/// Whether the tree is judged with what its lock pins; nothing where it has none.
pub(super) fn state(
    workspace: &Workspace,
    contract: &Contract,
    digest: &Digest,
    toolchain: &Toolchain,
) -> Option<Locked> {
    if !fs::is_present(&workspace.root.join(FILE)) {
        return None;
    }
    let drift = match Lock::read(&workspace.root) {
        Ok(lock) => lock.drift(&now(workspace, contract, digest, toolchain)).iter().map(ToString::to_string).collect(),
        Err(error) => vec![error.to_string()],
    };
    Some(Locked { drift })
}

/// Of which image the containers are that the contract asks for.
fn image(contract: &Contract) -> impl Iterator<Item = (String, String)> {
    let image = contract.sandbox.containers().map(|(backend, image)| {
        let backend = serde_json::to_value(backend).ok().and_then(|name| Some(name.as_str()?.to_owned()));
        [("backend", backend.unwrap_or_default()), ("image", image.to_string())]
    });
    image.into_iter().flatten().map(|(name, value)| (name.to_owned(), value))
}

fn channel(release: &str) -> &str {
    ["nightly", "beta", "dev"].into_iter().find(|channel| release.contains(channel)).unwrap_or("stable")
}

/// Each is asked in a thread of its own, since most of the answer's time is cargo finding the tool.
fn tools(toolchain: &Toolchain) -> BTreeMap<String, String> {
    std::thread::scope(|scope| {
        let judging = Tool::ALL.into_iter().filter(|tool| !matches!(tool, Tool::Rustc | Tool::Git));
        let asked: Vec<_> = judging.map(|tool| (tool, scope.spawn(move || toolchain.version(tool)))).collect();
        let answers = asked.into_iter().filter_map(|(tool, answer)| Some((tool, answer.join().ok().flatten()?)));
        answers.map(|(tool, version)| (tool.name().to_owned(), version)).collect()
    })
}

/// Lock files, corpora and the sources of external projects, by their paths in the workspace.
fn inputs(workspace: &Workspace, contract: &Contract) -> BTreeMap<String, String> {
    let builds = contract.builds.iter().map(|build| build.get_ref().dir.clone());
    let folders = builds.chain(CORPORA.map(Utf8PathBuf::from));
    let lock = "Cargo.lock".to_owned();
    let mut found: BTreeMap<String, String> =
        fs::digest(&workspace.root.join(&lock)).map(|digest| (lock, digest)).into_iter().collect();
    for folder in folders.filter(|folder| fs::is_dir(&workspace.root.join(folder))) {
        let digest = fs::folder_digest(&workspace.root.join(&folder), LARGEST_FOLDER);
        found.insert(folder.to_string(), digest.unwrap_or_else(|| "too large".to_owned()));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_channel_is_in_the_release() {
        assert_eq!(["1.95.0", "1.96.0-beta.2", "1.97.0-nightly"].map(channel), ["stable", "beta", "nightly"]);
    }
}
