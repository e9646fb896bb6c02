//! What a run turns out to rest on while it is under way, beside the tree and the settings that every run rests on.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use camino::Utf8PathBuf;

/// Filled in by the steps.
#[derive(Debug, Default)]
pub(crate) struct Footing {
    outside: Mutex<BTreeSet<Utf8PathBuf>>,
    rests_on_base: AtomicBool,
}

impl Footing {
    /// The compiler has read these files, wherever they lie.
    pub(super) fn add(&self, files: impl IntoIterator<Item = Utf8PathBuf>) {
        if let Ok(mut outside) = self.outside.lock() {
            outside.extend(files);
        }
    }

    /// What git has committed took part in a step: by it old warnings were told from new ones, or changed files from others.
    pub(super) fn rest_on_base(&self) {
        self.rests_on_base.store(true, Ordering::Relaxed);
    }

    /// All files that were added.
    pub(super) fn outside(&self) -> BTreeSet<Utf8PathBuf> {
        self.outside.lock().map(|outside| outside.clone()).unwrap_or_default()
    }

    /// Whether what git has committed took part.
    pub(super) fn rests_on_base(&self) -> bool {
        self.rests_on_base.load(Ordering::Relaxed)
    }
}
