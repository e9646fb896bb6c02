//! The last process before a step's command: it takes from itself what the command must not have, then becomes the command.

#![expect(clippy::disallowed_methods, reason = "this becomes the command of a step")]

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};

use super::{Access, Cage, Limits, files, syscalls};
use crate::base::ExitCode;

/// The hidden verb.
pub(crate) const VERB: &str = "__enter";

/// What stands first in what is told through standard input, when all is in place.
pub(crate) const ENTERED: &str = "entered\n";

/// What this process has to hold itself to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Inner {
    /// Whether namespaces keep away what isn't named.
    namespaces: bool,
    reads: Vec<Utf8PathBuf>,
    writes: Vec<Utf8PathBuf>,
    limits: Limits,
    /// Variables that only the command gets: by them it could be told which libraries this process loads.
    #[serde(default)]
    set: Vec<(String, String)>,
}

/// Whether a variable tells the dynamic linker what to load.
pub(super) fn is_for_the_command_only(name: &str) -> bool {
    name.starts_with("LD_")
}

impl Inner {
    /// The part of a cage that is left once its namespaces are made.
    pub(super) fn of(cage: &Cage) -> Inner {
        let namespaces = cage.has_namespaces();
        let views = cage.ordered();
        // In namespaces a folder in memory is the command's own; without them it would be the host's.
        let is_writable = |access| access == Access::Write || (namespaces && matches!(access, Access::Empty(_)));
        let paths = |wanted: &dyn Fn(Access) -> bool| {
            views.iter().filter(|view| wanted(view.access)).map(|view| view.path.clone()).collect::<Vec<_>>()
        };
        let reads = if namespaces {
            vec!["/".into()]
        } else {
            let rest = ["/proc".into(), cage.program.clone()];
            [super::bubblewrap::system(), paths(&|access| access == Access::Read), rest.to_vec()].concat()
        };
        let set = cage.set.iter().filter(|(name, _)| cage.container.is_some() && is_for_the_command_only(name));
        Inner { namespaces, reads, writes: paths(&is_writable), limits: cage.limits, set: set.cloned().collect() }
    }
}

/// The body of the hidden verb: what to hold to, then the command. It comes back only with what went wrong.
pub(crate) fn main(args: &[String]) -> ExitCode {
    let why = enter(args);
    tell(&format!("{why}\n"));
    ExitCode::Environment
}

/// Standard input leads to the supervisor, until the command gets its own.
fn tell(text: &str) {
    let _ = rustix::io::write(rustix::stdio::stdin(), text.as_bytes());
}

fn enter(args: &[String]) -> String {
    let [inner, program, args @ ..] = args else { return "it is started by the harness, not by hand".to_owned() };
    let inner: Inner = match serde_json::from_str(inner) {
        Ok(inner) => inner,
        Err(error) => return error.to_string(),
    };
    if let Err(why) = hold(&inner) {
        return why;
    }
    tell(ENTERED);
    let error = Command::new(program).args(args).envs(inner.set).stdin(Stdio::null()).exec();
    format!("{NOT_STARTED}{error}")
}

/// Stands before why the command itself can't be started.
pub(crate) const NOT_STARTED: &str = "not started: ";

fn hold(inner: &Inner) -> Result<(), String> {
    close_inherited();
    limit(&inner.limits).map_err(|error| format!("limits cannot be set: {error}"))?;
    let held = files::restrict(&inner.reads, &inner.writes, inner.namespaces)
        .map_err(|why| format!("Landlock refuses: {why}"))?;
    if !held && !inner.namespaces {
        return Err("this kernel has neither user namespaces nor Landlock".to_owned());
    }
    let ask = syscalls::Ask { traces_held: held };
    syscalls::restrict(ask).map_err(|why| format!("the filter of system calls is refused: {why}"))
}

/// Closes what the harness's caller has left open, and whoever stands between.
pub(crate) fn close_inherited() {
    let names = Utf8Path::new("/proc/self/fd")
        .read_dir_utf8()
        .map(|entries| entries.flatten().filter_map(|entry| entry.file_name().parse::<i32>().ok()).collect::<Vec<_>>());
    for descriptor in names.into_iter().flatten().filter(|descriptor| *descriptor > 2) {
        // The one by which they were listed is closed already.
        let _ = nix::unistd::close(descriptor);
    }
}

fn limit(limits: &Limits) -> io::Result<()> {
    let set = |resource, most: u64| setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) });
    // A core would lie about in the workspace, or with the host's handler of cores.
    set(Resource::Core, 0)?;
    limits.address_space.map_or(Ok(()), |most| set(Resource::As, most))?;
    limits.processes.map_or(Ok(()), |most| set(Resource::Nproc, most))?;
    limits.file_size.map_or(Ok(()), |most| set(Resource::Fsize, most))?;
    // Only root could raise what is lower already.
    let within = |resource, most: u64| most.min(getrlimit(resource).maximum.unwrap_or(most));
    limits.open_files.map_or(Ok(()), |most| set(Resource::Nofile, within(Resource::Nofile, most)))?;
    limits.cpu.map_or(Ok(()), |most| set(Resource::Cpu, within(Resource::Cpu, most)))?;
    Ok(())
}
