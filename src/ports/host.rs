//! The machine and the user that a verdict was reached on and by.

use super::fs;

/// One line that is another one on another machine, under another kernel, or for another user.
pub(crate) fn facts() -> String {
    let kernel = rustix::system::uname();
    let machine = fs::read_text("/etc/machine-id".into()).unwrap_or_default();
    let user = rustix::process::geteuid().as_raw();
    let group = rustix::process::getegid().as_raw();
    format!("{:?} {:?} {} {user} {group}", kernel.release(), kernel.machine(), machine.trim())
}
