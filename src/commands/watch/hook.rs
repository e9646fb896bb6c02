//! The user's own command after a verdict.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use camino::Utf8PathBuf;

use crate::base::{CommandLine, TimeLimit, shell};
use crate::ports::fs;
use crate::ports::process::{Job, Runner, Supervised, Wish};
use crate::ports::supervisor::{Ended, Report};

/// One call of it.
#[derive(Clone, Debug)]
pub(super) struct Hook {
    /// The flag that named it.
    pub(super) flag: &'static str,
    pub(super) command: CommandLine,
    pub(super) dir: Utf8PathBuf,
    /// What `HARNESS_VERDICT` says.
    pub(super) verdict: &'static str,
    /// Everything that it prints, of this call only.
    pub(super) log: Utf8PathBuf,
    pub(super) limit: TimeLimit,
}

/// A call under way.
pub(super) struct UnderWay {
    stop: Arc<AtomicBool>,
}

impl Hook {
    /// Starts it; `then` is called from another thread when it has ended, with what there is to say of that.
    ///
    /// # Errors
    /// Where its log cannot be written.
    pub(super) fn start(
        self,
        runner: Supervised,
        then: impl FnOnce(Option<String>) + Send + 'static,
    ) -> fs::Result<UnderWay> {
        fs::create(&self.log)?;
        fs::append_bytes(&self.log, format!("$ {}\n", shell::quote(self.command.argv())).as_bytes())?;
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        std::thread::spawn(move || {
            let env = [("HARNESS_VERDICT".to_owned(), Some(self.verdict.to_owned()))];
            let job = Job {
                argv: self.command.argv(),
                dir: &self.dir,
                env: &env,
                stdout: &self.log,
                stderr: &self.log,
                limit: self.limit.duration(),
                watchdog: None,
                cage: None,
            };
            let wish = || if asked.load(Ordering::SeqCst) { Wish::Stop } else { Wish::GoOn };
            let report = runner.run(&job, &mut { wish });
            then(self.note(&report));
        });
        Ok(UnderWay { stop })
    }

    /// What went wrong, if anything did.
    fn note(&self, report: &Report) -> Option<String> {
        let log = self.log.strip_prefix(&self.dir).unwrap_or(&self.log);
        let what = match &report.ended {
            Ended::Exited(0) if report.swept == 0 => return None,
            Ended::Exited(0) => "left processes running, which were ended".to_owned(),
            Ended::Stopped => return None,
            Ended::Exited(code) => format!("ended with exit code {code}"),
            Ended::Signalled(signal) => format!("was ended by signal {signal}"),
            Ended::TimedOut => format!("was stopped at its time limit of {}", self.limit),
            Ended::OverLimit(_) => "was stopped at a limit".to_owned(),
            Ended::NotStarted(why) | Ended::Lost(why) => format!("could not be run: {why}"),
        };
        Some(format!("NOTE: the command of {} {what}, log {log}\n", self.flag))
    }
}

impl UnderWay {
    /// Ends it early, with everything that it has started.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}
