//! A folder to measure in, and command lines that are timed and watched there.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A folder that goes at the end, with the harness on the path.
pub(crate) struct Place {
    pub(crate) dir: PathBuf,
    path: String,
    _folder: tempfile::TempDir,
}

/// What one command line took, said and answered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Taken {
    pub(crate) code: i32,
    pub(crate) wall: Duration,
    /// What all its processes computed together, which a busy machine changes less than `wall`; in seconds.
    pub(crate) cpu: f64,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// The most memory that a process of each name ever had, in bytes, and how many such processes were seen.
    pub(crate) peaks: BTreeMap<String, (u64, usize)>,
    /// The most that the harness's and nextest's processes had together at one moment, in bytes.
    pub(crate) together: u64,
}

/// Whether `cargo bench` asks for a measurement; test runners that only want to know that the program starts get none.
pub(crate) fn is_asked() -> bool {
    std::env::args().any(|arg| arg == "--bench")
}

impl Place {
    pub(crate) fn new() -> Place {
        let folder = tempfile::Builder::new().prefix("harness-bench-").tempdir().unwrap();
        let dir = folder.path().canonicalize().unwrap();
        let program = Path::new(env!("CARGO_BIN_EXE_cargo-harness"));
        let bin = dir.join("bin");
        fs::create_dir(&bin).unwrap();
        std::os::unix::fs::symlink(program, bin.join("cargo-harness")).unwrap();
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
        Place { dir, path, _folder: folder }
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.dir.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Runs a command line as a user types it.
    pub(crate) fn run(&self, dir: &str, line: &str) -> Taken {
        self.taken(dir, line, false)
    }

    /// The same, which must succeed.
    pub(crate) fn must(&self, dir: &str, line: &str) -> Taken {
        let taken = self.run(dir, line);
        assert_eq!(taken.code, 0, "{line}\n{}{}", taken.stdout, taken.stderr);
        taken
    }

    /// The same, where asked with an eye on the memory of every process that it starts.
    pub(crate) fn taken(&self, dir: &str, line: &str, watched: bool) -> Taken {
        let (out, err) = (self.dir.join("stdout"), self.dir.join("stderr"));
        let mut command = Command::new("sh");
        let times = self.dir.join("times");
        let line = format!("( {line} )\ncode=$?; times > '{}'; exit $code", times.display());
        command.args(["-c", &line]).current_dir(self.dir.join(dir)).env("PATH", &self.path).stdin(Stdio::null());
        command.stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap());
        // What cargo sets for the programs that it runs would make the commands' environment another than a user's.
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            let of_cargo = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"];
            let exact = ["CARGO", "RUSTUP_TOOLCHAIN", "RUST_RECURSION_COUNT", "LD_LIBRARY_PATH", "CARGO_TARGET_DIR"];
            if exact.contains(&name.as_str()) || of_cargo.iter().any(|prefix| name.starts_with(prefix)) {
                command.env_remove(name);
            }
        }
        let mut taken = Taken::default();
        let started = Instant::now();
        let mut child = command.spawn().unwrap();
        let status = match watched {
            false => child.wait().unwrap(),
            true => loop {
                look(child.id(), &mut taken);
                match child.try_wait().unwrap() {
                    Some(status) => break status,
                    None => std::thread::sleep(Duration::from_millis(10)),
                }
            },
        };
        taken.wall = started.elapsed();
        taken.code = status.code().unwrap_or(-1);
        taken.cpu = fs::read_to_string(times).unwrap().split_whitespace().map(seconds).sum();
        taken.stdout = String::from_utf8_lossy(&fs::read(out).unwrap()).into_owned();
        taken.stderr = String::from_utf8_lossy(&fs::read(err).unwrap()).into_owned();
        taken
    }
}

/// `1m2.345s`, as the shell writes times.
fn seconds(text: &str) -> f64 {
    let (minutes, seconds) = text.trim_end_matches('s').split_once('m').unwrap();
    minutes.parse::<f64>().unwrap() * 60.0 + seconds.parse::<f64>().unwrap()
}

/// Adds what the processes below `root` have now.
fn look(root: u32, taken: &mut Taken) {
    let (mut waiting, mut together) = (vec![root], 0);
    while let Some(pid) = waiting.pop() {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        for task in tasks {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            waiting.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let bytes = |name: &str| {
            let number = field(name).and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
            number.map(|kib| kib << 10)
        };
        let (Some(name), Some(peak)) = (field("Name:"), bytes("VmHWM:")) else { continue };
        let seen = taken.peaks.entry(name.to_owned()).or_default();
        *seen = (seen.0.max(peak), seen.1 + 1);
        // By its program, since the name is whatever it was started as.
        let program = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
        let program = program.file_name().unwrap_or_default().to_string_lossy();
        if program.starts_with("cargo-harness") || program.contains("nextest") {
            together += bytes("VmRSS:").unwrap_or(0);
        }
    }
    taken.together = taken.together.max(together);
}
