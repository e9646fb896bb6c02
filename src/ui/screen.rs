//! One screen that is drawn over and over: a header, and below it the report, the keys, or the bars of a run under way.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};

use console::{Term, measure_text_width, style, truncate_str};

use super::keys::{self, RawInput};

pub(crate) use super::keys::Key;

/// What the screen shows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Face {
    /// What is run.
    pub(crate) title: String,
    /// What it came to, or that it is under way.
    pub(crate) state: String,
    /// Why it runs, or ran.
    pub(crate) cause: String,
    pub(crate) paused: bool,
    /// The report. None while a run draws its own bars there.
    pub(crate) body: Option<String>,
}

/// What a key asks of whoever owns the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Quit,
    Interrupt,
    Again,
    Pause,
}

/// The terminal, whole. It is given back as it was when this is dropped.
pub(crate) struct Screen {
    face: Face,
    view: View,
    size: Size,
    raw: Option<RawInput>,
}

/// What of the face is seen.
#[derive(Clone, Copy, Debug, Default)]
struct View {
    help: bool,
    /// The first line of the body that is shown.
    first: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Size {
    rows: usize,
    columns: usize,
}

/// Alternate screen, no cursor.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
/// Scrolls as a whole again; cursor; the screen from before.
const LEAVE: &str = "\x1b[r\x1b[?25h\x1b[?1049l";

const HELP: [&str; 8] = [
    "r, F5        run again now",
    "p            pause: changes are noted and run when you press p again",
    "j k, arrows  scroll; space, Page Down and Page Up by pages, g and G to the ends",
    "h, ?         these keys",
    "Esc          back",
    "q            quit",
    "",
    "A change stops the run under way and begins it anew.",
];

impl Screen {
    /// Takes the terminal over. None where standard output is none; without one at standard input it hears no keys.
    pub(crate) fn open(tell: impl Fn(Key) + Send + 'static) -> Option<Screen> {
        if !std::io::stdout().is_terminal() {
            return None;
        }
        let raw = RawInput::enter();
        if raw.is_some() {
            keys::read(tell);
        }
        write(ENTER);
        Some(Screen { face: Face::default(), view: View::default(), size: Size::now(), raw })
    }

    /// Shows something else. The body is seen from its beginning where it is another one.
    pub(crate) fn show(&mut self, face: Face) {
        if face.body != self.face.body {
            self.view.first = 0;
        }
        self.face = face;
        self.draw();
    }

    /// Draws anew where the terminal has another size than before.
    pub(crate) fn adapt(&mut self) {
        let size = Size::now();
        if size != self.size {
            self.size = size;
            self.draw();
        }
    }

    /// Does what a key asks of the screen itself, and gives back what it asks beyond that.
    pub(crate) fn press(&mut self, key: Key) -> Option<Wanted> {
        let body = self.face.body.as_deref().unwrap_or_default();
        let page = self.size.rows.saturating_sub(HEAD + 2).max(1);
        let last = last_first(&body_lines(body, self.size), self.size.rows.saturating_sub(HEAD + 1), self.size.columns);
        let View { help, first } = self.view;
        let view = |first: usize| View { help, first: first.min(last) };
        self.view = match key {
            Key::Interrupt => return Some(Wanted::Interrupt),
            Key::Char('q') => return Some(Wanted::Quit),
            Key::Char('r') | Key::Refresh => return Some(Wanted::Again),
            Key::Char('p') => return Some(Wanted::Pause),
            Key::Char('h' | '?') => View { help: !help, first },
            Key::Escape => View { help: false, first },
            Key::Char('j') | Key::Down => view(first + 1),
            Key::Char('k') | Key::Up => view(first.saturating_sub(1)),
            Key::Char(' ') | Key::PageDown => view(first + page),
            Key::PageUp => view(first.saturating_sub(page)),
            Key::Char('g') | Key::Home => view(0),
            Key::Char('G') | Key::End => view(last),
            Key::Char(_) => return None,
        };
        self.draw();
        None
    }

    fn draw(&self) {
        write(&compose(&self.face, self.view, self.size, self.raw.is_some()));
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        write(LEAVE);
    }
}

impl Size {
    fn now() -> Size {
        let (rows, columns) = Term::stdout().size();
        Size { rows: usize::from(rows).max(4), columns: usize::from(columns).max(20) }
    }
}

fn write(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// The rows of the header, with the empty one below it.
const HEAD: usize = 2;

/// All that is written for one drawing. Rows are overwritten in place, so that nothing flickers.
fn compose(face: &Face, view: View, size: Size, keys: bool) -> String {
    let mut head = vec![header(face, size, keys), String::new()];
    if view.help {
        head.extend(HELP.map(str::to_owned));
        head.push(String::new());
    }
    // What scrolls has two rows at least.
    head.truncate(size.rows - 2);
    let mut text = "\x1b[r\x1b[H".to_owned();
    for row in &head {
        let _ = writeln!(text, "{}\x1b[K", truncate_str(row, size.columns, "…"));
    }
    match &face.body {
        // The run's bars move only within what scrolls, so they never reach the header.
        None => {
            let _ = write!(text, "\x1b[J\x1b[{first};{last}r\x1b[{first};1H", first = head.len() + 1, last = size.rows);
        }
        Some(body) => {
            let rows = size.rows - head.len();
            text += &window(&body_lines(body, size), view.first, rows, size.columns).join("\x1b[K\n");
            text += "\x1b[K\x1b[J";
        }
    }
    text
}

fn header(face: &Face, size: Size, keys: bool) -> String {
    let paused = if face.paused { style(" paused ").reverse().to_string() + " " } else { String::new() };
    let left = format!("{}  {}  {paused}{}", style(&face.title).bold(), colored(&face.state), face.cause);
    let right = "h: help  q: quit";
    let room = size.columns.saturating_sub(right.len() + 2);
    if !keys || room < 40 {
        return left;
    }
    let left = truncate_str(&left, room, "…");
    let gap = " ".repeat(room + 2 - measure_text_width(&left).min(room));
    format!("{left}{gap}{}", style(right).dim())
}

fn colored(state: &str) -> String {
    let styled = style(state).bold();
    match state {
        _ if state.starts_with("GREEN") => styled.green().to_string(),
        _ if state.starts_with("running") => styled.yellow().to_string(),
        _ => styled.red().to_string(),
    }
}

/// The body's lines, none of them longer than the screen.
fn body_lines(body: &str, size: Size) -> Vec<String> {
    let most = size.columns * size.rows.saturating_sub(HEAD + 1).max(1);
    body.lines().map(|line| truncate_str(&line.replace('\t', "    "), most, "…").into_owned()).collect()
}

/// How many rows a line takes.
fn rows_of(line: &str, columns: usize) -> usize {
    measure_text_width(line).div_ceil(columns).max(1)
}

/// The first line with which the end of the body is seen.
fn last_first(lines: &[String], rows: usize, columns: usize) -> usize {
    let mut left = rows;
    let fitting = lines.iter().rev().take_while(|line| {
        let needed = rows_of(line, columns);
        let fits = needed <= left;
        left = left.saturating_sub(needed);
        fits
    });
    lines.len() - fitting.count()
}

/// The lines that fit, from one on; the last row says so where others are hidden.
fn window(lines: &[String], first: usize, rows: usize, columns: usize) -> Vec<String> {
    if lines.iter().map(|line| rows_of(line, columns)).sum::<usize>() <= rows {
        return lines.to_vec();
    }
    let mut left = rows.saturating_sub(1);
    let mut shown: Vec<String> = Vec::new();
    for line in &lines[first.min(lines.len())..] {
        let needed = rows_of(line, columns);
        if needed > left {
            break;
        }
        left -= needed;
        shown.push(line.clone());
    }
    let hint = format!("lines {}-{} of {}", first + 1, first + shown.len(), lines.len());
    shown.extend(std::iter::repeat_n(String::new(), left));
    shown.push(style(hint).dim().to_string());
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { rows: 6, columns: 60 };

    fn face(body: Option<&str>) -> Face {
        Face {
            title: "watch: fast".to_owned(),
            state: "RED at 17:00:05".to_owned(),
            cause: "changed: src/lib.rs".to_owned(),
            paused: false,
            body: body.map(str::to_owned),
        }
    }

    /// What a terminal would show, row by row.
    fn seen(face: &Face, view: View) -> Vec<String> {
        let text = compose(face, view, SIZE, true);
        console::strip_ansi_codes(&text).lines().map(|row| row.trim_end().to_owned()).collect()
    }

    #[test]
    fn a_report_that_fits_is_shown_whole_below_the_header() {
        let rows = seen(&face(Some("a\nb\n")), View::default());
        assert_eq!(rows, ["watch: fast  RED at 17:00:05  changed: sr…  h: help  q: quit", "", "a", "b"]);
    }

    #[test]
    fn of_a_longer_one_a_part_is_shown_and_which() {
        let body = "1\n2\n3\n4\n5\n6\n";
        let rows = |first| seen(&face(Some(body)), View { help: false, first })[2..].to_vec();
        assert_eq!(rows(0), ["1", "2", "3", "lines 1-3 of 6"]);
        assert_eq!(rows(3), ["4", "5", "6", "lines 4-6 of 6"]);
        assert_eq!(last_first(&body_lines(body, SIZE), 3, 60), 3);
    }

    #[test]
    fn a_line_that_wraps_takes_the_rows_that_it_needs() {
        let long = "x".repeat(61);
        let body = format!("1\n{long}\n3\n4\n");
        assert_eq!(seen(&face(Some(&body)), View::default())[2..], ["1", &long, "lines 1-2 of 4"]);
        let endless = "x".repeat(1000);
        assert_eq!(body_lines(&endless, SIZE)[0].chars().count(), 180);
    }

    #[test]
    fn a_run_under_way_scrolls_only_below_the_header() {
        let text = compose(&face(None), View::default(), SIZE, true);
        assert!(text.ends_with("\x1b[J\x1b[3;6r\x1b[3;1H"), "{text:?}");
        let small = compose(&face(None), View { help: true, first: 0 }, SIZE, true);
        assert!(small.ends_with("\x1b[5;6r\x1b[5;1H"), "{small:?}");
    }
}
