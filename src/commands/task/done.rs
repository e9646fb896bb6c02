//! `cargo harness task done`: the work on a task is judged, and lands together with the claim's end.

use super::{One, Verb, task_id};
use crate::base::ExitCode;
use crate::commands::{self, audit};
use crate::domain::autoloop::{Candidate, Checker, Gate, Judgement, Landed, Lander};
use crate::domain::queue::Attempt;
use crate::domain::run::Output;
use crate::ports::process::Supervised;
use crate::ui;

/// What to land.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    one: One,
    /// The commit that does it
    #[arg(long, value_name = "REV", default_value = "HEAD")]
    head: String,
    /// The role that it was done in; the task's by default
    #[arg(long, value_name = "R")]
    role: Option<String>,
}

impl Verb<'_> {
    /// Judges the commit, merged onto the branch's tip, and lands it.
    pub(super) fn done(&self, args: &Args) -> commands::Result {
        let (worker, id) = (args.one.who.name()?, task_id(&args.one.id)?);
        let board = self.queue.board()?;
        let entry = board.find(&id)?;
        let held = self.queue.renew(self.queue.own(entry, &worker)?)?;
        self.queue.remember(&held)?;
        let head = self.ground.repository.resolve(&args.head)?;
        let output = Output::new(self.ground.workspace.harness_dir());
        output.check_stop()?;
        let caller = Supervised::new().map_err(commands::Unsupervised)?.heeding(output.stop_file());
        let _held = output.hold("gate")?;
        let folder = self.ground.workspace.harness_dir().join("judged").join(&worker);
        let (repository, root) = (&self.ground.repository, &self.ground.workspace.root);
        let checker = Checker { repository, root, caller: &caller, folder: &folder };
        let gate = Gate { root, caller: &caller, checker };
        let role = args.role.as_deref().or(entry.task.role.as_deref());
        let candidate = Candidate { task: &entry.task, held: &held, head: &head, role, worker: &worker };
        let lander = Lander { queue: self.queue, repository, judge: &gate };
        match lander.land(&candidate)? {
            Landed::Yes { commit, judgement } => {
                self.queue.forget(&worker, &id)?;
                audit::record(&output, root, None, None, ("landed", ExitCode::Green))?;
                let how = match judgement {
                    Judgement::Progress(fixed) => format!(", which takes away {fixed} of the failures there"),
                    _ => String::new(),
                };
                self.say("done", &id, Some(&worker), &format!("as {} on {}{how}", commit.short(), self.queue.branch()));
                Ok(ExitCode::Green)
            }
            Landed::No(judgement) => {
                if let Judgement::Red(why) | Judgement::NeedsApproval(why) = &judgement {
                    let (changes, _) = repository.changes(&board.tip, &head)?;
                    self.queue.record(&entry.task, &Attempt::of(&id, &worker, why, &changes), None)?;
                }
                audit::record(&output, root, None, None, ("not landed", judgement.exit_code()))?;
                ui::print(&format!("NOT DONE: {id}: {}\n", judgement.reason()));
                Ok(judgement.exit_code())
            }
        }
    }
}
