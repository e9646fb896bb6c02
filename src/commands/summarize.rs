//! `cargo harness summarize [LOG…]`: existing logs in the brief form.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};

use super::{MessageFormat, Output};
use crate::base::{ExitCode, Explain};
use crate::domain::report::summarize::{Findings, brief_of_logs, github_of_logs, json_of_logs, read_log, settled};
use crate::ports::{env, fs};
use crate::ui;

/// Where the logs are.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files to read; standard input where none is named, or for `-`
    #[arg(value_name = "LOG")]
    logs: Vec<Utf8PathBuf>,
}

/// A log that can't be read.
#[derive(Debug, thiserror::Error)]
enum SummarizeError {
    #[error(transparent)]
    NotOpened(fs::FsError),
    #[error("cannot read {path}: {source}")]
    Broken { path: Utf8PathBuf, source: io::Error },
}

impl Explain for SummarizeError {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Usage
    }

    fn hint(&self) -> Option<String> {
        let is_missing = matches!(self, SummarizeError::NotOpened(error) if error.kind() == io::ErrorKind::NotFound);
        is_missing.then(|| "name a log file, or pipe one in: cargo test 2>&1 | cargo harness summarize".to_owned())
    }
}

/// Prints what the logs tell; red where they tell of a failure.
pub(crate) fn run(args: &Args, output: Output) -> super::Result {
    let root = env::current_dir().unwrap_or_default();
    let mut findings = Findings::default();
    let standard_input = [Utf8PathBuf::from("-")];
    for log in if args.logs.is_empty() { &standard_input } else { args.logs.as_slice() } {
        read(log, &root, &mut findings)?;
    }
    let findings = settled(findings);
    ui::print(&match output.format {
        MessageFormat::Human => brief_of_logs(&findings, output.detail),
        MessageFormat::Json => json_of_logs(&findings),
        MessageFormat::Github => github_of_logs(&findings, output.detail),
    });
    Ok(if findings.tally.total() == 0 { ExitCode::Green } else { ExitCode::Red })
}

fn read(log: &Utf8Path, root: &Utf8Path, findings: &mut Findings) -> Result<(), SummarizeError> {
    let broken = |source| SummarizeError::Broken { path: log.to_owned(), source };
    if log == "-" {
        return read_log(io::stdin().lock(), root, findings).map_err(broken);
    }
    let file = fs::open(log).map_err(SummarizeError::NotOpened)?;
    read_log(file, root, findings).map_err(broken)
}
