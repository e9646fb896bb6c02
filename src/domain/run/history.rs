//! Recorded times of tests, and the shares that automatic samples have had.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

use super::output::Output;
use crate::base::Percent;
use crate::domain::record::{TestName, TestOutcome, TestRecord};
use crate::ports::fs;

/// What earlier runs leave for later ones. It only ever saves time: a missing or broken file is as good as an empty one.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct History {
    /// Milliseconds by binary and test.
    times: BTreeMap<String, BTreeMap<String, u64>>,
    /// How many tests each step's suite has, those that a sample leaves out included.
    sizes: BTreeMap<String, u64>,
    /// The share by suite, seed and budget, so that the same suite keeps its sample.
    shares: BTreeMap<String, Percent>,
    /// Tests by binary that pass alone and not beside others in one process.
    apart: BTreeMap<String, BTreeSet<String>>,
    /// By binary and test, for those that have ever passed after a failure.
    flaky: BTreeMap<String, BTreeMap<String, Rate>>,
}

/// How often a test has passed after a failure since it first did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rate {
    flaky: u32,
    runs: u32,
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rate { flaky, runs } = self;
        write!(f, "flaky in {flaky} of {runs} {}", if *runs == 1 { "run" } else { "runs" })
    }
}

impl History {
    fn path(output: &Output) -> Utf8PathBuf {
        output.root().join("history/tests.json")
    }

    /// Reads what there is.
    pub(crate) fn load(output: &Output) -> History {
        let text = fs::read_text(&History::path(output)).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// A test's last time.
    pub(crate) fn ms(&self, test: &TestName) -> Option<u64> {
        self.times.get(&test.binary)?.get(&test.name).copied()
    }

    /// What a step's whole suite would take one test after the other, in milliseconds: its size by the mean of what is recorded.
    pub(crate) fn expected_ms(&self, step: &str) -> Option<u64> {
        let size = *self.sizes.get(step)?;
        let known = self.times.values().map(|tests| tests.len() as u64).sum::<u64>();
        let total = self.times.values().flat_map(BTreeMap::values).map(|ms| ms.max(&1)).sum::<u64>();
        (known > 0).then(|| (u128::from(total) * u128::from(size) / u128::from(known)) as u64)
    }

    /// Tests by binary that need a process of their own.
    pub(crate) fn apart(&self) -> &BTreeMap<String, BTreeSet<String>> {
        &self.apart
    }

    /// Adds such tests, or with `anew` forgets all others.
    pub(crate) fn keep_apart(output: &Output, tests: BTreeMap<String, BTreeSet<String>>, anew: bool) -> fs::Result<()> {
        let mut history = History::load(output);
        let forgets = anew && !history.apart.is_empty();
        if tests.is_empty() && !forgets {
            return Ok(());
        }
        if anew {
            history.apart.clear();
        }
        for (binary, names) in tests {
            history.apart.entry(binary).or_default().extend(names);
        }
        history.save(output)
    }

    /// Counts a run of these tests, of which some passed only when run again; how often each of those did so up to now.
    pub(crate) fn count_flaky<'a>(
        output: &Output,
        ran: impl IntoIterator<Item = &'a TestName>,
        flaky: &BTreeSet<TestName>,
    ) -> fs::Result<BTreeMap<TestName, Rate>> {
        let mut history = History::load(output);
        if history.flaky.is_empty() && flaky.is_empty() {
            return Ok(BTreeMap::new());
        }
        for test in flaky {
            history.flaky.entry(test.binary.clone()).or_default().entry(test.name.clone()).or_default().flaky += 1;
        }
        let mut rates = BTreeMap::new();
        for test in ran {
            let known = history.flaky.get_mut(&test.binary).and_then(|tests| tests.get_mut(&test.name));
            let Some(rate) = known else { continue };
            rate.runs += 1;
            if flaky.contains(test) {
                rates.insert(test.clone(), *rate);
            }
        }
        history.save(output)?;
        Ok(rates)
    }

    /// The share that was chosen before for the same question.
    pub(crate) fn share(&self, key: &str) -> Option<Percent> {
        self.shares.get(key).copied()
    }

    /// Keeps a choice.
    pub(crate) fn keep_share(output: &Output, key: &str, share: Percent) -> fs::Result<()> {
        let mut history = History::load(output);
        history.shares.insert(key.to_owned(), share);
        history.save(output)
    }

    /// Adds a run's times and the sizes of its suites.
    pub(crate) fn record(output: &Output, tests: &[TestRecord], sizes: &BTreeMap<String, u64>) -> fs::Result<()> {
        if tests.is_empty() && sizes.is_empty() {
            return Ok(());
        }
        let mut history = History::load(output);
        history.sizes.extend(sizes.iter().map(|(step, size)| (step.clone(), *size)));
        for record in tests.iter().filter(|record| record.outcome != TestOutcome::Ignored) {
            history.times.entry(record.test.binary.clone()).or_default().insert(record.test.name.clone(), record.ms);
        }
        history.save(output)
    }

    fn save(&self, output: &Output) -> fs::Result<()> {
        fs::replace(&History::path(output), serde_json::to_string(self).unwrap_or_default().as_bytes())
    }
}
