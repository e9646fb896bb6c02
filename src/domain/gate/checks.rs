//! The checks that run something, or weigh what ran.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};

use super::finding::Check;
use super::inventory::{Sources, last};
use super::phases::{Answer, Part, Phase};
use super::snapshot::{Snapshot, graft};
use super::{Case, GateError, receipt};
use crate::base::{Digest, Seed};
use crate::domain::contract::Level;
use crate::domain::contract::needs::Tool;
use crate::domain::record::{Outcome, RunRecord, TestName, TestOutcome, TestRecord, Verdict};
use crate::domain::roles::{self, Breach, Roles};
use crate::ports::repository::Change;
use crate::ports::{clock, fs};

/// So many tests are named in a finding.
const NAMED: usize = 20;

impl Case<'_> {
    /// Whether the role keeps within what it may change.
    pub(super) fn role(&self) -> Result<Option<Check>, GateError> {
        let name = self.question.role.as_deref();
        let roles = Roles::of(&self.contract);
        if name.is_none() && roles.iter().all(|(_, role)| role.only.is_empty()) {
            return Ok(None);
        }
        let is_counted = |path: &Utf8PathBuf| !roles::is_of_the_queue(&self.root, path);
        let tree = |snapshot: &Snapshot| {
            let counted = snapshot.listing.iter().filter(|(path, _)| is_counted(path));
            self.objects.make_tree(&counted.map(|(path, entry)| (path.clone(), entry.clone())).collect())
        };
        let lines = self.objects.changed_lines(&tree(&self.before)?, &tree(&self.after)?)?;
        let mode = |snapshot: &Snapshot, path: &Utf8PathBuf| {
            snapshot.listing.get(path).map_or_else(|| "000000".to_owned(), |entry| entry.mode.clone())
        };
        let changes: Vec<Change> = self
            .before
            .changed(&self.after)
            .into_iter()
            .map(|path| Change {
                path: path.clone(),
                old_mode: mode(&self.before, path),
                new_mode: mode(&self.after, path),
            })
            .collect();
        let breaches = roles.breaches(name, &self.root, &changes, lines)?;
        // A change in no role may still be somebody's who says so.
        let level = if name.is_some() { Level::Deny } else { Level::Approve };
        let subject =
            |breach: &Breach| breach.path.as_ref().map_or(name.unwrap_or_default(), |path| path.as_str()).to_owned();
        let found = breaches.iter().map(|breach| (subject(breach), breach.why.clone())).collect();
        let ok = name.map_or_else(
            || "nothing that is a role's alone".to_owned(),
            |name| format!("within what {name} may change"),
        );
        Ok(Some(Check::of("role", level, found, &ok)))
    }

    /// The tests of the base, run on the base itself; kept, since every change is compared with the same ones.
    pub(super) fn base_tests(&self, notes: &mut Vec<String>) -> Result<Option<Vec<TestRecord>>, GateError> {
        let ground = receipt::ground(self.objects.source().root());
        let words = format!("{} {:?}", self.tiers, self.question.name);
        let key = Digest::of_fields([self.base.as_bytes(), ground.as_bytes(), words.as_bytes()]);
        let path = self.area.bases().join(format!("{}.json", key.prefix(32)));
        let known =
            fs::read_text_if_present(&path)?.and_then(|text| serde_json::from_str::<Vec<TestRecord>>(&text).ok());
        if known.is_some() {
            return Ok(known);
        }
        let answer = self.phase("base", None, &self.order(Part::Tests, None))?;
        let Answer::Ran(phase) = answer else {
            notes.push("the base's tests cannot be run, so none of them can be missed".to_owned());
            return Ok(None);
        };
        if phase.tests.is_empty() {
            let declared = self.before.tests().values().flatten().count();
            if declared > 0 {
                notes.push(format!(
                    "no test of the base ran, though its sources have {declared}: none of them can be missed"
                ));
            }
            return Ok(None);
        }
        if let Some(folder) = path.parent() {
            fs::create_dir(folder)?;
        }
        fs::replace(&path, serde_json::to_string(&phase.tests).unwrap_or_default().as_bytes())?;
        Ok(Some(phase.tests))
    }

    /// The base's tests and golden files on the new source.
    pub(super) fn replay(
        &self,
        source: &Snapshot,
        sources: &Sources,
        before: Option<&Vec<TestRecord>>,
    ) -> Result<Check, GateError> {
        let name = "replay";
        let levels = &self.contract.integrity;
        let adapt = |_: &Utf8Path, text: &str| sources.adapted(text);
        let (listing, graft) = graft(self.objects, source, &self.before, &adapt)?;
        if graft.is_empty() {
            return Ok(Check::of(name, levels.replay, Vec::new(), "no test of the base is changed"));
        }
        let tree = self.objects.make_tree(&listing)?;
        let commit = self.objects.make_commit(&tree, &[self.base])?;
        let inline_level = if graft.files.is_empty() { levels.replay_inline } else { levels.replay };
        let phase = match self.phase("replay", Some(&commit), &self.order(Part::Tests, None))? {
            Answer::Ran(phase) => phase,
            Answer::Error { message, .. } => {
                return Ok(Check::of(name, levels.replay, vec![("the base's tests".to_owned(), message)], ""));
            }
            Answer::Measured(_) => return Err(GateError::Lost { why: "it answered another question".to_owned() }),
        };
        let failed = failed(&phase);
        if failed.is_empty() && phase.record.verdict != Verdict::Green {
            let nothing_before = before.is_none() && phase.record.verdict == Verdict::NothingVerified;
            if nothing_before {
                return Ok(Check::none(name, "the base has no tests"));
            }
            // What doesn't compile says neither yes nor no: somebody must look.
            let message = match phase.record.failures().next() {
                Some(failure) => format!("cannot be run on the new source: {}", failure.message),
                None => format!("cannot be run on the new source: {}", phase.record.verdict.word().to_lowercase()),
            };
            let level = inline_level.min(Level::Approve);
            return Ok(Check::of(name, level, vec![("the base's tests".to_owned(), message)], ""));
        }
        let failed_before: BTreeSet<&TestName> = before
            .into_iter()
            .flatten()
            .filter(|test| test.outcome == TestOutcome::Failed)
            .map(|test| &test.test)
            .collect();
        let found = failed.into_iter().take(NAMED).map(|(test, message)| {
            let level = match () {
                () if failed_before.contains(&test) => Level::Approve.min(levels.replay),
                () if is_inline(&test) => levels.replay_inline,
                () => levels.replay,
            };
            (level, format!("{} {}", test.binary, test.name), format!("fails as the base has it: {message}"))
        });
        let counts = phase.record.counts();
        let files = graft.files.len() + graft.inline.len();
        Ok(Check::mixed(
            name,
            found.collect(),
            &format!("{} passed as the base has them, in {files} files", counts.passed),
        ))
    }

    /// Whether the tests of the base are all there.
    pub(super) fn inventory(
        &self,
        sources: &Sources,
        before: Option<&Vec<TestRecord>>,
        tests: &[TestRecord],
        green: bool,
    ) -> Check {
        let mut found = sources.lost(&self.declared);
        if let Some(before) = before.filter(|_| green) {
            let known: BTreeSet<String> = found
                .iter()
                .filter_map(|(subject, _)| subject.rsplit("::").next()?.rsplit(' ').next().map(str::to_owned))
                .collect();
            let steps: BTreeSet<&String> = before.iter().map(|test| &test.step).collect();
            let now: Vec<TestRecord> = tests.iter().filter(|test| steps.contains(&test.step)).cloned().collect();
            let more = sources.not_run(before, &now, &self.declared);
            found.extend(more.into_iter().filter(|(subject, _)| {
                !subject
                    .rsplit("::")
                    .next()
                    .and_then(|part| part.rsplit(' ').next())
                    .is_some_and(|name| known.contains(name))
            }));
        }
        found.truncate(NAMED);
        let count = before.map_or_else(|| self.before.tests().values().map(Vec::len).sum(), Vec::len);
        Check::of(
            "inventory",
            self.contract.integrity.inventory,
            found,
            &format!("{count} tests of the base are there"),
        )
    }

    /// What is asked of a change that the ladder has found good.
    pub(super) fn later(
        &self,
        source: &Snapshot,
        sources: &Sources,
        ladder: Option<&RunRecord>,
    ) -> Result<Vec<Check>, GateError> {
        if ladder.is_none_or(|ladder| ladder.verdict != Verdict::Green) {
            return Ok(["fix", "runners", "seeds"].map(|name| Check::not_run(name, "the ladder is not green")).into());
        }
        Ok(vec![self.fix(source, sources)?, self.runners(ladder)?, self.seeds(ladder)?])
    }

    /// A fix brings a test that fails on the base.
    fn fix(&self, source: &Snapshot, sources: &Sources) -> Result<Check, GateError> {
        let (name, level) = ("fix", self.contract.integrity.fix);
        let changed = self.before.changed(&self.after);
        let code = changed.iter().any(|path| path.extension() == Some("rs") && !self.after.test_files.contains(*path));
        if !self.declared.is_fix || !code {
            return Ok(Check::none(name, "no commit says that it fixes code"));
        }
        let found = |message: &str| Ok(Check::of(name, level, vec![("the fix".to_owned(), message.to_owned())], ""));
        let new = sources.new_or_changed();
        if new.is_empty() {
            return found("brings no test");
        }
        let (listing, _) = graft(self.objects, &self.before, source, &|_, text| text.to_owned())?;
        let tree = self.objects.make_tree(&listing)?;
        let commit = self.objects.make_commit(&tree, &[self.base])?;
        let Answer::Ran(phase) = self.phase("fix", Some(&commit), &self.order(Part::Tests, None))? else {
            return found("its tests cannot be run on the base");
        };
        let failing: Vec<String> = failed(&phase)
            .into_iter()
            .map(|(test, _)| last(&test).to_owned())
            .filter(|test| new.contains(test))
            .collect();
        match (failing.first(), phase.tests.is_empty()) {
            (Some(test), _) => Ok(Check::of(name, level, Vec::new(), &format!("{test} fails on the base"))),
            (None, true) => found("its tests do not compile on the base, so they do not show what was broken"),
            (None, false) => found("every test that it brings passes on the base already"),
        }
    }

    /// The same tests by `cargo test`: they share a process there.
    fn runners(&self, ladder: Option<&RunRecord>) -> Result<Check, GateError> {
        let (name, level) = ("runners", self.contract.integrity.runners);
        // The ladder's own tools, which may be those of an image.
        if !ladder.is_some_and(|ladder| ladder.tools.iter().any(|tool| tool.name == Tool::Nextest.name())) {
            return Ok(Check::none(name, "cargo-nextest is not installed, so cargo test ran them"));
        }
        if self.after.tests().values().all(Vec::is_empty) {
            return Ok(Check::none(name, "no tests"));
        }
        let answer = self.phase("tree", None, &self.order(Part::OtherRunner, None))?;
        Ok(by_phase(name, level, answer, "cargo test", "passed by cargo test, too"))
    }

    /// Property tests with a seed that nobody knew.
    fn seeds(&self, ladder: Option<&RunRecord>) -> Result<Check, GateError> {
        let (name, level) = ("seeds", self.contract.integrity.seeds);
        let ran =
            |ladder: &RunRecord| ladder.steps.iter().any(|step| step.name == "prop" && step.outcome == Outcome::Ok);
        if !ladder.is_some_and(ran) {
            return Ok(Check::none(name, "no property tests"));
        }
        let digest = Digest::of_fields([clock::timestamp().as_bytes(), self.area.tree("").as_str().as_bytes()]);
        let Ok(seed) = (digest.leading_bits() >> 24).to_string().parse::<Seed>() else {
            return Ok(Check::none(name, "no seed"));
        };
        let answer = self.phase("tree", None, &self.order(Part::Properties, Some(seed)))?;
        Ok(by_phase(name, level, answer, &format!("seed {seed}"), &format!("passed with the fresh seed {seed}")))
    }
}

/// A check that is green where a phase is.
fn by_phase(name: &str, level: Level, answer: Answer, with: &str, ok: &str) -> Check {
    let Answer::Ran(phase) = answer else {
        return Check::of(name, level, vec![(with.to_owned(), "cannot be run".to_owned())], "");
    };
    let counts = phase.record.counts();
    let failed = failed(&phase);
    let found: Vec<(String, String)> = match phase.record.verdict {
        Verdict::Green => Vec::new(),
        _ if !failed.is_empty() => failed
            .into_iter()
            .take(NAMED)
            .map(|(test, message)| (format!("{} {}", test.binary, test.name), format!("fails with {with}: {message}")))
            .collect(),
        other => {
            let failure = phase.record.failures().next().map(|failure| failure.message.clone());
            vec![(with.to_owned(), failure.unwrap_or_else(|| other.word().to_lowercase()))]
        }
    };
    Check::of(name, level, found, &format!("{} {ok}", counts.passed))
}

/// The tests of a phase that failed, with what they said.
fn failed(phase: &Phase) -> Vec<(TestName, String)> {
    let messages: BTreeMap<&TestName, &str> = phase
        .record
        .failures()
        .filter_map(|failure| Some((failure.test.as_ref()?, failure.message.as_str())))
        .collect();
    let bad = phase.tests.iter().filter(|test| test.outcome == TestOutcome::Failed);
    let mut found: Vec<(TestName, String)> = bad
        .map(|test| (test.test.clone(), messages.get(&test.test).copied().unwrap_or("it failed").to_owned()))
        .collect();
    found.sort();
    found.dedup_by(|a, b| a.0 == b.0);
    found
}

/// Whether a test stands in a source file: its binary is a library's or a program's own.
fn is_inline(test: &TestName) -> bool {
    match test.binary.split_once("::") {
        None => true,
        Some((_, rest)) => rest.starts_with("bin/") || rest.starts_with("example/"),
    }
}
