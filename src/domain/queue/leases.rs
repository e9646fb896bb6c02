//! Whether a claim has run out: it has not changed for so long, as seen from here. No other machine's clock is asked.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use super::claim::Claim;
use crate::ports::clock::Uptime;
use crate::ports::fs;

/// When which version of each claim was first seen here, a file each.
#[derive(Clone, Debug)]
pub(super) struct Leases {
    folder: Utf8PathBuf,
}

impl Leases {
    /// Those that all work trees of a repository share.
    pub(super) fn of(common: &Utf8Path) -> Leases {
        Leases { folder: common.join("harness/seen") }
    }

    /// How long a claim has been seen in this version. Seen for the first time, or for the first time since the machine was started,
    /// that is no time at all.
    pub(super) fn age(&self, claim: &Claim, version: &str, now: &Uptime) -> fs::Result<Duration> {
        let file = self.folder.join(claim.id.as_str());
        let seen = fs::read_text_if_present(&file)?;
        if let Some(since) = seen.as_deref().and_then(|text| since(text, version, now)) {
            return Ok(since);
        }
        fs::create_dir(&self.folder)?;
        fs::replace(&file, format!("{version} {} {}\n", now.boot, now.elapsed.as_millis()).as_bytes())?;
        Ok(Duration::ZERO)
    }
}

fn since(text: &str, version: &str, now: &Uptime) -> Option<Duration> {
    let mut words = text.split_whitespace();
    let is_it = words.next() == Some(version) && words.next() == Some(&now.boot);
    let at = Duration::from_millis(words.next()?.parse().ok()?);
    is_it.then(|| now.elapsed.checked_sub(at))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_runs_while_the_claim_stays_the_same_and_the_machine_is_up() {
        let folder = tempfile::tempdir().unwrap();
        let leases = Leases::of(Utf8Path::from_path(folder.path()).unwrap());
        let claim = Claim::read(&"a".parse().unwrap(), "Claimed-By: ada").unwrap();
        let at = |boot: &str, seconds| Uptime { boot: boot.to_owned(), elapsed: Duration::from_secs(seconds) };
        let age = |version, boot: &str, seconds| leases.age(&claim, version, &at(boot, seconds)).unwrap().as_secs();
        assert_eq!(age("v1", "b1", 100), 0);
        assert_eq!(age("v1", "b1", 130), 30);
        assert_eq!(age("v2", "b1", 140), 0);
        assert_eq!(age("v2", "b1", 141), 1);
        assert_eq!(age("v2", "b2", 10), 0);
        assert_eq!(age("v2", "b2", 5), 0, "a clock that goes backwards starts anew");
    }
}
