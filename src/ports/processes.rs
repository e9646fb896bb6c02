//! The processes of the machine as the kernel lists them: who is whose child, and what they use.

#![expect(clippy::disallowed_methods, reason = "/proc is read here")]

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal};

/// One process at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) parent: i32,
    /// Ended, and not yet waited for by its parent.
    pub(crate) is_dead: bool,
    pub(crate) threads: u64,
    /// Of processor time, its own and that of the children that it has waited for.
    pub(crate) ticks: u64,
    /// When it was started, in ticks since the machine was: with the number, this is one process and no other.
    pub(crate) started: u64,
    /// Memory in pages, shared ones included.
    pub(crate) resident: u64,
}

/// Every process that this user can see.
pub(crate) fn all() -> Vec<Process> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| one(entry.file_name().to_str()?.parse().ok()?)).collect()
}

/// One process; none where there is no such.
pub(crate) fn one(pid: i32) -> Option<Process> {
    parse(pid, &std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The name may hold blanks and brackets, so that the fields are counted from its end.
fn parse(pid: i32, stat: &str) -> Option<Process> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some(Process {
        pid,
        parent: fields.get(1)?.parse().ok()?,
        is_dead: matches!(*fields.first()?, "Z" | "X"),
        ticks: (11..=14).filter_map(number).sum(),
        threads: number(17)?,
        started: number(19)?,
        resident: number(21)?,
    })
}

/// Those of them that one of the roots has started, directly or not, and the roots.
pub(crate) fn trees(all: &[Process], roots: &[i32]) -> Vec<Process> {
    let mut children: BTreeMap<i32, Vec<&Process>> = BTreeMap::new();
    for process in all {
        children.entry(process.parent).or_default().push(process);
    }
    let mut seen = BTreeSet::new();
    let mut queue: Vec<&Process> = all.iter().filter(|process| roots.contains(&process.pid)).collect();
    let mut found = Vec::new();
    while let Some(process) = queue.pop() {
        if seen.insert(process.pid) {
            queue.extend(children.get(&process.pid).into_iter().flatten());
            found.push(*process);
        }
    }
    found
}

/// The processor time of so many ticks.
pub(crate) fn time(ticks: u64) -> Duration {
    Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second().max(1) as f64)
}

/// So many pages in bytes.
pub(crate) fn bytes(pages: u64) -> u64 {
    pages.saturating_mul(rustix::param::page_size() as u64)
}

/// The memory of a process that would be free without it, in bytes: what it shares with others counts in parts, and files that are
/// only mapped don't count. None where the kernel doesn't tell.
pub(crate) fn own_memory(pid: i32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let kilobytes = |line: &str| {
        let (name, value) = line.split_once(':')?;
        let counts = ["Pss_Anon", "Pss_Shmem", "SwapPss"].contains(&name);
        counts.then(|| value.trim().trim_end_matches(" kB").parse::<u64>().ok()).flatten()
    };
    Some(text.lines().filter_map(kilobytes).sum::<u64>() << 10)
}

/// With which words a process was started; nothing where that can't be seen any more.
pub(crate) fn command_line(pid: i32) -> String {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).trim_end_matches('\0').replace('\0', " ")
}

/// The machine's memory in bytes.
pub(crate) fn machine_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    Some(total.trim().trim_end_matches(" kB").parse::<u64>().ok()? << 10)
}

/// A hold on one process: its number may be another one's later, this stays with it.
pub(crate) struct Hold {
    pid: i32,
    fd: OwnedFd,
}

impl Hold {
    /// On the process that now has this number.
    pub(crate) fn of(pid: i32) -> Option<Hold> {
        let fd = rustix::process::pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()?;
        Some(Hold { pid, fd })
    }

    /// On this very process, as long as it is still there.
    pub(crate) fn of_process(process: &Process) -> Option<Hold> {
        let hold = Hold::of(process.pid)?;
        (one(process.pid)?.started == process.started).then_some(hold)
    }

    /// Its number.
    pub(crate) fn pid(&self) -> i32 {
        self.pid
    }

    /// Asks it to end, as `kill` does. It is woken first if it is stopped.
    pub(crate) fn ask(&self) {
        let _ = rustix::process::pidfd_send_signal(&self.fd, Signal::TERM);
        let _ = rustix::process::pidfd_send_signal(&self.fd, Signal::CONT);
    }

    /// Ends it.
    pub(crate) fn kill(&self) {
        let _ = rustix::process::pidfd_send_signal(&self.fd, Signal::KILL);
    }

    /// Whether it ends within so long.
    pub(crate) fn ends(&self, within: Duration) -> bool {
        super::tree::is_readable(&self.fd, within)
    }
}

/// The processes that hold an exclusive or shared `flock` on a file whose path is accepted, by what the kernel says of their open
/// files; a removed file keeps its path. What such a file contains is of no matter, so that nobody can point at another process.
pub(crate) fn holders(is_lock: impl Fn(&str) -> bool) -> Vec<(i32, String)> {
    let mut found = Vec::new();
    for process in all().into_iter().filter(|process| !process.is_dead) {
        found.extend(held(process.pid, &is_lock).map(|path| (process.pid, path)));
    }
    found
}

/// The first such file of one process.
pub(crate) fn held(pid: i32, is_lock: &impl Fn(&str) -> bool) -> Option<String> {
    let files = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.flatten();
    files.into_iter().find_map(|file| {
        let path = std::fs::read_link(file.path()).ok()?.to_str()?.trim_end_matches(" (deleted)").to_owned();
        if !is_lock(&path) {
            return None;
        }
        let info = std::fs::read_to_string(format!("/proc/{pid}/fdinfo/{}", file.file_name().to_str()?)).ok()?;
        info.lines().any(|line| line.starts_with("lock:") && line.contains("FLOCK")).then_some(path)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: i32, parent: i32) -> Process {
        Process { pid, parent, is_dead: false, threads: 1, ticks: 0, started: 0, resident: 0 }
    }

    #[test]
    fn a_name_with_brackets_and_blanks_hides_no_field() {
        let stat = "7 (a) Z 1 (x)) S 3 7 7 0 -1 4194560 100 0 0 0 5 6 7 8 20 0 4 0 99 1000 250 18446744073709551615";
        let read = parse(7, stat).unwrap();
        let expected = Process { ticks: 26, threads: 4, started: 99, resident: 250, ..process(7, 3) };
        assert_eq!(read, expected);
        assert_eq!(parse(7, "7 (a) S 3"), None);
        assert_eq!(parse(7, ""), None);
    }

    #[test]
    fn a_tree_is_what_its_root_has_started_even_where_parents_go_round() {
        let all = [process(2, 1), process(3, 2), process(4, 3), process(5, 1), process(6, 7), process(7, 6)];
        let pids = |roots: &[i32]| {
            let mut pids: Vec<i32> = trees(&all, roots).iter().map(|process| process.pid).collect();
            pids.sort();
            pids
        };
        assert_eq!(pids(&[2]), [2, 3, 4]);
        assert_eq!(pids(&[3, 5]), [3, 4, 5]);
        assert_eq!(pids(&[6]), [6, 7]);
        assert_eq!(pids(&[99]), [0; 0]);
    }

    #[test]
    fn this_process_is_seen_as_it_is() {
        let me = one(std::process::id() as i32).unwrap();
        assert!(!me.is_dead && me.threads > 0 && me.resident > 0, "{me:?}");
        assert!(own_memory(me.pid).is_some_and(|memory| memory > 0 && memory <= bytes(me.resident) + (64 << 20)));
        assert!(machine_memory().is_some_and(|memory| memory > bytes(me.resident)));
    }

    #[test]
    fn a_hold_on_a_process_is_none_on_one_that_has_its_number_later() {
        let me = one(std::process::id() as i32).unwrap();
        assert!(Hold::of_process(&me).is_some());
        assert!(Hold::of_process(&Process { started: me.started + 1, ..me }).is_none());
    }

    #[test]
    fn who_holds_a_lock_is_found_even_when_its_file_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".lock");
        let file = std::fs::File::create(&path).unwrap();
        let here = folder.path().to_str().unwrap().to_owned();
        let found = || holders(|path| path.starts_with(&here));
        assert_eq!(found(), [], "an open file is no lock");
        file.lock().unwrap();
        assert_eq!(found().first().map(|(pid, _)| *pid), Some(std::process::id() as i32));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(found().len(), 1);
    }
}
