//! `cargo harness watch`: `fast` again on each change.
//!
//! Each run is a process of its own, this program at `fast`: to stop it cleanly takes no more than a signal, and whatever
//! goes wrong in it, the next change begins afresh.

mod hook;
mod pace;

use std::collections::BTreeSet;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};

use self::hook::Hook;
use self::pace::{Cause, Pace};
use super::{Detail, MessageFormat, Settings, ladder};
use crate::base::{CommandLine, ExitCode};
use crate::domain::contract;
use crate::domain::record::Verdict;
use crate::domain::run::Output;
use crate::ports::cargo::Workspace;
use crate::ports::changes::{Changes, Notice};
use crate::ports::process::{Followed, Follower, Runner, Supervised};
use crate::ports::{clock, fs};
use crate::ui::{self, Face, Key, Screen, Wanted};

/// What to do on each change.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = KEYS)]
pub(crate) struct WatchArgs {
    /// Run this command after each green verdict
    ///
    /// It is split into words as by a shell, but no shell runs it. It starts in the workspace root with HARNESS_VERDICT set to
    /// the verdict's words, such as GREEN, RED or TIME LIMIT, or to ERROR where there is none. Its output goes to on-green.log
    /// or on-red.log in target/harness. It is ended, with everything that it has started, by the contract's step-timeout, and
    /// a second after a change that needs another run.
    #[arg(long, value_name = "CMD")]
    on_green: Option<CommandLine>,
    /// Run this command after each other verdict, or where there is none
    #[arg(long, value_name = "CMD")]
    on_red: Option<CommandLine>,
    #[command(flatten)]
    climb: ladder::Args,
}

const KEYS: &str =
    "Keys, on a terminal: r or F5 runs again, p pauses, j k g G and space scroll, h shows help, q quits.";

/// How soon a signal or a new size of the terminal is noticed.
const TICK: Duration = Duration::from_millis(50);

/// How long nothing must be told before anybody looks: a file that is written anew is empty for a moment.
const SETTLED: Duration = Duration::from_millis(20);

/// After so long somebody looks all the same.
const UNSETTLED: Duration = Duration::from_millis(200);

/// How long a run may take to end when it was asked to.
const STOP: Duration = Duration::from_millis(1500);

/// So many changed files are named.
const NAMED: usize = 3;

/// What the threads around the loop tell it.
enum Happened {
    Noticed(Notice),
    Pressed(Key),
    RunEnded(Followed),
    HookEnded(Option<String>),
}

/// What there is one of at a time.
enum UnderWay {
    Run { follower: Follower, cause: Cause, stop_by: Option<Instant> },
    Hook(hook::UnderWay),
}

/// What was told and not looked at yet.
#[derive(Default)]
struct Told {
    notices: Vec<Notice>,
    first: Duration,
    last: Duration,
}

/// One call of the verb.
struct Session<'a> {
    args: &'a WatchArgs,
    settings: &'a Settings,
    workspace: Workspace,
    runner: Supervised,
    changes: Changes,
    told: Told,
    pace: Pace,
    screen: Option<Screen>,
    face: Face,
    post: Sender<Happened>,
    under_way: Option<UnderWay>,
    began: Instant,
}

/// Watches until it is told to quit.
pub(crate) fn run(args: &WatchArgs, settings: &Settings) -> super::Result {
    let workspace = Workspace::load(settings.manifest_path.as_deref())?;
    workspace.select(args.climb.packages())?;
    let output = Output::new(workspace.harness_dir());
    output.check_stop()?;
    let runner = Supervised::new().map_err(super::Unsupervised)?.heeding(output.stop_file());
    let _lock = output.hold("watch")?;
    let (post, inbox) = mpsc::channel();
    let tell = post.clone();
    let changes = Changes::watch(roots(&workspace), &workspace.target_dir, move |notice| {
        let _ = tell.send(Happened::Noticed(notice));
    })?;
    let tell = post.clone();
    let keys = move |key| drop(tell.send(Happened::Pressed(key)));
    let is_for_people = settings.output.format == MessageFormat::Human;
    let mut session = Session {
        args,
        settings,
        workspace,
        runner,
        changes,
        told: Told::default(),
        pace: Pace::new(),
        screen: is_for_people.then(|| Screen::open(keys)).flatten(),
        face: Face { title: "watch: fast".to_owned(), ..Face::default() },
        post,
        under_way: None,
        began: clock::now(),
    };
    let answer = session.follow(&inbox);
    session.end(&inbox);
    answer
}

/// The workspace's folder, and those of members that lie outside of it.
fn roots(workspace: &Workspace) -> Vec<Utf8PathBuf> {
    let members = workspace.packages.iter().filter_map(|package| package.manifest_path.parent());
    let outside: BTreeSet<&Utf8Path> = members.filter(|folder| !folder.starts_with(&workspace.root)).collect();
    [workspace.root.as_path()].into_iter().chain(outside).map(Utf8Path::to_owned).collect()
}

impl Session<'_> {
    fn follow(&mut self, inbox: &Receiver<Happened>) -> super::Result {
        loop {
            let now = self.began.elapsed();
            // What is told but not looked at yet is no later than the run that would begin now.
            if self.told.notices.is_empty()
                && let Some(cause) = self.pace.begin(now)
            {
                self.start(cause);
            }
            if let Some(signal) = self.runner.interrupted() {
                let is_term = signal == signal_hook::consts::SIGTERM;
                return Ok(if is_term { ExitCode::Terminated } else { ExitCode::Interrupted });
            }
            let rest = [self.pace.rest(now), self.told.rest(now)].into_iter().flatten().fold(TICK, Duration::min);
            let first = inbox.recv_timeout(rest);
            let happened: Vec<Happened> = first.into_iter().chain(inbox.try_iter()).collect();
            if let Some(code) = self.take(happened)? {
                return Ok(code);
            }
            self.insist();
            if let Some(screen) = &mut self.screen {
                screen.adapt();
            }
        }
    }

    /// Takes in what has happened.
    fn take(&mut self, happened: Vec<Happened>) -> super::Result<Option<ExitCode>> {
        let now = self.began.elapsed();
        let (noticed, others): (Vec<Happened>, Vec<Happened>) =
            happened.into_iter().partition(|one| matches!(one, Happened::Noticed(_)));
        for one in noticed {
            if let Happened::Noticed(notice) = one {
                self.told.add(notice, now);
            }
        }
        // What was told before a run has ended was so before, and may be the run's own.
        let ends = others.iter().any(|one| matches!(one, Happened::RunEnded(_)));
        if ends || self.told.rest(now) == Some(Duration::ZERO) {
            self.look()?;
        }
        for one in others {
            match one {
                Happened::Noticed(_) => {}
                Happened::Pressed(key) => {
                    if let Some(code) = self.press(key) {
                        return Ok(Some(code));
                    }
                }
                Happened::RunEnded(followed) => self.run_ended(followed)?,
                Happened::HookEnded(note) => self.hook_ended(note),
            }
        }
        Ok(None)
    }

    fn look(&mut self) -> super::Result<()> {
        let notices = std::mem::take(&mut self.told.notices);
        let changes = self.changes.look(&notices)?;
        if self.pace.changed(&changes, self.began.elapsed()) {
            self.stop();
        }
        Ok(())
    }

    fn press(&mut self, key: Key) -> Option<ExitCode> {
        match self.screen.as_mut()?.press(key)? {
            Wanted::Quit => return Some(ExitCode::Green),
            Wanted::Interrupt => return Some(ExitCode::Interrupted),
            Wanted::Again => {
                if self.pace.asked() {
                    self.stop();
                }
            }
            Wanted::Pause => {
                self.pace.pause();
                self.show();
            }
        }
        None
    }

    fn start(&mut self, cause: Cause) {
        self.face.state = format!("running since {}", clock::time_of_day());
        self.face.cause = text(&cause);
        self.face.body = None;
        self.show();
        let post = self.post.clone();
        match Follower::start(&self.words(), move |followed| drop(post.send(Happened::RunEnded(followed)))) {
            Ok(follower) => self.under_way = Some(UnderWay::Run { follower, cause, stop_by: None }),
            Err(error) => {
                let stdout = format!("error: the run cannot be started: {error}\n");
                let _ = self.post.send(Happened::RunEnded(Followed { code: None, stdout }));
            }
        }
    }

    /// The command line of a run.
    fn words(&self) -> Vec<String> {
        let Settings { manifest_path, output } = self.settings;
        let mut words = vec!["fast".to_owned(), format!("--color={}", ui::colors())];
        words.extend(manifest_path.iter().map(|path| format!("--manifest-path={path}")));
        words.push(match output.format {
            MessageFormat::Human => "--message-format=human".to_owned(),
            MessageFormat::Json => "--message-format=json".to_owned(),
            MessageFormat::Github => "--message-format=github".to_owned(),
        });
        words.extend(match output.detail {
            Detail::Quiet => Some("--quiet".to_owned()),
            Detail::Normal => None,
            Detail::Verbose => Some("--verbose".to_owned()),
        });
        words.extend(self.args.climb.flags());
        words
    }

    fn run_ended(&mut self, followed: Followed) -> super::Result<()> {
        let cause = match self.under_way.take() {
            Some(UnderWay::Run { cause, .. }) => cause,
            _ => Cause::Begin,
        };
        if !self.pace.ended(self.began.elapsed()) {
            self.face.state = "stopped".to_owned();
            self.face.body = Some(String::new());
            self.show();
            return Ok(());
        }
        let word = word(followed.code);
        self.face.state = format!("{word} at {}", clock::time_of_day());
        if self.screen.is_none() {
            self.print(&cause, &followed.stdout);
        }
        self.face.body = Some(followed.stdout);
        let (flag, command) = match word {
            "GREEN" => ("--on-green", &self.args.on_green),
            _ => ("--on-red", &self.args.on_red),
        };
        if let Some(command) = command {
            self.call(flag, command.clone(), word)?;
        }
        self.show();
        Ok(())
    }

    /// Without a screen one report follows the other.
    fn print(&self, cause: &Cause, report: &str) {
        if let Cause::Changed(_) = cause
            && self.settings.output.format != MessageFormat::Json
        {
            ui::print(&format!("CHANGED: {}\n", names(cause)));
        }
        ui::print(report);
    }

    fn call(&mut self, flag: &'static str, command: CommandLine, verdict: &'static str) -> super::Result<()> {
        let folder = self.workspace.harness_dir();
        fs::create_dir(&folder)?;
        // The contract may be what is broken.
        let limits = contract::load(&self.workspace).map(|loaded| loaded.contract.run).unwrap_or_default();
        let hook = Hook {
            flag,
            command,
            dir: self.workspace.root.clone(),
            verdict,
            log: folder.join(format!("{}.log", flag.trim_start_matches('-'))),
            limit: limits.step_timeout,
        };
        let post = self.post.clone();
        let under_way = hook.start(self.runner.clone(), move |note| drop(post.send(Happened::HookEnded(note))))?;
        self.under_way = Some(UnderWay::Hook(under_way));
        self.pace.goes_on();
        Ok(())
    }

    fn hook_ended(&mut self, note: Option<String>) {
        self.under_way = None;
        self.pace.ended(self.began.elapsed());
        let Some(note) = note else { return };
        if self.screen.is_none() {
            ui::note(note.trim_end());
        }
        if let Some(body) = &mut self.face.body {
            body.push_str(&note);
        }
        self.show();
    }

    fn stop(&mut self) {
        match &mut self.under_way {
            Some(UnderWay::Run { follower, stop_by, .. }) => {
                follower.stop();
                stop_by.get_or_insert_with(|| clock::now() + STOP);
            }
            Some(UnderWay::Hook(hook)) => hook.stop(),
            None => {}
        }
    }

    /// Ends what has had its time: a run that was asked to end, and a command that keeps a change waiting.
    fn insist(&self) {
        if let Some(UnderWay::Hook(hook)) = &self.under_way
            && self.pace.is_overdue(self.began.elapsed())
        {
            hook.stop();
        }
        if let Some(UnderWay::Run { follower, stop_by: Some(at), .. }) = &self.under_way
            && clock::now() >= *at
        {
            follower.kill();
        }
    }

    fn show(&mut self) {
        self.face.paused = self.pace.is_paused();
        if let Some(screen) = &mut self.screen {
            screen.show(self.face.clone());
        }
    }

    /// Leaves nothing running, gives the terminal back, and leaves the last report on it.
    fn end(mut self, inbox: &Receiver<Happened>) {
        self.stop();
        while self.under_way.is_some() {
            if let Ok(Happened::RunEnded(_) | Happened::HookEnded(_)) = inbox.recv_timeout(TICK) {
                self.under_way = None;
            }
            self.insist();
        }
        if self.screen.take().is_some() {
            ui::print(self.face.body.as_deref().unwrap_or_default());
        }
    }
}

impl Told {
    fn add(&mut self, notice: Notice, now: Duration) {
        if self.notices.is_empty() {
            self.first = now;
        }
        self.last = now;
        self.notices.push(notice);
    }

    /// How long until it is looked at.
    fn rest(&self, now: Duration) -> Option<Duration> {
        let at = (self.last + SETTLED).min(self.first + UNSETTLED);
        (!self.notices.is_empty()).then(|| at.saturating_sub(now))
    }
}

/// The words of the verdict that a run's exit code stands for.
fn word(code: Option<u8>) -> &'static str {
    let verdicts = [
        Verdict::Green,
        Verdict::Red,
        Verdict::NothingVerified,
        Verdict::Lacking,
        Verdict::TimeLimit,
        Verdict::Interrupted,
    ];
    let verdict = verdicts.into_iter().find(|verdict| Some(verdict.exit_code().code()) == code);
    verdict.map_or("ERROR", Verdict::word)
}

fn text(cause: &Cause) -> String {
    match cause {
        Cause::Begin => String::new(),
        Cause::Asked => "asked for".to_owned(),
        Cause::Changed(_) => format!("changed: {}", names(cause)),
    }
}

/// `src/a.rs, src/b.rs and 2 more`.
fn names(cause: &Cause) -> String {
    let Cause::Changed(paths) = cause else { return String::new() };
    let named: Vec<&str> = paths.iter().take(NAMED).map(|path| path.as_str()).collect();
    match paths.len().saturating_sub(NAMED) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}
