//! `cargo harness task`: the work queue. Whatever two workers do at once, one of them is told that he was second.

mod done;
mod text;

use camino::Utf8Path;
use serde::Serialize;

use super::{MessageFormat, Settings};
use crate::base::text::one_line;
use crate::base::{CommandLine, ExitCode, Explain, FailureId, Tiers, TimeLimit};
use crate::domain::autoloop::claim_next;
use crate::domain::contract::{self, Contract};
use crate::domain::orient::{Known, words};
use crate::domain::queue::{
    Entry, Held, Kind, PRIORITY, Queue, QueueError, State, Task, TaskId, TaskIdError, is_worker,
};
use crate::domain::report::json_line;
use crate::domain::roles::Roles;
use crate::ports::cargo::Workspace;
use crate::ports::env;
use crate::ports::repository::Repository;
use crate::ui;

/// What to do with the queue.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Publish a task
    Add(Add),
    /// List all tasks with how each stands
    List,
    /// Show one task, with what was tried on it in vain
    Show {
        /// The task
        id: String,
    },
    /// Claim a task: nobody else can while the lease runs
    Claim(ClaimArgs),
    /// Show that the work goes on, so that the lease begins anew
    Renew(One),
    /// Give a task back; or free one that is blocked
    Release(One),
    /// Leave a task to a person
    Block {
        #[command(flatten)]
        one: One,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Have the gate judge the work, and land it together with the claim's end
    Done(done::Args),
}

#[derive(Debug, clap::Args)]
struct Add {
    /// What is to be done, in a line
    title: String,
    /// Its id; made of the title by default
    #[arg(long, value_name = "ID")]
    id: Option<TaskId>,
    /// What kind of work it is
    #[arg(long = "type", value_name = "T", default_value = "failing-test")]
    kind: Kind,
    /// Only for workers of this role
    #[arg(long, value_name = "R")]
    role: Option<String>,
    /// From 1, the most urgent, to 9
    #[arg(long, value_name = "N", default_value_t = PRIORITY, value_parser = clap::value_parser!(u8).range(1..=9))]
    priority: u8,
    /// The failure that must turn green
    #[arg(long, value_name = "ID")]
    failure: Option<FailureId>,
    /// The command that must succeed; it is given to no shell
    #[arg(long, value_name = "CMD")]
    check: Option<CommandLine>,
    /// The tiers that must be green
    #[arg(long, value_name = "T")]
    tier: Option<Tiers>,
    /// What else whoever takes it should know
    #[arg(long, value_name = "TEXT", default_value = "")]
    text: String,
}

#[derive(Debug, clap::Args)]
struct ClaimArgs {
    /// The task
    #[arg(required_unless_present = "next", conflicts_with = "next")]
    id: Option<String>,
    /// The most urgent one that is free, fits the role, and whose failure is still there
    #[arg(long)]
    next: bool,
    #[command(flatten)]
    who: Who,
    /// The role that it is done in
    #[arg(long, value_name = "R")]
    role: Option<String>,
    /// So long without `renew`, and somebody else may take it
    #[arg(long, value_name = "TIME")]
    lease: Option<TimeLimit>,
}

#[derive(Clone, Debug, clap::Args)]
pub(super) struct Who {
    /// The worker's name; HARNESS_WORKER, or the user's, by default. Two workers on one clone need two
    #[arg(long = "as", value_name = "NAME")]
    name: Option<String>,
}

#[derive(Clone, Debug, clap::Args)]
struct One {
    /// The task
    id: String,
    #[command(flatten)]
    who: Who,
}

/// Words that can't be meant.
#[derive(Debug, thiserror::Error)]
pub(super) enum TaskError {
    #[error(transparent)]
    Id(#[from] TaskIdError),
    #[error("`{0}` is no name for a worker: up to 64 letters, digits, dots, dashes, the first a letter or digit")]
    Worker(String),
    #[error("no id can be made of the title `{0}`")]
    Title(String),
    #[error("the check has a line break in it")]
    Check,
}

impl Explain for TaskError {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Usage
    }

    fn hint(&self) -> Option<String> {
        match self {
            TaskError::Id(_) => Some("`cargo harness task list` lists them".to_owned()),
            TaskError::Worker(_) => Some("give another with --as".to_owned()),
            TaskError::Title(_) => Some("give one with --id".to_owned()),
            TaskError::Check => Some("put the commands into a script of the repository".to_owned()),
        }
    }
}

impl Who {
    /// The worker's name.
    pub(super) fn name(&self) -> Result<String, TaskError> {
        let from_env = ["HARNESS_WORKER", "USER", "LOGNAME"].into_iter().find_map(env::var);
        let name = self.name.clone().or(from_env).unwrap_or_else(|| "worker".to_owned());
        if is_worker(&name) { Ok(name) } else { Err(TaskError::Worker(one_line(&name))) }
    }
}

/// Where the queue is, and what it goes by.
pub(super) struct Ground {
    pub(super) workspace: Workspace,
    pub(super) contract: Contract,
    pub(super) repository: Repository,
}

impl Ground {
    pub(super) fn find(manifest_path: Option<&Utf8Path>) -> super::Result<Ground> {
        let workspace = Workspace::load(manifest_path)?;
        let contract = contract::load(&workspace)?.contract;
        let repository = Repository::open(&workspace.root)?;
        Ok(Ground { workspace, contract, repository })
    }
}

/// Carries out one step.
pub(crate) fn run(args: &Args, settings: &Settings) -> super::Result {
    let mut ground = Ground::find(settings.manifest_path.as_deref())?;
    if let What::Claim(ClaimArgs { lease: Some(lease), .. }) = &args.what {
        ground.contract.queue.lease = *lease;
    }
    let queue = Queue::open(&ground.repository, &ground.contract.queue)?;
    let verb = Verb { ground: &ground, queue: &queue, settings };
    match &args.what {
        What::Add(add) => verb.add(add),
        What::List => verb.list(),
        What::Show { id } => verb.show(&task_id(id)?),
        What::Claim(claim) => verb.claim(claim),
        What::Renew(one) => verb.renew(one),
        What::Release(one) => verb.release(one),
        What::Block { one, reason } => verb.block(one, reason),
        What::Done(args) => verb.done(args),
    }
}

fn task_id(text: &str) -> Result<TaskId, TaskError> {
    Ok(text.parse::<TaskId>()?)
}

struct Verb<'a> {
    ground: &'a Ground,
    queue: &'a Queue<'a>,
    settings: &'a Settings,
}

/// What a step came to, in JSON.
#[derive(Serialize)]
struct Facts<'a> {
    /// `added`, `claimed`, `renewed`, `released`, `blocked` or `done`.
    what: &'static str,
    id: &'a TaskId,
    #[serde(skip_serializing_if = "Option::is_none")]
    worker: Option<&'a str>,
    /// How many pushes it took, refused ones included.
    pushes: u32,
}

/// One task, in JSON.
#[derive(Serialize)]
struct TaskFacts<'a> {
    #[serde(flatten)]
    task: &'a Task,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    claim: Option<&'a crate::domain::queue::Claim>,
}

impl Verb<'_> {
    fn add(&self, add: &Add) -> super::Result {
        let id = match &add.id {
            Some(id) => id.clone(),
            None => TaskId::of_title(&add.title).ok_or_else(|| TaskError::Title(one_line(&add.title)))?,
        };
        if let Some(role) = &add.role {
            Roles::of(&self.ground.contract).find(role)?;
        }
        let check = add.check.as_ref().map(|check| check.argv().to_vec());
        if check.iter().flatten().any(|word| word.contains(char::is_control)) {
            return Err(TaskError::Check.into());
        }
        let task = Task {
            kind: add.kind,
            role: add.role.clone(),
            priority: add.priority,
            failure: add.failure.clone(),
            check,
            tier: add.tier.clone(),
            text: add.text.trim().to_owned(),
            ..Task::new(id, &add.title)
        };
        self.queue.add(&task, &Who { name: None }.name().unwrap_or_else(|_| "harness".to_owned()))?;
        let where_to = format!("to {} on {}", self.queue.files(&task.id)[0], self.queue.branch());
        self.say("added", &task.id, None, &where_to);
        Ok(ExitCode::Green)
    }

    fn list(&self) -> super::Result {
        let board = self.queue.board()?;
        match self.settings.output.format {
            MessageFormat::Json => {
                board.entries.iter().for_each(|entry| ui::print(&json_line("task", &facts(entry))));
                ui::print(&json_line("tasks", &board.census()));
            }
            _ => ui::print(&text::list(&board)),
        }
        Ok(ExitCode::Green)
    }

    fn show(&self, id: &TaskId) -> super::Result {
        let board = self.queue.board()?;
        let entry = board.find(id)?;
        let all = self.queue.attempts()?;
        let attempts = self.queue.attempts_on(&entry.task, &all);
        match self.settings.output.format {
            MessageFormat::Json => {
                ui::print(&json_line("task", &facts(entry)));
                attempts.iter().for_each(|attempt| ui::print(&json_line("dead-end", attempt)));
            }
            _ => ui::print(&text::show(entry, attempts)),
        }
        Ok(ExitCode::Green)
    }

    fn claim(&self, args: &ClaimArgs) -> super::Result {
        let worker = args.who.name()?;
        let roles = Roles::of(&self.ground.contract);
        if let Some(role) = &args.role {
            roles.find(role)?;
        }
        let (held, task) = match &args.id {
            Some(id) => self.claim_one(&task_id(id)?, &worker, args.role.as_deref())?,
            None => {
                let known = Known::read(&self.ground.workspace.harness_dir());
                claim_next(self.queue, &known, &worker, args.role.as_deref())?
            }
        };
        self.queue.remember(&held)?;
        let role = args.role.as_deref().or(task.role.as_deref());
        let scope = role.and_then(|role| Some(words::scope(role, roles.find(role).ok()?))).unwrap_or_default();
        let all = self.queue.attempts()?;
        let more = words::task(&task, self.queue.attempts_on(&task, &all));
        let tail = format!("by {worker}, for {}\n{scope}{more}", text::length(&held.claim));
        self.say("claimed", &task.id, Some(&worker), tail.trim_end());
        Ok(ExitCode::Green)
    }

    fn claim_one(&self, id: &TaskId, worker: &str, role: Option<&str>) -> Result<(Held, Task), QueueError> {
        let board = self.queue.board()?;
        let entry = board.find(id)?;
        let unfit = |why: String| QueueError::Unfit { id: id.clone(), why };
        match (&entry.state, &entry.task.role, role) {
            (State::Held(held), ..) => {
                return Err(QueueError::Held { id: id.clone(), worker: held.claim.worker.clone() });
            }
            (State::Blocked(held), ..) => {
                let why = held.claim.blocked.clone().unwrap_or_default();
                return Err(QueueError::Blocked { id: id.clone(), why });
            }
            (State::Unfit(why), ..) => return Err(unfit(why.clone())),
            (_, Some(wanted), Some(role)) if wanted != role => {
                return Err(unfit(format!("it is for the role {wanted}")));
            }
            _ => {}
        }
        if let Some(failure) = &entry.task.failure {
            let same = |other: &&Entry| other.task.failure.as_ref() == Some(failure) && other.task.id != *id;
            let held = board.entries.iter().filter(same).find_map(|other| match &other.state {
                State::Held(held) => Some(held),
                _ => None,
            });
            if let Some(held) = held {
                return Err(unfit(format!("{} works on {failure} already", held.claim.worker)));
            }
        }
        match self.queue.claim(entry, worker)? {
            Some(held) => Ok((held, entry.task.clone())),
            None => Err(unfit("somebody was faster, or its claims ran out too often".to_owned())),
        }
    }

    fn renew(&self, one: &One) -> super::Result {
        let (worker, id) = (one.who.name()?, task_id(&one.id)?);
        let board = self.queue.board()?;
        let held = self.queue.renew(self.queue.own(board.find(&id)?, &worker)?)?;
        self.queue.remember(&held)?;
        self.say("renewed", &id, Some(&worker), &format!("for {}", text::length(&held.claim)));
        Ok(ExitCode::Green)
    }

    fn release(&self, one: &One) -> super::Result {
        let (worker, id) = (one.who.name()?, task_id(&one.id)?);
        let board = self.queue.board()?;
        let entry = board.find(&id)?;
        match &entry.state {
            // What waits for a person is freed by one.
            State::Blocked(held) => self.queue.release(held)?,
            _ => self.queue.release(self.queue.own(entry, &worker)?)?,
        }
        self.queue.forget(&worker, &id)?;
        self.say("released", &id, Some(&worker), "");
        Ok(ExitCode::Green)
    }

    fn block(&self, one: &One, reason: &str) -> super::Result {
        let (worker, id) = (one.who.name()?, task_id(&one.id)?);
        let board = self.queue.board()?;
        self.queue.block(self.queue.own(board.find(&id)?, &worker)?, reason)?;
        self.queue.forget(&worker, &id)?;
        self.say("blocked", &id, Some(&worker), &format!(": {}", one_line(reason)));
        Ok(ExitCode::Green)
    }

    fn say(&self, what: &'static str, id: &TaskId, worker: Option<&str>, tail: &str) {
        match self.settings.output.format {
            MessageFormat::Json => {
                ui::print(&json_line("queue", &Facts { what, id, worker, pushes: self.queue.pushes() }));
            }
            _ => {
                let gap = if tail.is_empty() || tail.starts_with(':') { "" } else { " " };
                ui::print(&format!("{}: {id}{gap}{tail}\n", what.to_uppercase()));
            }
        }
    }
}

fn facts(entry: &Entry) -> TaskFacts<'_> {
    let claim = entry.state.held().map(|held| &held.claim);
    TaskFacts { task: &entry.task, state: entry.state.word(), claim }
}
