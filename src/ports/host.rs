//! The machine and the user that a verdict was reached on and by.

use super::fs;

/// The machine's name.
pub(crate) fn name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The name of the user whom this process works for, or the number where the system knows none.
pub(crate) fn user() -> String {
    let number = rustix::process::geteuid().as_raw().to_string();
    let known = fs::read_text("/etc/passwd".into()).unwrap_or_default();
    let mut names = known.lines().filter_map(|line| {
        let mut fields = line.split(':');
        Some((fields.next()?, fields.nth(1)?))
    });
    names.find(|(_, user)| *user == number).map_or(number.clone(), |(name, _)| name.to_owned())
}

/// The numbers of that user and of their group.
pub(crate) fn user_and_group() -> (u32, u32) {
    (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw())
}

/// One line that is another one on another machine, under another kernel, or for another user.
pub(crate) fn facts() -> String {
    let kernel = rustix::system::uname();
    let machine = fs::read_text("/etc/machine-id".into()).unwrap_or_default();
    let user = rustix::process::geteuid().as_raw();
    let group = rustix::process::getegid().as_raw();
    format!("{:?} {:?} {} {user} {group}", kernel.release(), kernel.machine(), machine.trim())
}

/// What the kernel's settings say of namespaces.
pub(crate) fn containment() -> String {
    let settings = [
        "/proc/sys/user/max_user_namespaces",
        "/proc/sys/kernel/unprivileged_userns_clone",
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        // Within a sandbox there are no further namespaces.
        "/proc/self/uid_map",
    ];
    settings.map(|path| fs::read_text(path.into()).unwrap_or_default().split_whitespace().collect::<String>()).join(" ")
}

/// Which of the kernel's starts this is.
pub(crate) fn boot() -> String {
    fs::read_text("/proc/sys/kernel/random/boot_id".into()).unwrap_or_default()
}
