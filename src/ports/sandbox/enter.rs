//! The last process before a step's command: it takes from itself what the command must not have. In namespaces it is then their first
//! process, starts the command and tells how that ended; without them it becomes the command.

#![expect(clippy::disallowed_methods, reason = "this starts the command of a step")]

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::process::{DumpableBehavior, Pid, Resource, Rlimit, WaitOptions, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};

use super::{Access, Cage, Limits, Reach, files, syscalls};
use crate::base::{AllowedHost, ExitCode};
use crate::ports::proxy::PORT;

/// The hidden verb.
pub(crate) const VERB: &str = "__enter";

/// What stands first in what is told through standard input, when all is in place.
pub(crate) const ENTERED: &str = "entered\n";

/// How the command ended, before a number: a program may exit with any number, also with those that shells give to signals.
pub(crate) const EXITED: &str = "exited ";
pub(crate) const SIGNALLED: &str = "signalled ";

/// Where programs look for a proxy, in both cases since some know only one.
const PROXY_VARIABLES: [&str; 7] =
    ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "CARGO_HTTP_PROXY"];
const NO_PROXY_VARIABLES: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// What is reached without a proxy: the cage's own.
const OWN: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// What this process has to hold itself to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Inner {
    /// Whether namespaces keep away what isn't named.
    namespaces: bool,
    /// Whether this is the first process of its namespaces.
    follows: bool,
    /// Whether a proxy answers; then these are the own hosts that it doesn't.
    proxy: Option<Vec<String>>,
    reads: Vec<Utf8PathBuf>,
    writes: Vec<Utf8PathBuf>,
    limits: Limits,
    /// Variables that only the command gets: by them it could be told which libraries this process loads.
    #[serde(default)]
    set: Vec<(String, String)>,
}

/// Whether a variable tells the dynamic linker what to load.
pub(crate) fn is_for_the_command_only(name: &str) -> bool {
    name.starts_with("LD_")
}

impl Inner {
    /// The part of a cage that is left once its namespaces are made.
    pub(super) fn of(cage: &Cage) -> Inner {
        let namespaces = cage.has_namespaces();
        let follows = cage.bubblewrap.is_some();
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
        let proxy = match &cage.reach {
            Reach::Hosts(way) if follows => Some(own_hosts(&way.allowed)),
            _ => None,
        };
        let set = cage.set.iter().filter(|(name, _)| is_for_the_command_only(name)).cloned().collect();
        Inner { namespaces, follows, proxy, reads, writes: paths(&is_writable), limits: cage.limits, set }
    }
}

/// Without those of the host's that the contract names.
fn own_hosts(allowed: &[AllowedHost]) -> Vec<String> {
    let is_named = |own: &str| own.parse().is_ok_and(|address| allowed.iter().any(|entry| entry.is_address(address)));
    OWN.into_iter().filter(|own| !is_named(own)).map(str::to_owned).collect()
}

/// The body of the hidden verb: what to hold to, then the command. It comes back only with what went wrong.
pub(crate) fn main(args: &[String]) -> u8 {
    match enter(args) {
        Ok(code) => code,
        Err(why) => {
            tell(&format!("{why}\n"));
            ExitCode::Environment.code()
        }
    }
}

/// Standard input leads to the supervisor, until the command gets its own.
fn tell(text: &str) {
    let _ = rustix::io::write(rustix::stdio::stdin(), text.as_bytes());
}

fn enter(args: &[String]) -> Result<u8, String> {
    let [inner, program, args @ ..] = args else { return Err("it is started by the harness, not by hand".to_owned()) };
    let inner: Inner = serde_json::from_str(inner).map_err(|error| error.to_string())?;
    hold(&inner)?;
    let mut command = Command::new(program);
    command.args(args).envs(inner.set).stdin(Stdio::null());
    match &inner.proxy {
        None => tell(ENTERED),
        Some(own) => {
            hand_out_listener().map_err(|error| format!("there is no way to the proxy: {error}"))?;
            let proxy = format!("http://127.0.0.1:{PORT}");
            command.envs(PROXY_VARIABLES.map(|name| (name, &proxy)));
            let own = own.join(",");
            command.envs(NO_PROXY_VARIABLES.map(|name| (name, &own)));
        }
    }
    if inner.follows { follow(&mut command) } else { Err(format!("{NOT_STARTED}{}", command.exec())) }
}

/// Says that all is in place, and gives the supervisor the socket at which its proxy will be looked for.
fn hand_out_listener() -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", PORT))?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors = [listener.as_fd()];
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    sendmsg(rustix::stdio::stdin(), &[IoSlice::new(ENTERED.as_bytes())], &mut ancillary, SendFlags::empty())?;
    Ok(())
}

/// As the first process of its namespaces: starts the command and waits for it, and for the orphans that fall to this process. When it
/// ends, the kernel ends what is left. The command can't end it, as nobody within can, nor look into it.
fn follow(command: &mut Command) -> Result<u8, String> {
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|error| error.to_string())?;
    let child = command.spawn().map_err(|error| format!("{NOT_STARTED}{error}"))?;
    let child = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or("the command has no number")?;
    let status = loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == child => break status,
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.to_string()),
        }
    };
    let (said, number, code) = match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => (EXITED, code, code),
        (None, Some(signal)) => (SIGNALLED, signal, 128 + signal),
        (None, None) => return Err("the command's status says neither exit nor signal".to_owned()),
    };
    tell(&format!("{said}{number}\n"));
    Ok(u8::try_from(code).unwrap_or(u8::MAX))
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
    // A core would lie about in the workspace, or with the host's handler of cores.
    lower(Resource::Core, Some(0))?;
    lower(Resource::Nproc, limits.processes)?;
    lower(Resource::Fsize, limits.file_size)?;
    lower(Resource::Nofile, limits.open_files)?;
    lower(Resource::Cpu, limits.cpu_s)
}

/// What is started inherits the limits of this process.
pub(crate) fn lower(resource: Resource, limit: Option<u64>) -> io::Result<()> {
    let Some(limit) = limit else { return Ok(()) };
    // Only root could raise what is lower already.
    let limit = getrlimit(resource).maximum.map_or(limit, |maximum| maximum.min(limit));
    Ok(setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) })?)
}
