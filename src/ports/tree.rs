//! Whole process trees: waiting for one, and leaving nothing of it behind.
//!
//! A process that made itself a subreaper inherits every orphan below it, also those that left their session or process
//! group; so "kill my children until I have none" reaches everything that was ever started below it.

#![expect(clippy::disallowed_methods, reason = "/proc is read here and nowhere else")]

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, WaitStatus};

use super::clock;

/// Makes this process the one that inherits its orphaned descendants.
pub(crate) fn become_subreaper() -> io::Result<()> {
    Ok(rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?)
}

/// Leaves the caller's session, so that a terminal's signals don't reach what is started from here.
pub(crate) fn leave_session() {
    // Fails only for a group leader, which has its own group already.
    let _ = rustix::process::setsid();
}

/// Wakes a waiting `Watch` when one of the signals arrives.
pub(crate) struct SignalPipe(UnixStream);

impl SignalPipe {
    /// From now on these signals no longer end the process.
    pub(crate) fn new(signals: &[i32]) -> io::Result<SignalPipe> {
        let (reader, writer) = UnixStream::pair()?;
        for signal in signals {
            signal_hook::low_level::pipe::register(*signal, writer.try_clone()?)?;
        }
        Ok(SignalPipe(reader))
    }

    /// The same, and takes note of it, so that the next answer is of the next signal.
    pub(crate) fn next(&self, within: Duration) -> bool {
        self.arrived(within) && io::Read::read(&mut &self.0, &mut [0; 16]).is_ok()
    }

    /// Whether one of the signals has come, or comes within so long.
    pub(crate) fn arrived(&self, within: Duration) -> bool {
        is_readable(&self.0, within)
    }
}

/// Whether there is something to read, or nobody left who could write, now or within so long.
pub(crate) fn is_readable(fd: &impl AsFd, within: Duration) -> bool {
    let deadline = clock::now() + within;
    let mut fds = [PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN)];
    loop {
        let left = deadline.saturating_duration_since(clock::now());
        match poll(&mut fds, Some(&timespec(left))) {
            Err(rustix::io::Errno::INTR) => {}
            ready => return ready.is_ok_and(|count| count > 0),
        }
    }
}

/// Whether nobody is left who could read what is written here.
pub(crate) fn has_no_reader(fd: &impl AsFd) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::empty())];
    poll(&mut fds, Some(&timespec(Duration::ZERO))).is_ok_and(|_| fds[0].revents().contains(PollFlags::ERR))
}

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woke {
    /// The child ended; it has not been reaped yet.
    Exited,
    /// The time was up.
    Deadline,
    /// One of the pipe's signals came.
    Signalled,
    /// The other end of standard input was closed: whoever started us is gone.
    Abandoned,
}

/// A child being waited for.
pub(crate) struct Watch {
    pid: Pid,
    pidfd: OwnedFd,
}

impl Watch {
    /// The child must not have been reaped yet.
    pub(crate) fn new(child: u32) -> io::Result<Watch> {
        let pid =
            i32::try_from(child).ok().and_then(Pid::from_raw).ok_or_else(|| io::Error::other("no such process"))?;
        let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty())?;
        Ok(Watch { pid, pidfd })
    }

    /// Waits until the child ends or something else happens first.
    pub(crate) fn wait(
        &self,
        deadline: Option<Instant>,
        signals: Option<&SignalPipe>,
        stdin: bool,
    ) -> io::Result<Woke> {
        let input = io::stdin();
        loop {
            let mut fds = vec![PollFd::new(&self.pidfd, PollFlags::IN)];
            let signals_at = signals.map(|pipe| {
                fds.push(PollFd::from_borrowed_fd(pipe.0.as_fd(), PollFlags::IN));
                fds.len() - 1
            });
            let stdin_at = stdin.then(|| {
                fds.push(PollFd::from_borrowed_fd(input.as_fd(), PollFlags::IN));
                fds.len() - 1
            });
            let left = deadline.map(|at| at.saturating_duration_since(clock::now()));
            let timeout = left.map(timespec);
            match poll(&mut fds, timeout.as_ref()) {
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
                Ok(0) => return Ok(Woke::Deadline),
                Ok(_) => {}
            }
            let ready = |at: Option<usize>| at.is_some_and(|at| !fds[at].revents().is_empty());
            if !fds[0].revents().is_empty() {
                return Ok(Woke::Exited);
            }
            if ready(signals_at) {
                return Ok(Woke::Signalled);
            }
            if ready(stdin_at) {
                return Ok(Woke::Abandoned);
            }
        }
    }

    /// Reaps the child, blocking until it has ended.
    pub(crate) fn reap(&self) -> io::Result<WaitStatus> {
        loop {
            match rustix::process::waitpid(Some(self.pid), WaitOptions::empty()) {
                Ok(Some((_, status))) => return Ok(status),
                Ok(None) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Asks the child's process group to end, gives it `grace`, then forces the child.
    pub(crate) fn stop(&self, grace: Duration) -> io::Result<WaitStatus> {
        let _ = rustix::process::kill_process_group(self.pid, Signal::TERM);
        let _ = rustix::process::kill_process(self.pid, Signal::TERM);
        if self.wait(Some(clock::now() + grace), None, false)? == Woke::Deadline {
            let _ = rustix::process::kill_process_group(self.pid, Signal::KILL);
            let _ = rustix::process::kill_process(self.pid, Signal::KILL);
        }
        self.reap()
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec { tv_sec: duration.as_secs() as i64, tv_nsec: i64::from(duration.subsec_nanos()) }
}

/// The names, as the kernel has them, of the living direct children of this process, inherited orphans included.
pub(crate) fn children() -> Vec<String> {
    reap_zombies();
    let me = rustix::process::getpid();
    child_pids(me.as_raw_nonzero().get()).into_iter().filter_map(living).collect()
}

/// Kills every process below this one and returns the number of those that were living; gives up after `limit`.
pub(crate) fn kill_all(limit: Duration) -> usize {
    let deadline = clock::now() + limit;
    let me = rustix::process::getpid().as_raw_nonzero().get();
    let mut killed = std::collections::HashSet::new();
    loop {
        reap_zombies();
        let mut queue = child_pids(me);
        if queue.is_empty() || clock::now() >= deadline {
            return killed.len();
        }
        while let Some(pid) = queue.pop() {
            queue.extend(child_pids(pid));
            if let Some(target) = Pid::from_raw(pid)
                && rustix::process::kill_process(target, Signal::KILL).is_ok()
            {
                killed.insert(pid);
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Asks the groups of a process's children to end.
pub(crate) fn ask_children_to_end(of: u32) {
    for pid in i32::try_from(of).map(child_pids).unwrap_or_default().into_iter().filter_map(Pid::from_raw) {
        let _ = rustix::process::kill_process_group(pid, Signal::TERM);
    }
}

/// Waits until a child ends, as the process does that inherits orphans: they are reaped meanwhile.
pub(crate) fn wait_among_orphans(child: u32) -> io::Result<WaitStatus> {
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if u32::try_from(pid.as_raw_nonzero().get()) == Ok(child) => return Ok(status),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn reap_zombies() {
    while let Ok(Some(_)) = rustix::process::wait(WaitOptions::NOHANG) {}
}

/// A process can have children of each of its threads.
fn child_pids(pid: i32) -> Vec<i32> {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let lists = tasks.flatten().filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<i32>>()).collect()
}

fn living(pid: i32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
    let dead = matches!(rest.trim_start().as_bytes().first(), Some(b'Z' | b'X'));
    (!dead).then(|| name.to_owned())
}

/// The most memory that one of the children that were waited for, or of theirs, has held, in kibibytes; 0 where the kernel doesn't say.
pub(crate) fn peak_of_children() -> u64 {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_CHILDREN);
    usage.ok().and_then(|usage| u64::try_from(usage.max_rss()).ok()).unwrap_or_default()
}

/// How many processes the kernel has killed for want of memory since it started; 0 where it doesn't say.
pub(crate) fn oom_kills() -> u64 {
    let vmstat = std::fs::read_to_string("/proc/vmstat").unwrap_or_default();
    vmstat.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok()).unwrap_or(0)
}
