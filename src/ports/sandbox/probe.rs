//! What a cage keeps away on this host, found out by trying: every attempt is made outside first, so that one that fails there too
//! proves nothing.

#![expect(clippy::disallowed_methods, reason = "attempts are made as judged code would make them")]

use std::collections::BTreeMap;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::container::Container;
use super::{Access, Cage, View, bubblewrap};
use crate::base::{ByteSize, ExitCode};
use crate::ports::process::{Job, Runner, Wish};
use crate::ports::supervisor::Ended;
use crate::ports::{env, fs};

/// The hidden verb that makes the attempts.
pub(crate) const VERB: &str = "__probe";

/// The oldest bubblewrap that can keep a cage's processes from making namespaces of their own.
const OLDEST: (u32, u32) = (0, 8);

/// How long the attempts may take.
const LIMIT: Duration = Duration::from_secs(5);
/// The first container of an image may have to wait for a copy of it.
const LIMIT_OF_CONTAINER: Duration = Duration::from_secs(120);

/// A folder that may be written, and one in it that may not.
const OWN: &str = "own";
const KEPT: &str = "own/kept";

/// What got through, by name.
pub(crate) type Attempts = BTreeMap<String, bool>;

/// What is to be had on this host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Found {
    pub(crate) bubblewrap: Option<Utf8PathBuf>,
    /// Why there are no namespaces; empty where there are.
    pub(crate) why: String,
    /// The attempts outside.
    pub(crate) outside: Attempts,
    /// Those within namespaces, where they could be entered.
    pub(crate) full: Option<Attempts>,
    /// Those without namespaces, where the kernel has Landlock.
    pub(crate) partial: Option<Attempts>,
}

/// Where the attempts go: what an honest step has no business with.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Bait {
    folder: Utf8PathBuf,
    port: u16,
    pid: u32,
}

/// Where bubblewrap is, if it is installed.
pub(crate) fn bubblewrap() -> Option<Utf8PathBuf> {
    bubblewrap::find()
}

/// Tries everything, in a folder that is there for nothing else.
pub(crate) fn look(folder: &Utf8Path, program: &Utf8Path, runner: &dyn Runner) -> Found {
    let mut found = Found { bubblewrap: bubblewrap::find(), ..Found::default() };
    let laid = match Laid::out(folder) {
        Ok(laid) => laid,
        Err(why) => return Found { why, ..found },
    };
    let bait = laid.bait;
    found.outside = attempt(&bait);
    let cage = cage(folder, program);
    match found.bubblewrap.as_ref().map(|program| version(program)) {
        None => found.why = "bubblewrap is not installed".to_owned(),
        Some(version) if version < OLDEST => {
            found.why = format!("bubblewrap {}.{} is too old, 0.8 is needed", version.0, version.1);
        }
        Some(_) => match caged(&Cage { bubblewrap: found.bubblewrap.clone(), ..cage.clone() }, &bait, runner) {
            Ok(attempts) => found.full = Some(attempts),
            Err(why) => found.why = why,
        },
    }
    found.partial = caged(&cage, &bait, runner).ok();
    found
}

/// Tries everything in a container, in a folder that is there for nothing else.
pub(crate) fn look_into(container: &Container, folder: &Utf8Path, program: &Utf8Path, runner: &dyn Runner) -> Found {
    let laid = match Laid::out(folder) {
        Ok(laid) => laid,
        Err(why) => return Found { why, ..Found::default() },
    };
    let outside = attempt(&laid.bait);
    let cage = Cage { container: Some(container.clone()), ..cage(folder, program) };
    match caged(&cage, &laid.bait, runner) {
        Ok(attempts) => Found { outside, full: Some(attempts), ..Found::default() },
        Err(why) => Found { outside, why, ..Found::default() },
    }
}

/// What the attempts go for, as long as this is held.
struct Laid {
    bait: Bait,
    _port: TcpListener,
    _socket: UnixListener,
}

impl Laid {
    fn out(folder: &Utf8Path) -> Result<Laid, String> {
        let bound = TcpListener::bind("127.0.0.1:0").and_then(|listener| Ok((listener.local_addr()?.port(), listener)));
        let (port, listener) = bound.map_err(|_| "no socket can be bound".to_owned())?;
        let cannot = || format!("{folder} cannot be written");
        let socket = UnixListener::bind(folder.join("socket")).map_err(|_| cannot())?;
        fs::create_dir(&folder.join(KEPT)).map_err(|_| cannot())?;
        fs::replace(&folder.join("canary"), b"canary").map_err(|_| cannot())?;
        let bait = Bait { folder: folder.to_owned(), port, pid: std::process::id() };
        Ok(Laid { bait, _port: listener, _socket: socket })
    }
}

/// That in which the attempts are made.
fn cage(folder: &Utf8Path, program: &Utf8Path) -> Cage {
    Cage {
        program: program.to_owned(),
        views: vec![
            View { path: "/tmp".into(), access: Access::Empty(ByteSize::of_bytes(1 << 20)) },
            View { path: program.to_owned(), access: Access::Read },
            View { path: folder.join(OWN), access: Access::Write },
            View { path: folder.join(KEPT), access: Access::Read },
        ],
        ..Cage::default()
    }
}

/// `bubblewrap 0.8.0`: its first two numbers; 0.0 where it can't be asked.
fn version(program: &Utf8Path) -> (u32, u32) {
    let printed = crate::ports::process::capture(&[program.to_string(), "--version".to_owned()]);
    let printed = printed.map(|output| output.stdout).unwrap_or_default();
    let mut numbers = printed.trim().rsplit(' ').next().unwrap_or_default().split('.').map(|n| n.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

fn caged(cage: &Cage, bait: &Bait, runner: &dyn Runner) -> Result<Attempts, String> {
    let (stdout, stderr) = (bait.folder.join("attempts"), bait.folder.join("words"));
    for path in [&stdout, &stderr] {
        fs::remove_file(path).map_err(|error| error.to_string())?;
    }
    let bait = serde_json::to_string(bait).unwrap_or_default();
    let argv = [cage.program.as_str(), VERB, &bait].map(str::to_owned);
    let job = Job {
        argv: &argv,
        dir: Utf8Path::new("/"),
        env: &[],
        stdout: &stdout,
        stderr: &stderr,
        limit: if cage.container.is_some() { LIMIT_OF_CONTAINER } else { LIMIT },
        watchdog: None,
        cage: Some(cage),
    };
    match runner.run(&job, &mut || Wish::GoOn).ended {
        Ended::Exited(0) => {}
        Ended::Lost(why) => return Err(why),
        ended => return Err(format!("{ended:?}")),
    }
    let text = fs::read_text(&stdout).map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map_err(|error| error.to_string())
}

/// The body of the hidden verb: what got through, as JSON.
pub(crate) fn main(args: &[String]) -> (ExitCode, String) {
    match args.first().map(|bait| serde_json::from_str::<Bait>(bait)) {
        Some(Ok(bait)) => (ExitCode::Green, serde_json::to_string(&attempt(&bait)).unwrap_or_default()),
        _ => (ExitCode::Usage, String::new()),
    }
}

fn attempt(bait: &Bait) -> Attempts {
    let canary = bait.folder.join("canary");
    let process = Utf8PathBuf::from(format!("/proc/{}", bait.pid));
    let signal = || {
        let pid = i32::try_from(bait.pid).ok().and_then(rustix::process::Pid::from_raw);
        pid.is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok())
    };
    let chmod = || std::fs::set_permissions(&canary, std::fs::Permissions::from_mode(0o600)).is_ok();
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], bait.port));
    let open_to_write = |path: &str| std::fs::OpenOptions::new().write(true).open(path).is_ok();
    let inherited = || {
        let open = std::fs::read_dir("/proc/self/fd").map(|entries| entries.count()).unwrap_or(usize::MAX);
        // The three standard ones, and the one by which they are listed.
        open > 4
    };
    [
        ("files-read", std::fs::read(&canary).is_ok()),
        ("files-write", std::fs::write(bait.folder.join("planted"), b"").is_ok()),
        ("files-seen", std::fs::metadata(&canary).is_ok()),
        ("files-mode", chmod()),
        ("files-kept", std::fs::write(bait.folder.join(KEPT).join("planted"), b"").is_ok()),
        ("network", TcpStream::connect_timeout(&address, Duration::from_millis(500)).is_ok()),
        ("sockets", UnixStream::connect(bait.folder.join("socket")).is_ok()),
        ("environment", std::fs::read(process.join("environ")).is_ok()),
        ("processes-seen", std::fs::metadata(&process).is_ok()),
        ("processes-signalled", signal()),
        ("kernel-settings", open_to_write("/proc/sys/kernel/core_pattern")),
        ("descriptors", inherited()),
    ]
    .map(|(name, through)| (name.to_owned(), through))
    .into()
}

/// This program's file under a name that stays good during a run: its own, or one in the run's folder where a build of that run may
/// replace it.
///
/// # Errors
/// The copy can't be made.
pub(crate) fn program_file(run_dir: &Utf8Path, target_dir: &Utf8Path) -> fs::Result<Utf8PathBuf> {
    let own = env::own_program();
    let identity = |path: &Utf8Path| std::fs::metadata(path).ok().map(|data| (data.dev(), data.ino()));
    let named = fs::link_target(Utf8Path::new(&own)).map(Utf8PathBuf::from);
    let named = named.filter(|path| identity(path) == identity(Utf8Path::new(&own)) && !path.starts_with(target_dir));
    match named {
        Some(path) => Ok(path),
        None => {
            let copy = run_dir.join("cargo-harness");
            fs::copy_program(Utf8Path::new(&own), &copy)?;
            Ok(copy)
        }
    }
}
