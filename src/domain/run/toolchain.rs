//! Which tools are here, asked once and beside the first steps, since the answer takes as long as a small step.

use std::sync::OnceLock;

use camino::{Utf8Path, Utf8PathBuf};

use crate::domain::record::Tool;
use crate::ports::{env, process};

/// The tools of a run.
#[derive(Debug, Default)]
pub(crate) struct Toolchain {
    /// Where they are asked: the folder that a toolchain file may stand in.
    dir: Utf8PathBuf,
    rustc: OnceLock<String>,
    nextest: OnceLock<Option<String>>,
}

impl Toolchain {
    /// Those that a workspace gets.
    pub(crate) fn of(root: &Utf8Path) -> Toolchain {
        Toolchain { dir: root.to_owned(), ..Toolchain::default() }
    }

    /// Asks now what steps will want to know later; meant for a thread of its own.
    pub(crate) fn warm_up(&self, with_nextest: bool) {
        self.rustc();
        if with_nextest {
            self.nextest();
        }
    }

    /// What `rustc -vV` prints, and behind it the folder of the toolchain; empty where there is none.
    fn rustc(&self) -> &str {
        self.rustc.get_or_init(|| {
            let rustc = env::var("RUSTC").unwrap_or_else(|| "rustc".to_owned());
            process::capture_in(&self.dir, &[rustc, "-vV".to_owned(), "--print=sysroot".to_owned()])
                .map(|output| output.stdout)
                .unwrap_or_default()
        })
    }

    /// The host's target triple.
    pub(crate) fn host(&self) -> Option<&str> {
        self.rustc().lines().find_map(|line| line.strip_prefix("host: "))
    }

    /// The toolchain's folder.
    pub(crate) fn sysroot(&self) -> Option<Utf8PathBuf> {
        self.rustc().lines().last().filter(|line| line.starts_with('/')).map(Utf8PathBuf::from)
    }

    /// The version of cargo-nextest, where it is installed.
    pub(crate) fn nextest(&self) -> Option<&str> {
        let ask = || {
            let output =
                process::capture_in(&self.dir, &[env::cargo(), "nextest".to_owned(), "--version".to_owned()]).ok()?;
            let first = output.stdout.lines().next()?.trim().to_owned();
            output.success.then(|| first.split(' ').nth(1).unwrap_or_default().to_owned())
        };
        self.nextest.get_or_init(ask).as_deref()
    }

    /// What the record says of the tools.
    pub(crate) fn tools(&self, with_nextest: bool) -> Vec<Tool> {
        let rustc = self.rustc().lines().next().unwrap_or_default().trim_start_matches("rustc ");
        let mut tools = vec![("cargo-harness", env!("CARGO_PKG_VERSION")), ("rustc", rustc)];
        if with_nextest {
            tools.extend(self.nextest().map(|version| ("cargo-nextest", version)));
        }
        tools.into_iter().map(|(name, version)| Tool { name: name.to_owned(), version: version.to_owned() }).collect()
    }
}
