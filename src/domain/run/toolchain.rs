//! Which tools are here, asked once and beside the first steps, since the answer takes as long as a small step.

use std::sync::OnceLock;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::cache::{Cache, Kind};
use super::image_tools::{self, ImageTools};
use crate::base::Digest;
use crate::domain::contract::needs::Tool;
use crate::domain::record;
use crate::domain::sandbox::Sandbox;
use crate::ports::process::Supervised;
use crate::ports::{cargo, env, fs, process};

/// What tools have said of themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Answers {
    rustc: String,
    /// Absent where it was not asked.
    nextest: Option<Option<String>>,
}

/// The tools of a run.
#[derive(Debug, Default)]
pub(crate) struct Toolchain {
    /// Where they are asked: the folder that a toolchain file may stand in.
    dir: Utf8PathBuf,
    /// Where they are an image's.
    image: Option<ImageTools>,
    rustc: OnceLock<String>,
    nextest: OnceLock<Option<String>>,
}

impl Toolchain {
    /// Those that a workspace gets.
    pub(crate) fn of(root: &Utf8Path) -> Toolchain {
        Toolchain { dir: root.to_owned(), ..Toolchain::default() }
    }

    /// The same as if nextest were missing.
    pub(crate) fn without_nextest(self) -> Toolchain {
        Toolchain { nextest: OnceLock::from(None), ..self }
    }

    /// Those that a run gets: the image's, where its steps run in containers. `folder` is for what these print.
    pub(crate) fn of_run(root: &Utf8Path, sandbox: &Sandbox, folder: &Utf8Path, runner: &Supervised) -> Toolchain {
        Toolchain { image: ImageTools::of(sandbox, folder, runner), ..Toolchain::of(root) }
    }

    /// Asks now what steps will want to know later; meant for a thread of its own.
    pub(crate) fn warm_up(&self, with_nextest: bool) {
        self.rustc();
        if with_nextest {
            self.nextest();
        }
    }

    /// Takes over what the same tools, by their ground, have said before.
    pub(super) fn recall(&self, cache: &Cache, ground: &Digest) {
        if let Some(image) = &self.image {
            return image.recall(cache, ground);
        }
        if let Some(answers) = cache.read::<Answers>(Kind::Tools, ground) {
            let _ = self.rustc.set(answers.rustc);
            let _ = answers.nextest.map(|nextest| self.nextest.set(nextest));
        }
    }

    /// Keeps what the tools have said, if there is a compiler.
    ///
    /// # Errors
    /// The cache can't be written.
    pub(super) fn keep(&self, cache: &Cache, ground: &Digest) -> fs::Result<()> {
        if let Some(image) = &self.image {
            return image.keep(cache, ground);
        }
        let Some(rustc) = self.rustc.get().filter(|said| !said.is_empty()).cloned() else { return Ok(()) };
        let answers = Answers { rustc, nextest: self.nextest.get().cloned() };
        let known: Option<Answers> = cache.read(Kind::Tools, ground);
        if known.as_ref() == Some(&answers) { Ok(()) } else { cache.write(Kind::Tools, ground, &answers) }
    }

    /// What `rustc -vV` prints, and behind it the folder of the toolchain; empty where there is none.
    fn rustc(&self) -> &str {
        if let Some(image) = &self.image {
            return image.answer(&self.dir, &image_tools::rustc()).unwrap_or_default();
        }
        self.rustc.get_or_init(|| {
            let rustc = env::var("RUSTC").unwrap_or_else(|| "rustc".to_owned());
            process::capture_in(&self.dir, &[rustc, "-vV".to_owned(), "--print=sysroot".to_owned()])
                .map(|output| output.stdout)
                .unwrap_or_default()
        })
    }

    /// One line of what `rustc -vV` prints: `release`, `commit-hash`, `host`.
    pub(crate) fn rustc_field(&self, name: &str) -> Option<&str> {
        self.rustc().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// What `rustc -vV` prints.
    pub(crate) fn verbose_version(&self) -> String {
        let lines = self.rustc().lines().filter(|line| !line.starts_with('/'));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// The host's target triple.
    pub(crate) fn host(&self) -> Option<&str> {
        self.rustc_field("host")
    }

    /// The toolchain's folder.
    pub(crate) fn sysroot(&self) -> Option<Utf8PathBuf> {
        self.rustc().lines().last().filter(|line| line.starts_with('/')).map(Utf8PathBuf::from)
    }

    /// The version of cargo-nextest, where it is installed.
    pub(crate) fn nextest(&self) -> Option<&str> {
        let ask = || {
            if self.image.is_some() {
                return self.version(Tool::Nextest);
            }
            let [program, name] = cargo::subcommand("nextest")?;
            let output = process::capture_in(&self.dir, &[program, name, "--version".to_owned()]).ok()?;
            let first = output.stdout.lines().next()?.trim().to_owned();
            output.success.then(|| first.split(' ').nth(1).unwrap_or_default().to_owned())
        };
        self.nextest.get_or_init(ask).as_deref()
    }

    /// The version that a tool of these prints, where it is there.
    pub(crate) fn version(&self, tool: Tool) -> Option<String> {
        match &self.image {
            Some(image) => version_in(image.answer(&self.dir, &image_tools::version(tool))?, tool.name()),
            None => version(&self.dir, tool),
        }
    }

    /// Whether a program is there and succeeds.
    pub(super) fn succeeds(&self, argv: &[String]) -> bool {
        match &self.image {
            Some(image) => image.answer(&self.dir, argv).is_some(),
            None => process::capture_in(&self.dir, argv).is_ok_and(|output| output.success),
        }
    }

    /// What the record says of the tools.
    pub(crate) fn tools(&self, with_nextest: bool) -> Vec<record::Tool> {
        let rustc = self.rustc().lines().next().unwrap_or_default().trim_start_matches("rustc ");
        let mut tools = vec![("cargo-harness", env!("CARGO_PKG_VERSION")), ("rustc", rustc)];
        if with_nextest {
            tools.extend(self.nextest().map(|version| ("cargo-nextest", version)));
        }
        tools
            .into_iter()
            .map(|(name, version)| record::Tool { name: name.to_owned(), version: version.to_owned() })
            .collect()
    }
}

/// The version that a tool prints, asked in a folder, where it is this tool that answers and not an alias of its name.
pub(crate) fn version(dir: &Utf8Path, tool: Tool) -> Option<String> {
    let mut argv = match (tool, tool.subcommand()) {
        (_, Some(name)) => cargo::subcommand(name)?.to_vec(),
        (Tool::Git, None) => vec!["git".to_owned()],
        (Tool::Rustc, None) => vec![env::var("RUSTC").unwrap_or_else(|| "rustc".to_owned())],
        (_, None) => vec![env::cargo()],
    };
    argv.push("--version".to_owned());
    let output = process::capture_in(dir, &argv).ok().filter(|output| output.success)?;
    version_in(&output.stdout, tool.name())
}

/// `git version 2.47.3` and `cargo 1.95.0 (f2d3ce0bd 2026-03-21)` alike.
fn version_in(printed: &str, name: &str) -> Option<String> {
    let rest = printed.lines().next()?.strip_prefix(name)?.strip_prefix(' ')?;
    let is_version = |word: &&str| word.starts_with(|c: char| c.is_ascii_digit());
    rest.split(' ').find(is_version).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_each_tool_prints() {
        for (printed, name, expected) in [
            ("cargo 1.95.0 (f2d3ce0bd 2026-03-21)\n", "cargo", Some("1.95.0")),
            ("git version 2.47.3\n", "git", Some("2.47.3")),
            ("rustfmt 1.9.0-stable (59807616e1 2026-04-14)", "rustfmt", Some("1.9.0-stable")),
            ("cargo-nextest 0.9.143 (60fa45f63 2026-08-04)\nrelease: 0.9.143\n", "cargo-nextest", Some("0.9.143")),
            ("fuzzy 1.0", "cargo-fuzz", None),
            ("cargo-fuzzer 1.0", "cargo-fuzz", None),
            ("", "git", None),
        ] {
            assert_eq!(version_in(printed, name).as_deref(), expected, "{printed}");
        }
    }
}
