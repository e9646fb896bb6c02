//! What earlier runs in this clone have found out.

use camino::Utf8Path;

use crate::base::FailureId;
use crate::domain::record::{FailureRecord, Mode, RunRecord, Verdict};
use crate::ports::fs;

/// The last verdict, and the failures that are open.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    pub(crate) run: Option<RunRecord>,
    pub(crate) open: Vec<FailureRecord>,
}

impl Known {
    /// What stands in the harness's folder. What can't be read there is as if it were not there: it is found out again by a run.
    pub(crate) fn read(harness_dir: &Utf8Path) -> Known {
        let run = fs::read_text(&harness_dir.join("latest/run.json")).ok();
        let run = run.and_then(|text| serde_json::from_str::<RunRecord>(&text).ok());
        let folder = harness_dir.join("failures");
        let names = fs::names(&folder).unwrap_or_default();
        let record = |name: &String| {
            let text = fs::read_text(&folder.join(name)).ok().filter(|_| name.ends_with(".json"))?;
            serde_json::from_str::<FailureRecord>(&text).ok()
        };
        let mut open: Vec<FailureRecord> = names.iter().filter_map(record).collect();
        open.sort_by(|a, b| (a.failure.tier, &a.failure.id).cmp(&(b.failure.tier, &b.failure.id)));
        Known { run, open }
    }

    /// Whether a failure is known not to be there: the last run was asked for all of the tiers where it would be, and has it not.
    pub(crate) fn is_green(&self, failure: &FailureId) -> bool {
        let Some(run) = &self.run else { return false };
        let highest = match failure.as_str().as_bytes().first() {
            Some(b'c') => 0,
            Some(b't') => 1,
            Some(b'p' | b'f') => 2,
            Some(b'd') => 3,
            _ => 5,
        };
        let is_whole = run.sample.is_none() && run.shard.is_none() && run.asked == Mode::to_string(&run.mode);
        let climbed = run.tiers.iter().any(|tier| tier.number() >= highest)
            && run.stopped_at.is_none_or(|stopped| stopped.number() > highest);
        let ended = matches!(run.verdict, Verdict::Green | Verdict::Red);
        is_whole && climbed && ended && !self.open.iter().any(|open| open.failure.id == *failure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_green_only_after_a_run_that_would_have_shown_it() {
        let id = |text: &str| text.parse::<FailureId>().unwrap();
        assert!(!Known::default().is_green(&id("t-00000001")));
        let run = |verdict: &str, stopped: &str| -> Known {
            let text = format!(
                r#"{{"version":1,"id":"r","latest":"l","asked":"fast","mode":"fast","tiers":"0-1","seed":1,"verdict":"{verdict}",
                "ms":1,"contract":"0","tools":[],"steps":[]{stopped}}}"#
            );
            Known { run: Some(serde_json::from_str(&text).unwrap()), open: Vec::new() }
        };
        assert!(run("green", "").is_green(&id("t-00000001")));
        assert!(!run("green", "").is_green(&id("p-00000001")), "tier 2 was not run");
        assert!(!run("red", r#","stopped_at":0"#).is_green(&id("t-00000001")));
        assert!(!run("interrupted", "").is_green(&id("t-00000001")));
    }
}
