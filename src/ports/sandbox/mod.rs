//! What a step's command may see, write and reach: a cage that is built around it before it starts.
//!
//! With bubblewrap the command gets namespaces of its own, in which only what is named is there at all. Within them, and alone where
//! namespaces are not to be had, Landlock and a filter of system calls hold.

pub(crate) mod ask;
mod bubblewrap;
pub(crate) mod container;
pub(crate) mod ears;
pub(crate) mod enter;
mod files;
pub(crate) mod first;
pub(crate) mod probe;
mod syscalls;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use crate::base::{AllowedHost, ByteSize};
use container::Container;

/// What a command may do with a place. Where several are given for one place, the later one in this order holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Access {
    /// An empty folder of its own, in memory; nothing where there are no namespaces.
    Empty(ByteSize),
    Read,
    Write,
}

/// One place of the host, or in its stead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct View {
    pub(crate) path: Utf8PathBuf,
    pub(crate) access: Access,
}

/// What can be reached beyond the command's own processes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Reach {
    /// Its own loopback interface at most.
    #[default]
    Nothing,
    /// The hosts that the contract names, by the proxy that it finds on its loopback interface.
    Hosts(Way),
    /// Whatever the host reaches; only for the harness's own errands.
    Everything,
}

/// A way out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Way {
    pub(crate) allowed: Vec<AllowedHost>,
    /// Where each decision is written.
    pub(crate) log: Utf8PathBuf,
}

/// How a command is contained.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cage {
    /// The program that makes the namespaces; without it there are none.
    pub(crate) bubblewrap: Option<Utf8PathBuf>,
    /// In its stead, what makes a container of an image.
    pub(crate) container: Option<Container>,
    /// This program, where the command sees it too.
    pub(crate) program: Utf8PathBuf,
    pub(crate) views: Vec<View>,
    /// The variables of the caller that are let through.
    pub(crate) env: Vec<String>,
    /// Set beyond them.
    pub(crate) set: Vec<(String, String)>,
    pub(crate) reach: Reach,
    pub(crate) limits: Limits,
}

/// What one process, or one user's processes, may use at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Limits {
    pub(crate) processes: Option<u64>,
    pub(crate) file_size: Option<u64>,
    pub(crate) open_files: Option<u64>,
    /// Processor time, in seconds.
    pub(crate) cpu_s: Option<u64>,
}

impl Cage {
    /// Whether what isn't named isn't there.
    pub(crate) fn has_namespaces(&self) -> bool {
        self.bubblewrap.is_some() || self.container.is_some()
    }

    /// Adds a place, as it is named and as it really lies.
    pub(crate) fn add(&mut self, path: &Utf8Path, access: Access) {
        if let Ok(real) = path.canonicalize_utf8()
            && real != path
        {
            // A link within a place that is seen is seen as a link.
            let is_link = self.views.iter().any(|view| view.access != Access::Read && path.starts_with(&view.path))
                || self.views.iter().any(|view| view.access == Access::Read && path.starts_with(&view.path));
            self.views.push(View { path: real, access });
            if is_link {
                return;
            }
        }
        self.views.push(View { path: path.to_owned(), access });
    }

    /// The places, those above others first, each once, without what is seen so as part of another: each costs time.
    fn ordered(&self) -> Vec<&View> {
        let mut all: Vec<&View> = self.views.iter().collect();
        all.sort_by(|a, b| (a.path.as_path(), b.access).cmp(&(b.path.as_path(), a.access)));
        let mut views: Vec<&View> = Vec::new();
        for view in all {
            let around = views.iter().rev().find(|earlier| view.path.starts_with(&earlier.path));
            let is_alike =
                |earlier: &View| matches!(view.access, Access::Read | Access::Write) && earlier.access == view.access;
            if around.is_none_or(|earlier| earlier.path != view.path && !is_alike(earlier)) {
                views.push(view);
            }
        }
        views
    }

    /// The command that leads to `argv` within the cage, whose working folder will be `dir`.
    pub(crate) fn argv(&self, argv: &[String], dir: &Utf8Path) -> Vec<String> {
        let inner = enter::Inner::of(self);
        let words = [self.program.as_str(), enter::VERB].map(str::to_owned).into_iter();
        let words = words.chain([serde_json::to_string(&inner).unwrap_or_default()]).chain(argv.iter().cloned());
        match &self.bubblewrap {
            Some(program) => {
                [program.to_string()].into_iter().chain(bubblewrap::arguments(self, dir)).chain(words).collect()
            }
            None => words.collect(),
        }
    }
}
