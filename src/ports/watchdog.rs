//! Watches what all processes of a step use together, and says when that is past a limit.
//!
//! The kernel's own limits hold for one process each, so these are looked at from outside, several times a second: what grows faster
//! than that is noticed late, and what was noticed once is never forgotten.

#![expect(clippy::disallowed_methods, reason = "sizes of files are read here")]

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::{clock, processes};

/// What can be limited beside the time that passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Resource {
    Memory,
    Cpu,
    Pids,
    Files,
    Disk,
    Output,
}

/// How much of each; nothing where there is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Bytes of all processes together.
    pub(crate) memory: Option<u64>,
    /// Processor time of all processes together.
    pub(crate) cpu: Option<Duration>,
    /// Processes and threads at a time.
    pub(crate) pids: Option<u64>,
    /// Open files of each process.
    pub(crate) files: Option<u64>,
    /// Bytes that were written and are still there.
    pub(crate) disk: Option<u64>,
    /// Bytes of all logs.
    pub(crate) output: Option<u64>,
}

/// Where a step writes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    /// Folders whose growth counts as disk.
    pub(crate) written: Vec<Utf8PathBuf>,
    /// The folder of its logs, and how their names begin.
    pub(crate) logs: (Utf8PathBuf, String),
}

/// How often processes, output and disk are looked at. Each look takes a twentieth of the time at most.
const PROCESSES_EVERY: Duration = Duration::from_millis(100);
const OUTPUT_EVERY: Duration = Duration::from_millis(300);
const DISK_EVERY: Duration = Duration::from_millis(500);
const COST: u32 = 20;

/// One step's.
#[derive(Debug)]
pub(crate) struct Watchdog {
    limits: Limits,
    places: Places,
    /// Nanoseconds since 1970: what was changed before is not of this step.
    began: i64,
    /// The free space of each file system in bytes when the step began.
    free: BTreeMap<u64, u64>,
    state: Mutex<State>,
    passed: OnceLock<Resource>,
    largest: OnceLock<(String, u64)>,
}

#[derive(Debug)]
struct State {
    /// The supervisors of commands that are under way.
    roots: Vec<i32>,
    /// The processor time of those that have ended.
    spent: Duration,
    processes_at: Instant,
    output_at: Instant,
    disk_at: Instant,
}

impl Watchdog {
    /// From now on.
    pub(crate) fn new(limits: Limits, places: Places) -> Watchdog {
        let now = clock::now();
        let free = places.written.iter().filter_map(|folder| free_space(folder)).collect();
        let state = State { roots: Vec::new(), spent: Duration::ZERO, processes_at: now, output_at: now, disk_at: now };
        Watchdog {
            limits,
            places,
            began: super::stamp::now(),
            free,
            state: Mutex::new(state),
            passed: OnceLock::new(),
            largest: OnceLock::new(),
        }
    }

    /// The limits that it goes by.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What is past its limit, if anything ever was.
    pub(crate) fn passed(&self) -> Option<Resource> {
        self.passed.get().copied()
    }

    /// Where memory is past its limit: the command line of the process that had most of it, and how many bytes.
    pub(crate) fn largest(&self) -> Option<&(String, u64)> {
        self.largest.get()
    }

    /// From now on this supervisor and all below it count.
    pub(crate) fn begin(&self, supervisor: i32) {
        if let Ok(mut state) = self.state.lock() {
            state.roots.push(supervisor);
        }
    }

    /// It has ended, and so much processor time was spent below it.
    pub(crate) fn end(&self, supervisor: i32, spent: Duration) {
        let Ok(mut state) = self.state.lock() else { return };
        state.roots.retain(|root| *root != supervisor);
        state.spent += spent;
        let is_over = self.limits.cpu.is_some_and(|limit| state.spent > limit);
        drop(state);
        if is_over {
            self.pass(Resource::Cpu);
        }
        self.look_at_output();
    }

    /// Looks at what is due. Whoever comes while another one looks need not wait.
    pub(crate) fn look(&self) -> Option<Resource> {
        if self.passed().is_none()
            && let Ok(mut state) = self.state.try_lock()
        {
            let now = clock::now();
            if now >= state.processes_at {
                self.look_at_processes(&state);
                state.processes_at = next(now, PROCESSES_EVERY);
            }
            let now = clock::now();
            if now >= state.output_at {
                self.look_at_output();
                state.output_at = next(now, OUTPUT_EVERY);
            }
            let now = clock::now();
            if now >= state.disk_at {
                self.look_at_disk();
                state.disk_at = next(now, DISK_EVERY);
            }
        }
        self.passed()
    }

    fn pass(&self, resource: Resource) {
        let _ = self.passed.set(resource);
    }

    fn look_at_processes(&self, state: &State) {
        let all = processes::trees(&processes::all(), &state.roots);
        let threads: u64 = all.iter().map(|process| process.threads).sum();
        if self.limits.pids.is_some_and(|limit| threads > limit) {
            self.pass(Resource::Pids);
        }
        let ticks = all.iter().map(|process| process.ticks).sum();
        if self.limits.cpu.is_some_and(|limit| state.spent + processes::time(ticks) > limit) {
            self.pass(Resource::Cpu);
        }
        // What is resident counts shared memory many times: only past the limit is it worth a closer look, which is dear.
        let most = processes::bytes(all.iter().map(|process| process.resident).sum());
        if self.limits.memory.is_some_and(|limit| most > limit) {
            let own = |process: &processes::Process| {
                processes::own_memory(process.pid).unwrap_or_else(|| processes::bytes(process.resident))
            };
            let living = all.iter().filter(|process| !process.is_dead);
            let memory: Vec<(i32, u64)> = living.map(|process| (process.pid, own(process))).collect();
            let together: u64 = memory.iter().map(|(_, bytes)| bytes).sum();
            if self.limits.memory.is_some_and(|limit| together > limit) {
                if let Some((pid, bytes)) = memory.into_iter().max_by_key(|(_, bytes)| *bytes) {
                    let _ = self.largest.set((processes::command_line(pid), bytes));
                }
                self.pass(Resource::Memory);
            }
        }
    }

    fn look_at_output(&self) {
        let Some(limit) = self.limits.output else { return };
        let (folder, prefix) = &self.places.logs;
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let own =
            entries.filter(|entry| entry.file_name().to_str().is_some_and(|name| name.starts_with(prefix.as_str())));
        let mut bytes = 0;
        for entry in own {
            let Ok(data) = entry.metadata() else { continue };
            bytes += if data.is_dir() { size_of_files(&entry.path()) } else { data.len() };
        }
        if bytes > limit {
            self.pass(Resource::Output);
        }
    }

    /// Only where a file system has lost more space than the limit is it worth looking whose files they are.
    fn look_at_disk(&self) {
        let Some(limit) = self.limits.disk else { return };
        let free: BTreeMap<u64, u64> = self.places.written.iter().filter_map(|folder| free_space(folder)).collect();
        let lost = |(device, before): (&u64, &u64)| before.saturating_sub(free.get(device).copied().unwrap_or(*before));
        if self.free.iter().map(lost).sum::<u64>() > limit && written_since(&self.places.written, self.began, limit) {
            self.pass(Resource::Disk);
        }
    }
}

fn size_of_files(folder: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).map(|data| data.len()).sum()
}

/// Looking took from `began` until now.
fn next(began: Instant, every: Duration) -> Instant {
    let now = clock::now();
    now + every.max(now.saturating_duration_since(began) * COST)
}

/// The device of a folder, and how many bytes are free on it; none where there is no such folder.
fn free_space(folder: &Utf8Path) -> Option<(u64, u64)> {
    let device = std::fs::metadata(folder).ok()?.dev();
    let space = rustix::fs::statvfs(folder.as_std_path()).ok()?;
    Some((device, space.f_bfree.saturating_mul(space.f_frsize)))
}

/// Whether the files below these folders that were changed since then take more than so many bytes.
fn written_since(folders: &[Utf8PathBuf], since: i64, limit: u64) -> bool {
    let mut queue: Vec<std::path::PathBuf> = folders.iter().map(|folder| folder.clone().into_std_path_buf()).collect();
    let mut seen = std::collections::HashSet::new();
    let mut bytes: u64 = 0;
    while let Some(path) = queue.pop() {
        let Ok(data) = std::fs::symlink_metadata(&path) else { continue };
        if data.is_dir() {
            queue.extend(std::fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path()));
        } else if data.ctime() * 1_000_000_000 + data.ctime_nsec() >= since && seen.insert((data.dev(), data.ino())) {
            bytes += data.blocks() * 512;
        }
        if bytes > limit {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, Utf8PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        (folder, path)
    }

    #[test]
    fn only_the_logs_of_the_step_count_as_its_output() {
        let (_folder, path) = folder();
        std::fs::create_dir(path.join("1-unit.tests")).unwrap();
        std::fs::write(path.join("1-unit.tests/a.log"), [0; 60]).unwrap();
        std::fs::write(path.join("1-unit.log"), [0; 60]).unwrap();
        std::fs::write(path.join("1-doc.log"), [0; 900]).unwrap();
        let passed = |output: u64| {
            let places = Places { logs: (path.clone(), "1-unit.".to_owned()), ..Places::default() };
            let watchdog = Watchdog::new(Limits { output: Some(output), ..Limits::default() }, places);
            watchdog.end(0, Duration::ZERO);
            watchdog.passed()
        };
        assert_eq!((passed(120), passed(119)), (None, Some(Resource::Output)));
    }

    #[test]
    fn what_was_there_before_was_not_written_and_a_link_counts_once() {
        let (_folder, path) = folder();
        std::fs::write(path.join("old"), vec![1; 1 << 20]).unwrap();
        let long_ago = written_since(std::slice::from_ref(&path), 0, 1 << 19);
        let later = super::super::stamp::now() + 60_000_000_000;
        assert_eq!((long_ago, written_since(std::slice::from_ref(&path), later, 0)), (true, false));
        std::fs::hard_link(path.join("old"), path.join("same")).unwrap();
        assert!(!written_since(&[path], 0, 3 << 19));
    }

    #[test]
    fn processor_time_of_ended_commands_adds_up() {
        let limits = Limits { cpu: Some(Duration::from_secs(10)), ..Limits::default() };
        let watchdog = Watchdog::new(limits, Places::default());
        watchdog.end(1, Duration::from_secs(6));
        assert_eq!(watchdog.passed(), None);
        watchdog.end(2, Duration::from_secs(6));
        assert_eq!(watchdog.passed(), Some(Resource::Cpu));
    }
}
