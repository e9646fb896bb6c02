//! With cargo-nextest and without it, on a machine that may or may not have it; and which processes are left.

use std::os::unix::fs::symlink;

use camino::{Utf8Path, Utf8PathBuf};

use super::Repo;

/// Who runs the tests of a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runner {
    Nextest,
    CargoTest,
}

const NEXTEST: &str = "cargo-nextest";

impl Runner {
    /// Those that this machine has; it says so where one is missing.
    pub(crate) fn here() -> Vec<Runner> {
        let installed = folders().iter().chain([&cargo_home().join("bin")]).any(|dir| dir.join(NEXTEST).exists());
        if installed {
            vec![Runner::Nextest, Runner::CargoTest]
        } else {
            super::skipped("with nextest: cargo-nextest is not installed");
            vec![Runner::CargoTest]
        }
    }
}

impl Repo {
    /// From now on this runner runs the tests, which must be one of those that are here.
    pub(crate) fn use_runner(&mut self, runner: Runner) -> &mut Repo {
        self.env.retain(|(name, _)| name != "PATH" && name != "CARGO_HOME");
        if runner == Runner::Nextest {
            return self;
        }
        let shadows = self.home.join("without-nextest");
        let path: Vec<Utf8PathBuf> = folders()
            .into_iter()
            .enumerate()
            .map(|(n, dir)| if dir.join(NEXTEST).exists() { shadow(&dir, &shadows.join(n.to_string())) } else { dir })
            .collect();
        let home = cargo_home();
        // Cargo looks into its own home too.
        if home.join("bin").join(NEXTEST).exists() {
            let own = shadow(&home, &shadows.join("home"));
            std::fs::remove_file(own.join("bin")).unwrap();
            shadow(&home.join("bin"), &own.join("bin"));
            self.set_env("CARGO_HOME", own.as_str());
        }
        let path: Vec<&str> = path.iter().map(|dir| dir.as_str()).collect();
        self.set_env("PATH", &path.join(":"))
    }

    /// The command lines of living processes that have to do with this repository: run in it, or name it.
    pub(crate) fn processes(&self) -> Vec<String> {
        let folder = self.root.parent().unwrap().as_str();
        let own = std::process::id().to_string();
        let entries = Utf8Path::new("/proc").read_dir_utf8().unwrap().flatten();
        let pids = entries.filter(|e| e.file_name().bytes().all(|b| b.is_ascii_digit()) && e.file_name() != own);
        pids.filter_map(|process| {
            let bytes = std::fs::read(process.path().join("cmdline")).ok()?;
            let line = String::from_utf8_lossy(&bytes).replace('\0', " ");
            let cwd = std::fs::read_link(process.path().join("cwd")).unwrap_or_default();
            (!line.is_empty() && (line.contains(folder) || cwd.starts_with(folder))).then_some(line)
        })
        .collect()
    }
}

fn folders() -> Vec<Utf8PathBuf> {
    std::env::var("PATH").unwrap().split(':').map(Utf8PathBuf::from).collect()
}

fn cargo_home() -> Utf8PathBuf {
    let home = || format!("{}/.cargo", std::env::var("HOME").unwrap_or_default());
    Utf8PathBuf::from(std::env::var("CARGO_HOME").unwrap_or_else(|_| home()))
}

/// A folder of links to everything that another one has, except for nextest.
fn shadow(of: &Utf8Path, at: &Utf8Path) -> Utf8PathBuf {
    if !at.exists() {
        std::fs::create_dir_all(at).unwrap();
        for entry in of.read_dir_utf8().unwrap().flatten().filter(|entry| entry.file_name() != NEXTEST) {
            symlink(entry.path(), at.join(entry.file_name())).unwrap();
        }
    }
    at.to_owned()
}

/// Whether the whole sandbox is to be had here.
pub(crate) fn has_bubblewrap() -> bool {
    std::process::Command::new("bwrap")
        .args(["--unshare-all", "--ro-bind", "/", "/", "true"])
        .status()
        .is_ok_and(|s| s.success())
}
