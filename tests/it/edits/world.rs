//! The edited repository on disk, and the ways in which an edit gets there.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::{Duration, SystemTime};

use camino::{Utf8Path, Utf8PathBuf};

use super::inputs::{ABSENT, Input, Layer, Place, inputs};
use super::tree;
use crate::support::{Answer, Facts, Random, Repo, answer, skipped};

/// How a file is written, as editors, tools and attackers do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    InPlace,
    /// Another file takes its name.
    Renamed,
    /// With the time of modification that it had before.
    OldTime,
    RenamedWithOldTime,
    /// With a time of long ago, as archives and some checkouts leave it.
    LongAgo,
}

/// What changes nothing that matters.
#[derive(Clone, Copy, Debug)]
pub(super) enum Idle {
    Nothing,
    Touch,
    Rewrite,
    Add,
    StashAndPop,
    BranchThereAndBack,
    OtherBranch,
    Terminal,
}

/// One input's layer takes one of its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) input: usize,
    pub(super) layer: usize,
    pub(super) value: usize,
}

pub(super) struct World {
    pub(super) repo: Repo,
    pub(super) inputs: Vec<Input>,
    /// For each input and layer, which of the values it has now.
    pub(super) now: Vec<Vec<usize>>,
    /// The same in each commit, the last one last.
    pub(super) commits: Vec<Vec<Vec<usize>>>,
    /// What takes the last change back.
    pub(super) back: Option<Change>,
    terminal: usize,
}

/// Two worlds in the same state must be judged the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct State {
    values: Vec<Vec<usize>>,
    /// Cargo keeps it up to date by itself.
    lock: Option<String>,
    commit: String,
}

impl Manner {
    pub(super) const ALL: [Manner; 5] =
        [Manner::InPlace, Manner::Renamed, Manner::OldTime, Manner::RenamedWithOldTime, Manner::LongAgo];
}

impl Idle {
    pub(super) const ALL: [Idle; 8] = [
        Idle::Nothing,
        Idle::Touch,
        Idle::Rewrite,
        Idle::Add,
        Idle::StashAndPop,
        Idle::BranchThereAndBack,
        Idle::OtherBranch,
        Idle::Terminal,
    ];
}

impl World {
    pub(super) fn new() -> World {
        let mut repo = Repo::empty();
        let top = repo.root().parent().unwrap().to_owned();
        for (path, text) in tree::FILES {
            write(&top.join(path), text, Manner::InPlace);
        }
        for (path, target) in tree::LINKS {
            symlink(target, top.join(path)).unwrap();
        }
        mode(&top.join("repo/scripts/check.sh"), 0o755);
        for name in ["bin", "cargo-home/bin", "rustup-home/toolchains"] {
            fs::create_dir_all(top.join(name)).unwrap();
        }
        repo.set_env("CARGO_HOME", top.join("cargo-home").as_str());
        repo.set_env("PATH", &format!("{}:{}", top.join("bin"), std::env::var("PATH").unwrap()));
        // Nothing is to be fetched where a toolchain isn't here.
        repo.set_env("RUSTUP_AUTO_INSTALL", "0");
        let toolchain = toolchain();
        if let Some(path) = &toolchain {
            symlink(path, top.join("rustup-home/toolchains/proof")).unwrap();
            repo.set_env("RUSTUP_HOME", top.join("rustup-home").as_str());
        } else {
            skipped("edits of the choice of a toolchain: this is none of rustup's");
        }
        let inputs = inputs(toolchain.as_deref());
        let now: Vec<Vec<usize>> = inputs.iter().map(|input| vec![0; input.layers.len()]).collect();
        let world = World { repo, inputs, commits: vec![now.clone()], now, back: None, terminal: 0 };
        for layer in world.inputs.iter().flat_map(|input| &input.layers) {
            if let (Place::File(path), (_, text)) = (&layer.place, &layer.values[0]) {
                put(&world.path(path), text, Manner::InPlace);
            }
        }
        world.begin_git();
        world
    }

    fn begin_git(&self) {
        self.repo.git(&["init", "--quiet", "nested"]);
        self.repo.git(&["-C", "nested", "add", "--all"]);
        self.repo.git(&["-C", "nested", "commit", "--quiet", "--message=Begin"]);
        self.repo.git_init();
        self.repo.git(&["add", "--force", "tests/data/forced.txt"]);
        self.repo.git(&["commit", "--quiet", "--amend", "--no-edit"]);
        self.repo.git(&["update-index", "--assume-unchanged", "tests/data/assumed.txt"]);
        self.repo.git(&["update-index", "--skip-worktree", "tests/data/skipped.txt"]);
    }

    fn path(&self, path: &str) -> Utf8PathBuf {
        self.repo.root().parent().unwrap().join(path)
    }

    fn layer(&self, change: Change) -> &Layer {
        &self.inputs[change.input].layers[change.layer]
    }

    /// Which inputs make the repository red.
    pub(super) fn broken(&self) -> Vec<usize> {
        (0..self.inputs.len()).filter(|input| self.is_broken(*input, &self.now[*input])).collect()
    }

    fn is_broken(&self, input: usize, now: &[usize]) -> bool {
        self.inputs[input].is_broken(now, &self.commits[self.commits.len() - 1][input])
    }

    /// Every value that an input's layers can have.
    pub(super) fn every_change(&self, input: usize) -> Vec<Change> {
        let of_layer = |(layer, values): (usize, &Layer)| {
            (0..values.values.len()).map(move |value| Change { input, layer, value }).collect::<Vec<_>>()
        };
        self.inputs[input].layers.iter().enumerate().flat_map(of_layer).collect()
    }

    /// Those that change something, and after which the input is broken, or isn't.
    pub(super) fn changes(&self, input: usize, to_broken: bool) -> Vec<Change> {
        let now = &self.now[input];
        let leads_there = |change: &Change| {
            let mut then = now.clone();
            then[change.layer] = change.value;
            then != *now && self.is_broken(input, &then) == to_broken
        };
        self.every_change(input).into_iter().filter(leads_there).collect()
    }

    /// What the change is, in words.
    pub(super) fn told(&self, change: Change) -> String {
        let layer = self.layer(change);
        let name = self.inputs[change.input].name;
        format!("{name}: {:?} now {:?}", layer.place, layer.values[change.value].1)
    }

    /// Makes the change on disk.
    pub(super) fn change(&mut self, change: Change, manner: Manner) {
        let before = self.now[change.input][change.layer];
        self.back = Some(Change { value: before, ..change });
        self.now[change.input][change.layer] = change.value;
        let layer = self.layer(change);
        let (from, to) = (&layer.values[before].1, &layer.values[change.value].1);
        match &layer.place {
            Place::Text(path) => put(&self.path(path), &self.text(path), manner),
            Place::File(path) => put(&self.path(path), to, manner),
            Place::Program(path) => {
                put(&self.path(path), to, manner);
                if to != ABSENT {
                    mode(&self.path(path), 0o755);
                }
            }
            Place::Link(path) => {
                fs::remove_file(self.path(path)).unwrap();
                symlink(to, self.path(path)).unwrap();
            }
            Place::Mode(path) => mode(&self.path(path), u32::from_str_radix(to, 8).unwrap()),
            Place::Path => fs::rename(self.path(from), self.path(to)).unwrap(),
            Place::Folder(path) if to == ABSENT => fs::remove_dir(self.path(path)).unwrap(),
            Place::Folder(path) => fs::create_dir(self.path(path)).unwrap(),
            Place::Variable(_) => {}
        }
    }

    /// A file with the text that each input has in it.
    fn text(&self, path: &str) -> String {
        let (_, mut text) =
            tree::FILES.iter().find(|(name, _)| *name == path).map(|(n, t)| (n, (*t).to_owned())).unwrap();
        for (input, now) in self.inputs.iter().zip(&self.now) {
            for (layer, value) in input.layers.iter().zip(now) {
                if matches!(layer.place, Place::Text(name) if name == path) {
                    let first = &layer.values[0].1;
                    assert_eq!(text.matches(first.as_str()).count(), 1, "{first:?} in {path}");
                    text = text.replace(first.as_str(), &layer.values[*value].1);
                }
            }
        }
        text
    }

    /// Does what changes nothing.
    pub(super) fn idle(&mut self, what: Idle, random: &mut Random) -> String {
        let (path, _) = random.choose(&tree::FILES);
        let path = self.path(path);
        match what {
            Idle::Nothing => {}
            Idle::Touch if path.exists() => {
                File::options().append(true).open(&path).unwrap().set_modified(SystemTime::now()).unwrap();
                return format!("Touch {path}");
            }
            Idle::Rewrite if path.exists() => {
                let manner = *random.choose(&Manner::ALL);
                write(&path, &crate::support::read(&path), manner);
                return format!("Rewrite {path} {manner:?}");
            }
            Idle::Touch | Idle::Rewrite => return "Nothing".to_owned(),
            Idle::Add => self.add(),
            Idle::StashAndPop => {
                // What is in the index and no longer on disk would come back.
                self.add();
                if !self.repo.git(&["stash", "push"]).contains("No local changes") {
                    self.repo.git(&["stash", "pop"]);
                }
            }
            Idle::BranchThereAndBack => {
                self.repo.git(&["checkout", "--quiet", "-B", "there"]);
                self.repo.git(&["checkout", "--quiet", "-"]);
            }
            Idle::OtherBranch => drop(self.repo.git(&["checkout", "--quiet", "-B", "other"])),
            Idle::Terminal => self.terminal += 1,
        }
        format!("{what:?}")
    }

    fn add(&self) {
        self.repo.git(&["-c", "advice.addEmbeddedRepo=false", "add", "--all"]);
    }

    /// Takes everything into a commit, which makes new warnings old.
    pub(super) fn commit(&mut self) {
        self.add();
        self.repo.git(&["commit", "--quiet", "--allow-empty", "--message=Further"]);
        self.commits.push(self.now.clone());
    }

    /// Takes the last commit back, not what it committed: old warnings are new again.
    pub(super) fn uncommit(&mut self) {
        self.repo.git(&["reset", "--quiet", "--soft", "HEAD~1"]);
        self.commits.pop();
    }

    /// All that the verdict hangs on.
    pub(super) fn state(&self) -> State {
        let lock = fs::read_to_string(self.repo.root().join("Cargo.lock")).ok();
        State { values: self.now.clone(), lock, commit: self.repo.git(&["rev-parse", "HEAD^{tree}"]) }
    }

    /// The disk must be as the model has it, or the model is wrong, and not the program.
    pub(super) fn assert_as_modelled(&self, after: &str) {
        for (input, now) in self.inputs.iter().zip(&self.now) {
            for (layer, value) in input.layers.iter().zip(now).filter(|_| input.name != "the lock") {
                let value = &layer.values[*value].1;
                let is_so = match &layer.place {
                    Place::Text(path) => crate::support::read(&self.path(path)) == self.text(path),
                    Place::File(path) | Place::Program(path) if value == ABSENT => !self.path(path).exists(),
                    Place::File(path) | Place::Program(path) => crate::support::read(&self.path(path)) == *value,
                    Place::Link(path) => self.path(path).read_link_utf8().unwrap() == value.as_str(),
                    Place::Mode(path) => {
                        let bits = self.path(path).metadata().unwrap().permissions().mode();
                        bits & 0o100 == u32::from_str_radix(value, 8).unwrap() & 0o100
                    }
                    Place::Path => self.path(value).exists(),
                    Place::Folder(path) => self.path(path).exists() == (value != ABSENT),
                    Place::Variable(_) => true,
                };
                assert!(is_so, "{}: {:?} isn't {value:?} after {after}", input.name, layer.place);
            }
        }
    }

    /// Runs `cargo harness fast`, where told with a target folder in which nothing was ever built.
    pub(super) fn judge(&self, afresh: bool) -> (Facts, Answer) {
        let fast = ["fast", "--message-format=json", "--no-cache"];
        let mut command = self.repo.harness_command(if afresh { &fast } else { &fast[..2] });
        command.env_remove("RUSTUP_TOOLCHAIN").env("TERM", ["dumb", "xterm"][self.terminal % 2]);
        for (input, now) in self.inputs.iter().zip(&self.now) {
            for (layer, value) in input.layers.iter().zip(now) {
                if let (Place::Variable(name), value) = (&layer.place, &layer.values[*value].1)
                    && value != ABSENT
                {
                    command.env(name, value);
                }
            }
        }
        let fresh = self.path("fresh");
        if afresh {
            command.env("CARGO_TARGET_DIR", &fresh);
        }
        let answer = answer(command, "");
        if afresh && fresh.exists() {
            fs::remove_dir_all(fresh).unwrap();
        }
        (Facts::of(&answer), answer)
    }
}

/// Where the toolchain in use lies, if it is one of rustup's.
fn toolchain() -> Option<String> {
    let name = std::env::var("RUSTUP_TOOLCHAIN").ok()?;
    let home = std::env::var("RUSTUP_HOME").unwrap_or(std::env::var("HOME").unwrap_or_default() + "/.rustup");
    let path = Utf8PathBuf::from(home).join("toolchains").join(name);
    Some(path.canonicalize_utf8().ok()?.into_string())
}

/// Writes a file, or removes it.
fn put(path: &Utf8Path, text: &str, manner: Manner) {
    match text {
        ABSENT if path.exists() => fs::remove_file(path).unwrap(),
        ABSENT => {}
        text => write(path, text, manner),
    }
}

fn write(path: &Utf8Path, text: &str, manner: Manner) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let before = path.metadata().ok();
    if matches!(manner, Manner::Renamed | Manner::RenamedWithOldTime) {
        let beside = path.with_extension("new");
        fs::write(&beside, text).unwrap();
        if let Some(before) = &before {
            fs::set_permissions(&beside, before.permissions()).unwrap();
        }
        fs::rename(&beside, path).unwrap();
    } else {
        fs::write(path, text).unwrap();
    }
    let time = match manner {
        Manner::InPlace | Manner::Renamed => None,
        Manner::OldTime | Manner::RenamedWithOldTime => before.map(|before| before.modified().unwrap()),
        Manner::LongAgo => Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)),
    };
    if let Some(time) = time {
        File::options().append(true).open(path).unwrap().set_modified(time).unwrap();
    }
}

fn mode(path: &Utf8Path, bits: u32) {
    fs::set_permissions(path, Permissions::from_mode(bits)).unwrap();
}
