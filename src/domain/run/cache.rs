//! The folder `cache`: what earlier runs found out, by the digest of what it rests on.
//!
//! It saves time and decides nothing by itself: a file that is torn, damaged, of another version or in another's place is as
//! good as none.

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::base::Digest;
use crate::ports::fs;
use crate::ports::stamp::Stamp;

/// Raised when a reader of the older form would misread it.
const FORMAT: &str = "cargo-harness cache 1";

/// No honest file is larger: the tree of 200,000 files is far smaller.
const LARGEST: u64 = 256 << 20;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Where a workspace's root and members are.
    Workspace,
    /// What cargo tells of it.
    Metadata,
    /// What tools say of themselves.
    Tools,
    /// The files of its tree.
    Tree,
    /// What the last build in a target folder was made of.
    Built,
    /// A green run.
    Run,
    /// A green step of a run that wasn't.
    Step,
    /// A test binary all of whose tests passed.
    Binary,
    /// A package's documentation examples.
    Examples,
    /// What of a sandbox is to be had.
    Sandbox,
    /// A lock file whose packages were all here.
    Fetched,
    /// What an oracle answers to a case.
    Oracle,
}

impl Kind {
    const ALL: [Kind; 12] = [
        Kind::Workspace,
        Kind::Metadata,
        Kind::Tools,
        Kind::Tree,
        Kind::Built,
        Kind::Run,
        Kind::Step,
        Kind::Binary,
        Kind::Examples,
        Kind::Sandbox,
        Kind::Fetched,
        Kind::Oracle,
    ];

    fn name(self) -> &'static str {
        match self {
            Kind::Workspace => "workspace",
            Kind::Metadata => "metadata",
            Kind::Tools => "tools",
            Kind::Tree => "tree",
            Kind::Built => "built",
            Kind::Run => "run",
            Kind::Step => "step",
            Kind::Binary => "binary",
            Kind::Examples => "examples",
            Kind::Sandbox => "sandbox",
            Kind::Fetched => "fetched",
            Kind::Oracle => "oracle",
        }
    }

    /// How many files of the kind are kept, the newest.
    fn kept(self) -> usize {
        match self {
            Kind::Workspace
            | Kind::Metadata
            | Kind::Tools
            | Kind::Tree
            | Kind::Built
            | Kind::Sandbox
            | Kind::Fetched => 16,
            Kind::Run | Kind::Step => 128,
            Kind::Binary | Kind::Examples => 1024,
            Kind::Oracle => 16_384,
        }
    }
}

/// The folder.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    folder: Utf8PathBuf,
}

impl Cache {
    /// Below the folder of all runs.
    pub(crate) fn new(harness_dir: &Utf8Path) -> Cache {
        Cache { folder: harness_dir.join("cache") }
    }

    /// What is known under a key.
    pub(super) fn read<T: DeserializeOwned>(&self, kind: Kind, key: &Digest) -> Option<T> {
        let text = fs::read_text_up_to(&self.path(kind, key), LARGEST).ok()?;
        let (seal, body) = text.split_once('\n')?;
        (seal == sealed(kind, key, body)).then(|| serde_json::from_str(body).ok()).flatten()
    }

    /// Keeps something under a key, whole or not at all.
    pub(super) fn write(&self, kind: Kind, key: &Digest, value: &impl Serialize) -> fs::Result<()> {
        let body = serde_json::to_string(value).unwrap_or_default();
        fs::create_dir(&self.folder)?;
        fs::replace(&self.path(kind, key), format!("{}\n{body}", sealed(kind, key, &body)).as_bytes())
    }

    /// Removes the oldest files past what is kept, and what a writer that was killed has left.
    pub(super) fn prune(&self) -> fs::Result<()> {
        let names = fs::names(&self.folder)?;
        for kind in Kind::ALL {
            let prefix = format!("{}-", kind.name());
            let of_kind = names.iter().filter(|name| name.starts_with(&prefix)).map(|name| self.folder.join(name));
            let mut dated: Vec<(i64, Utf8PathBuf)> =
                of_kind.filter_map(|path| Some((Stamp::of(&path)?.modified(), path))).collect();
            dated.sort();
            let surplus = dated.len().saturating_sub(kind.kept());
            dated.iter().take(surplus).try_for_each(|(_, path)| fs::remove_file(path))?;
        }
        fs::remove_abandoned(&self.folder)
    }

    fn path(&self, kind: Kind, key: &Digest) -> Utf8PathBuf {
        self.folder.join(format!("{}-{}", kind.name(), key.prefix(32)))
    }
}

/// Holds a file to its place: the same text under another key or as another kind has another seal.
fn sealed(kind: Kind, key: &Digest, body: &str) -> String {
    let fields = [FORMAT, env!("CARGO_PKG_VERSION"), kind.name()];
    let fields = fields.iter().map(|field| field.as_bytes()).chain([key.as_bytes(), body.as_bytes()]);
    Digest::of_fields(fields).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(text: &str) -> Digest {
        Digest::of_fields([text.as_bytes()])
    }

    fn cache() -> (tempfile::TempDir, Cache) {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(Utf8Path::from_path(folder.path()).unwrap());
        (folder, cache)
    }

    #[test]
    fn what_was_kept_is_found_under_its_own_key_only() {
        let (_folder, cache) = cache();
        cache.write(Kind::Run, &key("a"), &"green").unwrap();
        assert_eq!(cache.read::<String>(Kind::Run, &key("a")).as_deref(), Some("green"));
        assert_eq!(cache.read::<String>(Kind::Run, &key("b")), None);
        assert_eq!(cache.read::<String>(Kind::Step, &key("a")), None);
        let text = fs::read_text(&cache.path(Kind::Run, &key("a"))).unwrap();
        fs::replace(&cache.path(Kind::Run, &key("b")), text.as_bytes()).unwrap();
        fs::replace(&cache.path(Kind::Step, &key("a")), text.as_bytes()).unwrap();
        assert_eq!(cache.read::<String>(Kind::Run, &key("b")), None, "a file in another's place");
        assert_eq!(cache.read::<String>(Kind::Step, &key("a")), None, "a file of another kind");
    }

    #[test]
    fn the_oldest_go_first() {
        let (_folder, cache) = cache();
        for n in 0..20 {
            cache.write(Kind::Tree, &key(&n.to_string()), &n).unwrap();
        }
        cache.prune().unwrap();
        assert_eq!(fs::names(&cache.folder).unwrap().len(), Kind::Tree.kept());
        assert_eq!(cache.read::<u32>(Kind::Tree, &key("19")), Some(19));
    }

    proptest! {
        #[test]
        fn no_damage_passes_for_what_was_written(at: prop::sample::Index, flip in 1u8..=255, cut: bool) {
            let (_folder, cache) = cache();
            let key = key("a");
            cache.write(Kind::Run, &key, &vec!["green".to_owned(), "as grass".to_owned()]).unwrap();
            let path = cache.path(Kind::Run, &key);
            let mut bytes = fs::read_text(&path).unwrap().into_bytes();
            let at = at.index(bytes.len());
            if cut { bytes.truncate(at) } else { bytes[at] ^= flip }
            fs::replace(&path, &bytes).unwrap();
            prop_assert_eq!(cache.read::<Vec<String>>(Kind::Run, &key), None);
        }
    }
}
