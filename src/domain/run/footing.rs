//! What a run turns out to rest on while it is under way, beside the tree and the settings that every run rests on.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use camino::Utf8PathBuf;

use super::fast::{Green, Slot};
use super::known_examples::Examples;
use crate::domain::record::Counts;

/// Filled in by the steps.
#[derive(Debug, Default)]
pub(crate) struct Footing {
    outside: Mutex<BTreeSet<Utf8PathBuf>>,
    rests_on_base: AtomicBool,
    rests_on_luck: AtomicBool,
    rests_on_network: AtomicBool,
    greens: Mutex<Vec<(Slot, Green)>>,
    examples: Mutex<Vec<(Examples, Option<Counts>)>>,
    lacking: Mutex<Option<String>>,
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

    /// A flaky test was let pass, which it may not do the next time.
    pub(super) fn rest_on_luck(&self) {
        self.rests_on_luck.store(true, Ordering::Relaxed);
    }

    /// A step has reached a host that the contract names, which may answer otherwise the next time.
    pub(super) fn rest_on_network(&self) {
        self.rests_on_network.store(true, Ordering::Relaxed);
    }

    /// What a build needs could not be brought in, as cargo said.
    pub(super) fn lack(&self, why: String) {
        if let Ok(mut lacking) = self.lacking.lock() {
            *lacking = Some(why);
        }
    }

    /// Why what a build needs isn't there, where that is known.
    pub(super) fn lacking(&self) -> Option<String> {
        self.lacking.lock().ok()?.clone()
    }

    /// These test binaries have passed.
    pub(super) fn add_greens(&self, greens: Vec<(Slot, Green)>) {
        if let Ok(mut all) = self.greens.lock() {
            all.extend(greens);
        }
    }

    /// The test binaries that have passed.
    pub(super) fn take_greens(&self) -> Vec<(Slot, Green)> {
        self.greens.lock().map(|mut greens| std::mem::take(&mut *greens)).unwrap_or_default()
    }

    /// These packages' examples are good; all of them ran where it is said what that came to.
    pub(super) fn add_examples(&self, examples: Examples, ran: Option<Counts>) {
        if let Ok(mut all) = self.examples.lock() {
            all.push((examples, ran));
        }
    }

    /// The examples that are good.
    pub(super) fn take_examples(&self) -> Vec<(Examples, Option<Counts>)> {
        self.examples.lock().map(|mut examples| std::mem::take(&mut *examples)).unwrap_or_default()
    }

    /// All files that were added.
    pub(super) fn outside(&self) -> BTreeSet<Utf8PathBuf> {
        self.outside.lock().map(|outside| outside.clone()).unwrap_or_default()
    }

    /// Whether a flaky test was let pass.
    pub(super) fn rests_on_luck(&self) -> bool {
        self.rests_on_luck.load(Ordering::Relaxed)
    }

    /// Whether a host of the network took part.
    pub(super) fn rests_on_network(&self) -> bool {
        self.rests_on_network.load(Ordering::Relaxed)
    }

    /// Whether what git has committed took part.
    pub(super) fn rests_on_base(&self) -> bool {
        self.rests_on_base.load(Ordering::Relaxed)
    }
}
