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
        if total > MOST_BYTES / 2 * 2 - (1 << 20) {
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
