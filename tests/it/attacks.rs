//! What judged code tries to reach: each attempt is shown to get through without the sandbox where it can, and then that it doesn't.

use std::collections::BTreeSet;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::process::Stdio;

use camino::{Utf8Path, Utf8PathBuf};

use crate::support::{Facts, Repo, answer, has_bubblewrap, said, skipped};

const MANIFEST: &str = "[package]\nname = \"attacker\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[workspace]\n";

/// What every attempt has at hand.
const HEAD: &str = r#"
#![allow(dead_code)]
use std::ffi::CString;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

unsafe extern "C" {
    fn syscall(number: i64, ...) -> i64;
    fn mount(source: *const i8, target: *const i8, kind: *const i8, flags: u64, data: *const i8) -> i32;
    fn chroot(path: *const i8) -> i32;
    fn unshare(flags: i32) -> i32;
    fn kill(pid: i32, signal: i32) -> i32;
    fn mknod(path: *const i8, mode: u32, device: u64) -> i32;
    fn sethostname(name: *const i8, length: usize) -> i32;
    fn socket(domain: i32, kind: i32, protocol: i32) -> i32;
    fn fork() -> i32;
    fn waitpid(pid: i32, status: *mut i32, options: i32) -> i32;
    fn _exit(code: i32) -> !;
}

fn c(text: &str) -> CString {
    CString::new(text).unwrap()
}

/// In a process of its own, so that what gets through changes nothing for the others.
fn apart(attempt: impl FnOnce() -> bool) -> bool {
    unsafe {
        let pid = fork();
        if pid == 0 {
            let through = std::panic::catch_unwind(std::panic::AssertUnwindSafe(attempt)).unwrap_or(false);
            _exit(if through { 7 } else { 0 });
        }
        let mut status = 0;
        waitpid(pid, &mut status, 0);
        (status >> 8) & 0xff == 7
    }
}

fn written(path: &str) -> bool {
    let through = fs::OpenOptions::new().create(true).append(true).open(path).is_ok();
    through && fs::metadata(path).map(|meta| meta.len() == 0 && fs::remove_file(path).is_ok()).is_ok()
}
"#;

/// Where the bait lies, as the attempts know it.
struct Bait {
    /// A folder outside of the repository, with `secret` and `socket` in it.
    outside: Utf8PathBuf,
    repo: Repo,
    tcp: TcpListener,
    udp: UdpSocket,
    _socket: UnixListener,
    caller: Caller,
    path: String,
}

/// Who calls the harness.
enum Caller {
    /// Whoever runs the tests.
    Own,
    /// A user with no rights of its own, who has a copy of the program.
    Ordinary { program: Utf8PathBuf },
}

/// The user that owns nothing.
const NOBODY: u32 = 65534;

/// Name and body of each attempt; the body is true where it gets through.
fn attempts(bait: &Bait) -> Vec<(&'static str, String)> {
    let (outside, root) = (&bait.outside, bait.repo.root());
    let (tcp, udp) = (bait.tcp.local_addr().unwrap(), bait.udp.local_addr().unwrap());
    let cargo_home =
        std::env::var("CARGO_HOME").unwrap_or_else(|_| format!("{}/.cargo", std::env::var("HOME").unwrap()));
    let secret = format!("fs::read_to_string(\"{outside}/secret\").is_ok_and(|text| text.contains(\"canary\"))");
    let calls = |number: i64, rest: &str| format!("apart(|| unsafe {{ syscall({number}, {rest}) >= 0 }})");
    vec![
        ("file_by_its_path", secret.clone()),
        ("file_by_dots", format!("fs::read_to_string(\"{root}/../../..{outside}/secret\").is_ok()")),
        (
            "file_by_a_link",
            format!(
                "{{ let _ = std::os::unix::fs::symlink(\"{outside}/secret\", \"target/link\"); let read = \
                 fs::read_to_string(\"target/link\").is_ok(); let _ = fs::remove_file(\"target/link\"); read }}"
            ),
        ),
        ("file_by_the_root_of_another_process", format!("fs::read_to_string(\"/proc/1/root{outside}/secret\").is_ok()")),
        (
            "secret_in_own_environment",
            "std::env::var(\"HARNESS_CANARY\").is_ok()".to_owned(),
        ),
        (
            "secret_in_the_environment_of_another_process",
            "fs::read_dir(\"/proc\").unwrap().flatten().any(|entry| fs::read(entry.path().join(\"environ\"))\
             .is_ok_and(|text| String::from_utf8_lossy(&text).contains(\"HARNESS_CANARY=\")))"
                .to_owned(),
        ),
        (
            "file_by_an_inherited_descriptor",
            "(3..64).any(|fd| fs::read_to_string(format!(\"/proc/self/fd/{fd}\")).is_ok_and(|text| \
             text.contains(\"canary\")))"
                .to_owned(),
        ),
        ("write_outside", format!("written(\"{outside}/written\")")),
        ("write_to_the_system", "written(\"/usr/written-by-an-attempt\")".to_owned()),
        ("write_to_the_cargo_home", format!("written(\"{cargo_home}/written-by-an-attempt\")")),
        ("write_to_a_source", format!("written(\"{root}/src/written.rs\")")),
        ("write_a_git_hook", format!("written(\"{root}/.git/hooks/written\")")),
        ("write_to_the_harness_failures", format!("written(\"{root}/target/harness/failures/written.json\")")),
        ("write_to_the_harness_cache", format!("written(\"{root}/target/harness/cache/written\")")),
        (
            "write_to_the_audit_log",
            format!("fs::OpenOptions::new().append(true).open(\"{root}/target/harness/audit.jsonl\").is_ok()"),
        ),
        (
            "change_a_mode_outside",
            format!("fs::set_permissions(\"{outside}/secret\", fs::Permissions::from_mode(0o644)).is_ok()"),
        ),
        ("make_a_device", "apart(|| unsafe { let path = c(\"target/device\"); let made = mknod(path.as_ptr(), 0o020600, 0x103) == 0; let _ = fs::remove_file(\"target/device\"); made })".to_owned()),
        ("reach_by_tcp", format!("std::net::TcpStream::connect(\"{tcp}\").is_ok()")),
        (
            "reach_by_udp",
            format!(
                "std::net::UdpSocket::bind(\"127.0.0.1:0\").and_then(|own| {{ own.connect(\"{udp}\")?; own.set_read_timeout(Some(\
                 std::time::Duration::from_secs(2)))?; own.send(b\"ping\")?; own.recv(&mut [0; 4]) }}).is_ok()"
            ),
        ),
        ("reach_by_a_socket_in_a_folder", format!("std::os::unix::net::UnixStream::connect(\"{outside}/socket\").is_ok()")),
        ("open_a_raw_socket", "apart(|| unsafe { socket(2, 3, 1) >= 0 })".to_owned()),
        ("open_a_packet_socket", "apart(|| unsafe { socket(17, 3, 0) >= 0 })".to_owned()),
        ("unshare_a_user_namespace", "apart(|| unsafe { unshare(0x1000_0000) == 0 })".to_owned()),
        ("clone3_a_user_namespace", "apart(|| unsafe { let args: [u64; 11] = [0x1000_0000, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0]; let pid = syscall(435, args.as_ptr(), 88usize); if pid == 0 { _exit(0) } pid > 0 })".to_owned()),
        ("mount_a_folder", "apart(|| unsafe { let (kind, on) = (c(\"tmpfs\"), c(\"target\")); unshare(0x0002_0000) == 0 && mount(kind.as_ptr(), on.as_ptr(), kind.as_ptr(), 0, std::ptr::null()) == 0 })".to_owned()),
        ("change_the_root", "apart(|| unsafe { let to = c(\"target\"); chroot(to.as_ptr()) == 0 })".to_owned()),
        ("name_the_host", "apart(|| unsafe { unshare(0x0400_0000) == 0 && sethostname(c(\"x\").as_ptr(), 1) == 0 })".to_owned()),
        ("signal_a_process_of_the_host", format!("unsafe {{ kill({}, 0) == 0 && fs::read_to_string(\"/proc/{}/cmdline\").is_ok_and(|text| !text.contains(\"attacker\")) }}", std::process::id(), std::process::id())),
        ("add_a_key", calls(248, "c(\"user\").as_ptr(), c(\"attempt\").as_ptr(), c(\"x\").as_ptr(), 1usize, -3i64")),
        ("open_an_io_ring", calls(425, "1u64, [0u64; 15].as_mut_ptr()")),
        ("load_a_bpf_program", calls(321, "0i64, [2u32, 4, 4, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0].as_ptr(), 64u64")),
        ("count_events_of_the_kernel", calls(298, "[1u64, 128, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0].as_ptr(), 0i64, -1i64, -1i64, 0u64")),
        ("handle_page_faults", calls(323, "0u64")),
        (
            "open_a_setting_of_the_kernel",
            "fs::OpenOptions::new().write(true).open(\"/proc/sys/kernel/core_pattern\").is_ok()".to_owned(),
        ),
    ]
}

/// What everybody may do, in the sandbox too.
const BENIGN: &str = r#"
#[test]
fn benign_work() {
    fs::write("target/scratch", "x").unwrap();
    assert_eq!(fs::read_to_string("target/scratch").unwrap(), "x");
    let path = std::env::temp_dir().join("scratch-of-a-test");
    fs::write(&path, "y").unwrap();
    fs::remove_file(path).unwrap();
    assert!(fs::read_to_string("src/lib.rs").unwrap().contains("benign"));
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    let client = std::thread::spawn(move || std::net::TcpStream::connect(address).unwrap().write_all(b"hi").unwrap());
    let mut text = String::new();
    server.accept().unwrap().0.read_to_string(&mut text).unwrap();
    client.join().unwrap();
    assert_eq!(text, "hi");
    assert!(std::process::Command::new("true").status().unwrap().success());
}
"#;

impl Bait {
    fn lay() -> Bait {
        let mut repo = Repo::empty();
        let outside = repo.root().parent().unwrap().join("outside");
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(outside.join("secret"), "canary").unwrap();
        let socket = UnixListener::bind(outside.join("socket")).unwrap();
        let (tcp, udp) = (TcpListener::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        repo.set_env("HARNESS_CANARY", "canary");
        let path = std::env::var("PATH").unwrap();
        let bait = Bait { outside, repo, tcp, udp, _socket: socket, caller: Caller::Own, path };
        let tests: String = attempts(&bait)
            .into_iter()
            .map(|(name, body)| format!("\n#[test]\nfn {name}() {{\n    assert!({body}, \"blocked\");\n}}\n"))
            .collect();
        bait.repo.write("Cargo.toml", MANIFEST).write(".gitignore", "/target\n");
        bait.repo.write("src/lib.rs", &format!("//! Attempts, and what is benign.\n{HEAD}{BENIGN}{tests}"));
        // The harness's own folders are there as after a first run.
        for file in ["failures/x", "cache/x", "audit.jsonl"] {
            bait.repo.write(&format!("target/harness/{file}"), "");
        }
        bait.repo.git_init();
        bait
    }

    /// The tests that passed, and so got through; with a descriptor of the secret left open by the caller.
    fn through(&self, args: &[&str]) -> BTreeSet<String> {
        let echo = self.udp.try_clone().unwrap();
        echo.set_nonblocking(true).unwrap();
        let (program, user) = match &self.caller {
            Caller::Own => (env!("CARGO_BIN_EXE_cargo-harness"), String::new()),
            Caller::Ordinary { program } => {
                (program.as_str(), format!("setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups "))
            }
        };
        let words = ["run", "--mode", "full", "--step", "unit", "--no-cache", "--message-format=json"];
        let line =
            format!("exec 9<{}/secret; exec {user}{program} {} {}", self.outside, words.join(" "), args.join(" "));
        let mut command = self.repo.harness_command(&[]);
        let (envs, dir): (Vec<_>, _) =
            (command.get_envs().map(|(n, v)| (n.to_owned(), v.map(ToOwned::to_owned))).collect(), self.repo.root());
        command = std::process::Command::new("sh");
        command.args(["-c", &line]).current_dir(dir).env_clear().stdin(Stdio::null());
        command.envs(envs.into_iter().filter_map(|(name, value)| Some((name, value?))));
        let done = std::sync::atomic::AtomicBool::new(false);
        let facts = std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut buffer = [0; 16];
                while !done.load(std::sync::atomic::Ordering::SeqCst) {
                    match echo.recv_from(&mut buffer) {
                        Ok((length, from)) => drop(echo.send_to(&buffer[..length], from)),
                        Err(_) => std::thread::yield_now(),
                    }
                }
            });
            let facts = Facts::of(&answer(command, ""));
            done.store(true, std::sync::atomic::Ordering::SeqCst);
            facts
        });
        let failed: BTreeSet<String> = facts.failures().into_iter().map(|failure| failure.subject).collect();
        let all = attempts(self).into_iter().map(|(name, _)| name.to_owned()).chain(["benign_work".to_owned()]);
        assert!(!facts.counts().starts_with("0 passed, 0 failed"), "{facts:#?}");
        all.filter(|name| !failed.contains(name)).collect()
    }
}

impl Bait {
    /// From now on the path holds everything but bubblewrap.
    fn hide_bubblewrap(&mut self) {
        let bin = self.outside.parent().unwrap().join("bin");
        std::fs::create_dir(&bin).unwrap();
        for folder in self.path.split(':').map(Utf8Path::new).filter(|folder| folder.is_dir()) {
            for entry in folder.read_dir_utf8().unwrap().flatten().filter(|entry| entry.file_name() != "bwrap") {
                let _ = std::os::unix::fs::symlink(entry.path(), bin.join(entry.file_name()));
            }
        }
        self.repo.set_env("PATH", bin.as_str());
        self.repo.write("Harness.toml", &format!("[sandbox]\nread = [\"{bin}\"]\nnetwork = [\"crates.io\"]\n"));
    }

    /// The same, called by an ordinary user: with the repository and the bait in that user's hands, and a toolchain that can be read.
    fn lay_for_an_ordinary_user() -> Bait {
        let mut bait = Bait::lay();
        let top = bait.outside.parent().unwrap().to_owned();
        let home = top.join("home");
        let sysroot = printed("rustc", &["--print", "sysroot"]);
        std::fs::create_dir(top.join("toolchain")).unwrap();
        for name in ["bin", "lib"] {
            linked(&Utf8Path::new(sysroot.trim()).join(name), &top.join("toolchain").join(name));
        }
        let program = top.join("cargo-harness");
        linked(Utf8Path::new(env!("CARGO_BIN_EXE_cargo-harness")), &program);
        std::fs::set_permissions(&top, std::fs::Permissions::from_mode(0o755)).unwrap();
        let owner = format!("{NOBODY}:{NOBODY}");
        printed("chown", &["-R", &owner, bait.repo.root().as_str(), bait.outside.as_str(), home.as_str()]);
        bait.path = format!("{top}/toolchain/bin:/usr/local/bin:/usr/bin:/bin");
        bait.repo.set_env("PATH", &bait.path);
        bait.repo.set_env("CARGO_HOME", home.join(".cargo").as_str());
        bait.repo.set_env("RUSTUP_HOME", home.join(".rustup").as_str());
        bait.caller = Caller::Ordinary { program };
        bait
    }
}

/// A copy that takes no room where the file system can link.
fn linked(from: &Utf8Path, to: &Utf8Path) {
    let by = |how: &str| std::process::Command::new("cp").args([how, from.as_str(), to.as_str()]).status().unwrap();
    if !by("-al").success() {
        let _ = std::fs::remove_dir_all(to);
        assert!(by("-aL").success(), "{from} can't be copied");
    }
}

fn printed(program: &str, args: &[&str]) -> String {
    let output = std::process::Command::new(program).args(args).output().unwrap();
    assert!(output.status.success(), "{program} {args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn is_root() -> bool {
    printed("id", &["-u"]).trim() == "0"
}

#[test]
fn no_attempt_gets_through_the_whole_sandbox() {
    if !has_bubblewrap() {
        assert!(std::env::var("CI").is_err(), "CI promises bubblewrap");
        return skipped("the attempts against the whole sandbox: bubblewrap is missing or may not make namespaces");
    }
    none_gets_through(&Bait::lay(), "");
}

#[test]
fn no_attempt_of_an_ordinary_user_gets_through_the_whole_sandbox() {
    if !is_root() {
        return skipped("a change to another user needs root; the attempts were made as an ordinary one already");
    }
    let may =
        ["--reuid=65534", "--regid=65534", "--clear-groups", "bwrap", "--unshare-all", "--ro-bind", "/", "/", "true"];
    if !has_bubblewrap() || !std::process::Command::new("setpriv").args(may).status().is_ok_and(|s| s.success()) {
        return skipped("the attempts as an ordinary user: that user may not make namespaces here");
    }
    none_gets_through(&Bait::lay_for_an_ordinary_user(), " by an ordinary user");
}

fn none_gets_through(bait: &Bait, by: &str) {
    let open = bait.through(&["--sandbox=off"]);
    let all = attempts(bait).len();
    said(&format!("{} of {all} attempts{by} get through without the sandbox", open.len() - 1));
    assert!(
        open.contains("benign_work") && open.contains("file_by_its_path") && open.contains("reach_by_tcp"),
        "{open:?}"
    );
    let caged = bait.through(&["--sandbox=required"]);
    assert_eq!(caged, BTreeSet::from(["benign_work".to_owned()]), "what gets through, beside what may");
    assert_eq!(std::fs::read_to_string(bait.outside.join("secret")).unwrap(), "canary");
}

#[test]
fn required_ends_where_the_whole_is_not_to_be_had_and_auto_says_what_is_partial() {
    let mut bait = Bait::lay();
    bait.hide_bubblewrap();
    let refused = bait.repo.harness(&["run", "--step", "unit", "--sandbox=required"]);
    assert_eq!(refused.code, 3, "{refused:#?}");
    assert!(refused.stderr.contains("hint: ") && refused.stderr.contains("bubblewrap"), "{refused:#?}");
    only_what_is_reported_gets_through(&bait, "");
    let notes = bait.repo.facts(&["run", "--step", "unit", "--sandbox=auto"]).notes();
    assert!(
        notes.iter().any(|note| note.starts_with("the sandbox is partial (bubblewrap is not installed)")),
        "{notes:?}"
    );
    let open = "the list of `sandbox.network` is not enforced: steps reach every host";
    assert!(notes.iter().any(|note| note == open), "{notes:?}");
}

#[test]
fn the_partial_sandbox_lets_an_ordinary_user_through_only_where_it_says_so() {
    if !is_root() {
        return skipped("a change to another user needs root; the attempts were made as an ordinary one already");
    }
    let mut bait = Bait::lay_for_an_ordinary_user();
    bait.hide_bubblewrap();
    only_what_is_reported_gets_through(&bait, " by an ordinary user");
}

fn only_what_is_reported_gets_through(bait: &Bait, by: &str) {
    let through = bait.through(&["--sandbox=auto"]);
    assert!(through.contains("benign_work"), "{through:?}");
    let gaps: Vec<&String> = through.iter().filter(|name| *name != "benign_work").collect();
    said(&format!("in part: {gaps:?} get through{by}"));
    let record: serde_json::Value = serde_json::from_str(&bait.repo.read("target/harness/latest/run.json")).unwrap();
    assert_eq!(record["sandbox"]["containment"], "partial", "{}", record["sandbox"]);
    for gap in gaps {
        let property = GAPS.iter().find(|(name, _)| name == gap).map(|(_, property)| *property);
        let property = property.unwrap_or_else(|| panic!("{gap} gets through, and nothing may let it: {through:?}"));
        assert_eq!(record["sandbox"]["properties"][property]["state"], "absent", "{gap} gets through unreported");
    }
}

/// What the sandbox without namespaces may let through, and the property by which it says so.
const GAPS: [(&str, &str); 9] = [
    ("change_a_mode_outside", "files-mode"),
    ("reach_by_a_socket_in_a_folder", "sockets"),
    ("reach_by_tcp", "network"),
    ("reach_by_udp", "network"),
    ("secret_in_the_environment_of_another_process", "environment"),
    ("write_to_the_audit_log", "files-kept"),
    ("write_to_the_harness_cache", "files-kept"),
    ("write_to_the_harness_failures", "files-kept"),
    ("file_by_an_inherited_descriptor", "descriptors"),
];

/// The folder of what was built is the judged code's to write, and its libraries are looked for there. Whoever leads into the sandbox
/// must not look there: what it loads runs outside.
#[test]
fn no_program_outside_loads_a_library_that_judged_code_has_left() {
    let repo = Repo::from_fixture("green");
    repo.git_init();
    let first = repo.harness(&["fast", "--sandbox=auto"]);
    assert_eq!(first.code, 0, "{}", first.whole());
    for library in ["libc.so.6", "libgcc_s.so.1", "libm.so.6"] {
        repo.write(&format!("target/debug/deps/{library}"), "no library");
    }
    let again = repo.harness(&["fast", "--sandbox=auto", "--no-cache"]);
    // The tests can't be started with it, which is red; the harness itself goes on as ever.
    assert!(again.code == 1 && !again.whole().contains("error: "), "{}", again.whole());
}
