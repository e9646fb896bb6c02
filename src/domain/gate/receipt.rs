//! A gate's answer, kept under the digest of everything that it was given by: a cache, and no authority.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};

use super::area::Area;
use super::{GateError, GateRecord, Question};
use super::{environment, freeze};
use crate::base::Digest;
use crate::domain::run::Toolchain;
use crate::ports::stamp::Stamp;
use crate::ports::{env, fs, host};

/// Where the answer to one question is kept.
#[derive(Debug)]
pub(super) struct Receipts {
    path: Utf8PathBuf,
}

/// What stands for the program itself: another build of it may answer otherwise.
fn program() -> String {
    let stamp = Stamp::through(env::own_program().as_str().into());
    format!("{} {stamp:?}", env!("CARGO_PKG_VERSION"))
}

/// The tools and the environment that every phase gets.
pub(super) fn ground(top: &Utf8Path) -> Digest {
    let toolchain = Toolchain::of(top);
    toolchain.warm_up(true);
    let tools = format!("{:?}", toolchain.tools(true));
    let all = ["RUSTUP_TOOLCHAIN", "CARGO", "RUSTC"].map(str::to_owned);
    let variables = environment::passed(&all);
    let program = program();
    let more = further(&toolchain);
    let fields = variables.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
    Digest::of_fields([tools.as_bytes(), program.as_bytes(), more.as_bytes()].into_iter().chain(fields))
}

/// What frozen interfaces, targets and budgets rest on beside that: the tools that compare, the targets that are installed, the machine.
fn further(toolchain: &Toolchain) -> String {
    let programs = freeze::programs();
    let programs: Vec<String> = programs.iter().map(|path| format!("{path} {:?}", Stamp::through(path))).collect();
    let installed = toolchain.sysroot().map(|root| fs::names(&root.join("lib/rustlib")).unwrap_or_default());
    format!("{programs:?} {installed:?} {} {}", host::facts(), env::parallelism())
}

impl Receipts {
    /// Of a question about these objects, with the tags that may approve of them.
    pub(super) fn of(
        area: &Area,
        question: &Question,
        objects: [&String; 3],
        approvals: &BTreeMap<String, String>,
        top: &Utf8Path,
    ) -> Receipts {
        let Question { name, base: _, head: _, role, dir, source: _, index: _, pushed_tags: _, reuse: _ } = question;
        let ground = ground(top);
        let words = format!("{name:?} {role:?} {dir} {approvals:?}");
        let today = crate::ports::clock::today().to_string();
        let fields = objects.iter().map(|id| id.as_bytes());
        let more = [ground.as_bytes(), words.as_bytes(), today.as_bytes()];
        let key = Digest::of_fields(fields.chain(more));
        Receipts { path: area.root().join("receipts").join(format!("{}.json", key.prefix(32))) }
    }

    /// The answer, where the question was asked before.
    pub(super) fn find(&self) -> Option<GateRecord> {
        let text = fs::read_text_if_present(&self.path).ok().flatten()?;
        let record: GateRecord = serde_json::from_str(&text).ok()?;
        (record.version == GateRecord::VERSION).then_some(record)
    }

    /// Keeps an answer.
    pub(super) fn keep(&self, record: &GateRecord) -> Result<(), GateError> {
        let text = serde_json::to_string(record).unwrap_or_default();
        if let Some(folder) = self.path.parent() {
            fs::create_dir(folder)?;
        }
        Ok(fs::replace(&self.path, text.as_bytes())?)
    }
}
