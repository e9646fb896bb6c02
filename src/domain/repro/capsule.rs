//! Capsules: a failure with everything that a replay needs, in one file. A compressed tar archive whose first entry lists the others
//! with their sizes and SHA-256 digests; the same content has the same bytes.
//!
//! A capsule may come from anybody. It is read into memory within bounds, only entries that a capsule has are taken, none is a
//! link or a device, and nothing is written before all of it has been checked.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use camino::Utf8Path;
use serde::{Deserialize, Serialize};

use crate::base::{ExitCode, Explain, FailureId};
use crate::domain::provenance::snapshot::{self, MOST_PATHS, is_within, leads_within, sha256};
use crate::domain::record::{Change, FailureRecord, RecordedTree};
use crate::ports::worktree::is_object_id;

/// All entries together, unpacked, and the file itself.
pub(crate) const MOST_BYTES: u64 = 128 << 20;
const MOST_ENTRIES: usize = MOST_PATHS + 1000;

const LIST: &str = "capsule.json";
const RECORD: &str = "failure.json";
const TREE: &str = "tree.json";

/// The form that this version writes.
const VERSION: u32 = 1;

/// A capsule that can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CapsuleError {
    #[error("it is not a capsule, or it is cut off: {0}")]
    Unreadable(#[from] io::Error),
    #[error("`{0}` has no place in a capsule")]
    Stray(String),
    #[error("`{0}` is not a plain file")]
    NoFile(String),
    #[error("it unpacks to more than {} MiB", MOST_BYTES >> 20)]
    TooLarge,
    #[error("it has more than {MOST_ENTRIES} entries")]
    TooMany,
    #[error("`{0}` is in it twice")]
    Twice(String),
    #[error("`{0}` is listed, but not in it")]
    Missing(String),
    #[error("the digest of `{0}` is not the one listed")]
    Digest(String),
    #[error("it was written by a newer cargo-harness, in form {0}")]
    Newer(u32),
    #[error("{0} cannot be understood: {1}")]
    Malformed(&'static str, String),
    #[error("it would write {0}, which is no path within a work tree")]
    Leaves(String),
    #[error("its symbolic link {0} leads out of the work tree")]
    LeadsOut(String),
}

impl Explain for CapsuleError {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Usage
    }

    fn hint(&self) -> Option<String> {
        match self {
            CapsuleError::Newer(_) => Some("update cargo-harness".to_owned()),
            CapsuleError::TooLarge | CapsuleError::TooMany => None,
            _ => Some(
                "nothing of it was written or run; export it anew: cargo harness repro ID --export FILE".to_owned(),
            ),
        }
    }
}

/// What is in one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Capsule {
    pub(crate) record: FailureRecord,
    pub(crate) tree: RecordedTree,
    /// Contents of changed files, inputs and logs, by their names in a run's folder.
    pub(crate) files: BTreeMap<String, Vec<u8>>,
}

/// The first entry.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    version: u32,
    id: FailureId,
    /// The program that wrote it.
    by: String,
    files: BTreeMap<String, Listed>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    size: u64,
    sha256: String,
}

impl Listed {
    fn of(bytes: &[u8]) -> Listed {
        Listed { size: bytes.len() as u64, sha256: sha256(bytes) }
    }
}

impl Capsule {
    /// The bytes of the file.
    ///
    /// # Errors
    /// It would be larger than one that can be read again.
    pub(crate) fn pack(&self) -> Result<Vec<u8>, CapsuleError> {
        let mut files: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
        files.insert(RECORD, json(&self.record));
        files.insert(TREE, json(&self.tree));
        files.extend(self.files.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())));
        let list = List {
            version: VERSION,
            id: self.record.failure.id.clone(),
            by: format!("cargo-harness {}", env!("CARGO_PKG_VERSION")),
            files: files.iter().map(|(name, bytes)| ((*name).to_owned(), Listed::of(bytes))).collect(),
        };
        let total: u64 = files.values().map(|bytes| bytes.len() as u64 + 1024).sum();
        // The list and the archive's own blocks come on top.
        if total > MOST_BYTES - (8 << 20) {
            return Err(CapsuleError::TooLarge);
        }
        let archive = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default()));
        Ok(write(archive, &json(&list), &files)?)
    }

    /// Reads and checks one.
    ///
    /// # Errors
    /// Whatever isn't as `pack` has written it.
    pub(crate) fn unpack(bytes: &[u8]) -> Result<Capsule, CapsuleError> {
        let mut files = entries(bytes)?;
        let list = files.remove(LIST).ok_or_else(|| CapsuleError::Missing(LIST.to_owned()))?;
        let version: Version = parse(LIST, &list)?;
        if version.version > VERSION {
            return Err(CapsuleError::Newer(version.version));
        }
        let list: List = parse(LIST, &list)?;
        if let Some(name) = list.files.keys().find(|name| !files.contains_key(*name)) {
            return Err(CapsuleError::Missing(printable(name)));
        }
        for (name, bytes) in &files {
            match list.files.get(name) {
                None => return Err(CapsuleError::Stray(printable(name))),
                Some(listed) if *listed != Listed::of(bytes) => return Err(CapsuleError::Digest(printable(name))),
                Some(_) => {}
            }
        }
        let take = |files: &mut BTreeMap<String, Vec<u8>>, name: &str| {
            files.remove(name).ok_or_else(|| CapsuleError::Missing(name.to_owned()))
        };
        let record: FailureRecord = parse(RECORD, &take(&mut files, RECORD)?)?;
        let tree: RecordedTree = parse(TREE, &take(&mut files, TREE)?)?;
        let capsule = Capsule { record, tree, files };
        if capsule.record.failure.id != list.id {
            return Err(CapsuleError::Malformed(RECORD, "it is of another failure than the list".to_owned()));
        }
        capsule.check()?;
        Ok(capsule)
    }

    /// Whether what it would have written stays in the work tree, and is all there.
    fn check(&self) -> Result<(), CapsuleError> {
        let Some(ground) = &self.record.ground else {
            return Err(CapsuleError::Malformed(RECORD, "it says nothing of the tree".to_owned()));
        };
        let ids = [&ground.commit, &ground.base];
        if let Some(id) = ids.into_iter().flatten().find(|id| !is_object_id(id)) {
            return Err(CapsuleError::Malformed(RECORD, format!("`{}` is no commit", printable(id))));
        }
        let at = self.record.failure.replay.input.as_ref().and_then(|input| input.at.as_deref());
        let prefix = (!ground.prefix.as_str().is_empty()).then_some(ground.prefix.as_path());
        let paths = self.tree.changes.keys().map(|path| path.as_path()).chain(prefix).chain(at);
        if let Some(path) = paths.into_iter().find(|path| !is_within(path)) {
            return Err(CapsuleError::Leaves(printable(path.as_str())));
        }
        for (path, change) in &self.tree.changes {
            match change {
                Change::Link(target) if !leads_within(path, target) => {
                    return Err(CapsuleError::LeadsOut(printable(path.as_str())));
                }
                Change::File { content, .. }
                    if !self.files.contains_key(&format!("{}/{content}", snapshot::CHANGES)) =>
                {
                    return Err(CapsuleError::Missing(printable(path.as_str())));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// What every version of the list has.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// Entries without owner, time or mode of their own.
fn write<W: Write>(
    mut archive: tar::Builder<flate2::write::GzEncoder<W>>,
    list: &[u8],
    files: &BTreeMap<&str, Vec<u8>>,
) -> io::Result<W> {
    let all = [(LIST, list)].into_iter().chain(files.iter().map(|(name, bytes)| (*name, bytes.as_slice())));
    for (name, bytes) in all {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_entry_type(tar::EntryType::Regular);
        archive.append_data(&mut header, name, bytes)?;
    }
    archive.into_inner()?.finish()
}

/// The entries by name, as far as they are such as a capsule may have.
fn entries(bytes: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, CapsuleError> {
    // One byte more than there may be, so that what is too large is told from what is cut off.
    let mut left = MOST_BYTES + 1;
    let limited = flate2::read::GzDecoder::new(bytes).take(MOST_BYTES + 1);
    let mut archive = tar::Archive::new(limited);
    let mut files = BTreeMap::new();
    // Raw: extended headers are entries of their own, and no plain files.
    for entry in archive.entries()?.raw(true) {
        let mut entry = entry?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if entry.header().entry_type() != tar::EntryType::Regular {
            return Err(CapsuleError::NoFile(printable(&name)));
        }
        if !is_name(&name) {
            return Err(CapsuleError::Stray(printable(&name)));
        }
        let size = entry.size();
        left = left.checked_sub(size.saturating_add(512)).ok_or(CapsuleError::TooLarge)?;
        if files.len() >= MOST_ENTRIES {
            return Err(CapsuleError::TooMany);
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        if content.len() as u64 != size {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        if files.insert(name.clone(), content).is_some() {
            return Err(CapsuleError::Twice(printable(&name)));
        }
    }
    // The checksum at the end of the compressed stream is read with its last bytes.
    let mut rest = archive.into_inner();
    io::copy(&mut rest, &mut io::sink())?;
    if rest.limit() == 0 { Err(CapsuleError::TooLarge) } else { Ok(files) }
}

/// Whether it is the name of something that a capsule has.
fn is_name(name: &str) -> bool {
    let is_hex =
        |text: &str| text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let is_log = |text: &str| {
        !text.starts_with('.')
            && text.len() <= 90
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    match name.split_once('/') {
        None => [LIST, RECORD, TREE].contains(&name),
        Some(("changes", rest)) => is_hex(rest),
        Some(("inputs", rest)) => rest.parse::<FailureId>().is_ok(),
        Some(("logs", rest)) => is_log(rest),
        Some(_) => false,
    }
}

/// The name under which a log may be in it.
pub(crate) fn log_name(log: &Utf8Path) -> Option<String> {
    Some(format!("logs/{}", log.file_name()?)).filter(|name| is_name(name))
}

fn parse<'a, T: Deserialize<'a>>(name: &'static str, bytes: &'a [u8]) -> Result<T, CapsuleError> {
    serde_json::from_slice(bytes).map_err(|error| CapsuleError::Malformed(name, error.to_string()))
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec_pretty(value).unwrap_or_default()
}

fn printable(text: &str) -> String {
    crate::base::text::capped(&crate::base::text::one_line(text), 200)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Category, FailureKind, Seed};
    use crate::domain::record::{Failure, Ground, Mode, Replay, RunId};

    fn good() -> Capsule {
        let failure = Failure {
            id: FailureId::new(FailureKind::Test, &["a"]),
            category: Category::named("ASSERT"),
            tier: "1".parse().unwrap(),
            step: "unit".to_owned(),
            subject: None,
            message: "left == right".to_owned(),
            place: None,
            test: None,
            excerpt: String::new(),
            log: "1-unit.log".into(),
            replay: Replay::default(),
        };
        let ground = Ground {
            root: "/repo".into(),
            prefix: "".into(),
            commit: Some("a".repeat(40)),
            base: None,
            dirty: true,
            rustc: "release: 1.95.0".to_owned(),
            mode: Mode::Full,
            contract: crate::base::Digest::of_fields([]),
            lock: None,
            packages: Vec::new(),
            locked: false,
            offline: false,
            sandbox: crate::domain::record::Containment::Off,
            limits: BTreeMap::new(),
            environment: BTreeMap::new(),
        };
        let content = sha256(b"changed");
        let mut tree = RecordedTree::default();
        tree.changes.insert("a/b".into(), Change::File { content: content.clone(), executable: false });
        Capsule {
            record: FailureRecord::new(RunId("r".to_owned()), Seed::default(), failure, Some(ground)),
            tree,
            files: BTreeMap::from([(format!("changes/{content}"), b"changed".to_vec())]),
        }
    }

    /// An archive with whatever entries: kind, name, content, and the size that its header claims.
    fn archive(entries: &[(tar::EntryType, &str, &[u8], Option<u64>)]) -> Vec<u8> {
        let mut text = Vec::new();
        for (kind, name, content, claimed) in entries {
            let mut header = tar::Header::new_ustar();
            header.set_size(claimed.unwrap_or(content.len() as u64));
            header.set_entry_type(*kind);
            // Past what `set_path` would refuse.
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.as_old_mut().linkname[..4].copy_from_slice(b"/etc");
            header.set_cksum();
            text.extend_from_slice(header.as_bytes());
            text.extend_from_slice(content);
            text.resize(text.len().next_multiple_of(512), 0);
        }
        text.resize(text.len() + 1024, 0);
        compressed(&text)
    }

    fn compressed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn refused(bytes: &[u8]) -> String {
        Capsule::unpack(bytes).unwrap_err().to_string()
    }

    #[test]
    fn what_was_packed_is_unpacked_and_the_same_bytes_come_of_it() {
        let packed = good().pack().unwrap();
        let unpacked = Capsule::unpack(&packed).unwrap();
        assert_eq!(unpacked, good());
        assert_eq!(unpacked.pack().unwrap(), packed);
    }

    #[test]
    fn no_entry_leaves_its_folder() {
        for name in
            ["../x", "/etc/x", "changes/../../x", "logs/../x", "logs/.x", "x", "changes/x", "logs/a/b", "inputs/../x"]
        {
            let told = refused(&archive(&[(tar::EntryType::Regular, name, b"x", None)]));
            assert_eq!(told, format!("`{name}` has no place in a capsule"));
        }
    }

    #[test]
    fn links_devices_and_extended_headers_are_no_plain_files() {
        use tar::EntryType;
        let kinds = [
            EntryType::Symlink,
            EntryType::Link,
            EntryType::Char,
            EntryType::Block,
            EntryType::Fifo,
            EntryType::Directory,
            EntryType::XHeader,
            EntryType::GNULongName,
            EntryType::GNUSparse,
        ];
        for kind in kinds {
            assert_eq!(
                refused(&archive(&[(kind, "tree.json", b"", None)])),
                "`tree.json` is not a plain file",
                "{kind:?}"
            );
        }
    }

    #[test]
    fn what_is_too_large_or_claims_to_be_is_refused_before_it_is_unpacked() {
        let too_large = CapsuleError::TooLarge.to_string();
        assert_eq!(refused(&archive(&[(tar::EntryType::Regular, "tree.json", b"", Some(1 << 33))])), too_large);
        // Its zeros are read as the end of the archive, and what follows counts all the same.
        let mut zeros = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        io::copy(&mut io::repeat(0).take(MOST_BYTES + 4096), &mut zeros).unwrap();
        assert_eq!(refused(&zeros.finish().unwrap()), too_large);
        let cut = archive(&[(tar::EntryType::Regular, "tree.json", b"x", Some(1 << 20))]);
        assert!(refused(&cut).starts_with("it is not a capsule, or it is cut off"), "{}", refused(&cut));
    }

    #[test]
    fn twice_missing_stray_and_changed_entries_are_refused() {
        let entry = |name: &'static str, text: &'static [u8]| (tar::EntryType::Regular, name, text, None);
        assert_eq!(refused(&archive(&[entry(TREE, b"{}"), entry(TREE, b"{}")])), "`tree.json` is in it twice");
        assert_eq!(refused(&archive(&[entry(TREE, b"{}")])), "`capsule.json` is listed, but not in it");
        let list = br#"{"version":1,"id":"t-00000000","by":"x","files":{"tree.json":{"size":2,"sha256":"00"}}}"#;
        assert_eq!(refused(&archive(&[entry(LIST, list)])), "`tree.json` is listed, but not in it");
        assert_eq!(
            refused(&archive(&[entry(LIST, list), entry(TREE, b"{}")])),
            "the digest of `tree.json` is not the one listed"
        );
        let empty = br#"{"version":1,"id":"t-00000000","by":"x","files":{}}"#;
        assert_eq!(
            refused(&archive(&[entry(LIST, empty), entry(TREE, b"{}")])),
            "`tree.json` has no place in a capsule"
        );
        let newer = br#"{"version":2,"all":"else"}"#;
        assert_eq!(refused(&archive(&[entry(LIST, newer)])), CapsuleError::Newer(2).to_string());
        assert!(refused(&archive(&[entry(LIST, b"[")])).starts_with("capsule.json cannot be understood: "));
    }

    #[test]
    fn what_a_record_would_write_elsewhere_is_refused() {
        let told = |change: &dyn Fn(&mut Capsule)| {
            let mut capsule = good();
            change(&mut capsule);
            refused(&capsule.pack().unwrap())
        };
        let file = || Change::File { content: sha256(b"changed"), executable: false };
        for path in ["../x", "/etc/x", ".git/hooks/pre-commit", "a/../../x"] {
            let told = told(&|capsule| drop(capsule.tree.changes.insert(path.into(), file())));
            assert_eq!(told, CapsuleError::Leaves(path.to_owned()).to_string());
        }
        for target in ["/etc", "../../x"] {
            let told = told(&|capsule| drop(capsule.tree.changes.insert("l".into(), Change::Link(target.to_owned()))));
            assert_eq!(told, CapsuleError::LeadsOut("l".to_owned()).to_string());
        }
        let ground = |change: fn(&mut Ground)| told(&|capsule| capsule.record.ground.iter_mut().for_each(change));
        assert!(ground(|ground| ground.prefix = "../x".into()).contains("no path within"));
        assert!(ground(|ground| ground.commit = Some("--upload-pack=x".to_owned())).contains("is no commit"));
        assert!(told(&|capsule| capsule.record.ground = None).contains("says nothing of the tree"));
        assert!(told(&|capsule| capsule.files.clear()).contains("is listed, but not in it"));
    }
}
