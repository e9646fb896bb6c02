//! `cargo harness role`: who may change what, whether a change keeps to it, and CODEOWNERS from it.

use super::task::Ground;
use super::{MessageFormat, Settings};
use crate::base::{ExitCode, Explain};
use crate::domain::orient::words;
use crate::domain::report::json_line;
use crate::domain::roles::{self, Roles};
use crate::ports::fs;
use crate::ui;

/// What to do with the roles.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// List the roles with what each may change; also without a word
    List,
    /// Say what of a change a role may not do
    Check {
        /// The role
        role: String,
        /// The commit that the change begins at
        #[arg(long, value_name = "REF")]
        base: String,
        /// The commit that it ends with
        #[arg(long, value_name = "REV", default_value = "HEAD")]
        head: String,
    },
    /// Write .github/CODEOWNERS from the roles
    Codeowners {
        /// What stands before a role's name to make it a team
        #[arg(long, value_name = "PREFIX", default_value = "@")]
        team: String,
    },
}

/// A file of somebody's own is in the way.
#[derive(Debug, thiserror::Error)]
#[error("{0} was not written by this command")]
struct Foreign(&'static str);

impl Explain for Foreign {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Usage
    }

    fn hint(&self) -> Option<String> {
        Some("move it away first; its lines can stand in the contract as roles".to_owned())
    }
}

/// Lists, checks or writes.
pub(crate) fn run(args: &Args, settings: &Settings) -> super::Result {
    let ground = Ground::find(settings.manifest_path.as_deref())?;
    let roles = Roles::of(&ground.contract);
    match &args.what {
        None | Some(What::List) => Ok(list(&roles, settings)),
        Some(What::Check { role, base, head }) => {
            let ends = [base, head].map(|name| ground.repository.resolve(name));
            let [base, head] = ends;
            let below = ground.repository.path("");
            let (changes, lines) = ground.repository.changes(&base?, &head?)?;
            let breaches = roles.breaches(Some(role), below.trim_end_matches('/').into(), &changes, lines)?;
            for breach in &breaches {
                ui::print(&match settings.output.format {
                    MessageFormat::Json => json_line("breach", breach),
                    _ => format!("ERROR: ROLE - {breach}\n"),
                });
            }
            if settings.output.format != MessageFormat::Json {
                ui::print(&format!("ROLE: {role}, {} of {} files outside\n", breaches.len(), changes.len()));
            }
            Ok(if breaches.is_empty() { ExitCode::Green } else { ExitCode::Red })
        }
        Some(What::Codeowners { team }) => {
            const FILE: &str = ".github/CODEOWNERS";
            let path = ground.repository.top().join(FILE);
            if fs::read_text_if_present(&path)?.is_some_and(|text| !text.starts_with(roles::CODEOWNERS_HEAD)) {
                return Err(Foreign(FILE).into());
            }
            fs::create_dir(path.parent().unwrap_or(ground.repository.top()))?;
            fs::replace(&path, roles::codeowners(&roles, team).as_bytes())?;
            ui::print(&format!("wrote {FILE}\n"));
            Ok(ExitCode::Green)
        }
    }
}

fn list(roles: &Roles, settings: &Settings) -> ExitCode {
    for (name, role) in roles.iter() {
        ui::print(&match settings.output.format {
            MessageFormat::Json => json_line("role", &serde_json::json!({ "name": name, "role": role })),
            _ => {
                let mandate = role.mandate.as_deref().unwrap_or("no mandate written down");
                format!("{name}: {mandate}\n  {}", words::scope(name, role))
            }
        });
    }
    ExitCode::Green
}
