//! The only writer to standard output and standard error.

mod keys;
mod progress;
mod screen;

use std::io::{BufRead, IsTerminal, Read, Write};

pub(crate) use progress::Progress;
pub(crate) use screen::{Face, Key, Screen, Wanted};

use crate::ports::env;

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless `NO_COLOR` or `TERM=dumb` say otherwise.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Decides once, for both streams, whether to colour: the flag, then `CARGO_TERM_COLOR`, then what the terminal can do.
pub(crate) fn set_color(flag: Option<Color>) {
    let from_cargo = env::var("CARGO_TERM_COLOR").and_then(|value| match value.as_str() {
        "always" => Some(Color::Always),
        "never" => Some(Color::Never),
        _ => None,
    });
    match flag.or(from_cargo).unwrap_or_default() {
        Color::Auto => {}
        Color::Always => set_both(true),
        Color::Never => set_both(false),
    }
}

/// What was decided, for a run that is followed: its report goes where ours does.
pub(crate) fn colors() -> &'static str {
    if console::colors_enabled() { "always" } else { "never" }
}

fn set_both(colored: bool) {
    console::set_colors_enabled(colored);
    console::set_colors_enabled_stderr(colored);
}

/// Writes a report to standard output; its headers are coloured where that is wanted. A closed pipe is no error of ours.
pub(crate) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    for line in text.split_inclusive('\n') {
        let _ = out.write_all(paint(line).as_bytes());
    }
    let _ = out.flush();
}

/// Writes a line of explanation to standard error.
pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// An error and the way out, coloured for standard error.
pub(crate) fn error_text(message: &str, hint: Option<&str>) -> String {
    let label = console::style("error:").red().bold().for_stderr();
    let hint = hint.map(|hint| format!("{} {hint}\n", console::style("hint:").cyan().for_stderr()));
    format!("{label} {message}\n{}", hint.unwrap_or_default())
}

/// Whether a person watches standard error.
pub(crate) fn is_watched() -> bool {
    std::io::stderr().is_terminal()
}

/// Asks a person on the terminal; without one the answer is no.
pub(crate) fn agrees(question: &str) -> bool {
    if !std::io::stdin().is_terminal() || !is_watched() {
        return false;
    }
    let _ = write!(std::io::stderr().lock(), "{question} [y/N] ");
    let mut answer = String::new();
    let _ = std::io::stdin().lock().take(64).read_line(&mut answer);
    ["y", "yes"].contains(&answer.trim().to_lowercase().as_str())
}

fn paint(line: &str) -> String {
    let Some((header, rest)) = line.split_once(':') else { return line.to_owned() };
    let styled = console::style(header);
    match header {
        "ERROR" => format!("{}:{rest}", styled.red().bold()),
        "VERDICT" if rest.starts_with(" GREEN") => format!("{}:{}", styled.bold(), console::style(rest).green()),
        "VERDICT" => format!("{}:{}", styled.bold(), console::style(rest).red()),
        "SUMMARY" | "TOP_ERRORS" | "REPRO" | "NOTE" => format!("{}:{rest}", styled.bold()),
        _ => line.to_owned(),
    }
}
