//! The namespaces of a cage, made by bubblewrap.

use camino::{Utf8Path, Utf8PathBuf};

use super::{Access, Cage, Reach};
use crate::ports::{env, fs};

/// Folders of the system that hold programs and libraries, where they are no links into each other.
const PROGRAMS: [&str; 9] = ["bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr", "nix/store", "gnu/store"];

/// Settings of the system without which ordinary programs don't work. None of them is a secret.
pub(super) const SETTINGS: [&str; 27] = [
    "etc/alternatives",
    "etc/ca-certificates",
    "etc/debian_version",
    "etc/gai.conf",
    "etc/group",
    "etc/host.conf",
    "etc/hosts",
    "etc/ld.so.cache",
    "etc/ld.so.conf",
    "etc/ld.so.conf.d",
    "etc/localtime",
    "etc/lsb-release",
    "etc/mime.types",
    "etc/nsswitch.conf",
    "etc/os-release",
    "etc/passwd",
    "etc/pki/ca-trust/extracted",
    "etc/pki/tls/certs",
    "etc/protocols",
    "etc/services",
    "etc/shells",
    "etc/ssl/certs",
    "etc/ssl/cert.pem",
    "etc/ssl/openssl.cnf",
    "etc/terminfo",
    "etc/timezone",
    "etc/xdg/clang",
];

/// How much the folders in memory that are there anyway may hold.
const SMALL: &str = "16777216";
const SHARED_MEMORY: &str = "268435456";

/// Places of `/proc` by which root could change the host.
const HELD: [&str; 7] =
    ["/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs", "/proc/acpi", "/proc/scsi"];

/// Where bubblewrap is, if it is installed.
pub(super) fn find() -> Option<Utf8PathBuf> {
    let path = env::var("PATH").unwrap_or_default();
    let folders = path.split(':').filter(|folder| folder.starts_with('/')).map(Utf8PathBuf::from);
    folders.map(|folder| folder.join("bwrap")).find(|file| fs::is_program(file))
}

/// The places that every cage has: programs, libraries, and the settings that they need.
pub(super) fn system() -> Vec<Utf8PathBuf> {
    let root = Utf8Path::new("/");
    let all = PROGRAMS.iter().chain(&SETTINGS).map(|name| root.join(name));
    all.chain(["/sys/devices/system/cpu".into()]).filter(|path| fs::exists(path)).collect()
}

/// Bubblewrap's arguments, up to the command.
pub(super) fn arguments(cage: &Cage, dir: &Utf8Path) -> Vec<String> {
    let mut words = Words(Vec::new());
    words.add(["--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]);
    if cage.reach != Reach::Everything {
        words.add(["--unshare-net"]);
    }
    words.add(["--disable-userns", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--as-pid-1"]);
    words.add(["--size", SMALL, "--tmpfs", "/"]);
    for path in system() {
        words.system(&path);
    }
    words.add(["--proc", "/proc"]);
    for path in HELD.into_iter().filter(|path| fs::exists(Utf8Path::new(path))) {
        words.add(["--ro-bind", path, path]);
    }
    words.add(["--dev", "/dev", "--perms", "1777", "--size", SHARED_MEMORY, "--tmpfs", "/dev/shm"]);
    words.add(["--dir", "/run", "--dir", "/var", "--symlink", "/tmp", "/var/tmp"]);
    for view in cage.ordered() {
        let path = view.path.as_str();
        match view.access {
            Access::Empty(size) => {
                let size = size.bytes().to_string();
                words.add(["--perms", if path == "/tmp" { "1777" } else { "0700" }, "--size", &size, "--tmpfs", path]);
            }
            Access::Read => words.add(["--ro-bind", path, path]),
            Access::Write => words.add(["--bind", path, path]),
        }
    }
    words.add(["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", dir.as_str(), "--"]);
    words.0
}

struct Words(Vec<String>);

impl Words {
    fn add<'a>(&mut self, words: impl IntoIterator<Item = &'a str>) {
        self.0.extend(words.into_iter().map(str::to_owned));
    }

    /// A place of the system: a link of the root folder as a link, everything else with what it leads to.
    fn system(&mut self, path: &Utf8Path) {
        match fs::link_target(path).filter(|_| path.parent() == Some(Utf8Path::new("/"))) {
            Some(target) => self.add(["--symlink", &target, path.as_str()]),
            None => self.add(["--ro-bind", path.as_str(), path.as_str()]),
        }
    }
}
