//! What git knows, asked so that nothing in the repository's configuration is executed.

use camino::{Utf8Path, Utf8PathBuf};

use super::process;

/// Configuration by which a repository could have git run programs of its choice.
const HARMLESS: [&str; 6] = ["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "diff.external="];

/// The files below `dir` that differ from the last commit or are untracked and not ignored, relative to `dir`.
/// None outside of git, or where git is not installed.
pub(crate) fn changed_files(dir: &Utf8Path) -> Vec<Utf8PathBuf> {
    let changed = ["diff", "--name-only", "--no-ext-diff", "--relative", "-z", "HEAD"];
    let untracked = ["ls-files", "--others", "--exclude-standard", "-z"];
    let mut files = ask(dir, &changed);
    files.extend(ask(dir, &untracked));
    files.sort();
    files.dedup();
    files
}

fn ask(dir: &Utf8Path, question: &[&str]) -> Vec<Utf8PathBuf> {
    let command = ["git", "-C", dir.as_str()];
    let argv: Vec<String> = command.iter().chain(&HARMLESS).chain(question).map(|word| (*word).to_owned()).collect();
    let Ok(output) = process::capture(&argv) else { return Vec::new() };
    if !output.success {
        return Vec::new();
    }
    output.stdout.split('\0').filter(|path| !path.is_empty()).map(Utf8PathBuf::from).collect()
}
