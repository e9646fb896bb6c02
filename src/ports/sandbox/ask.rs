//! Asks tools within a cage what they are, all in one go: entering it takes longer than the answers.

use std::time::Duration;

use camino::Utf8Path;

use super::Cage;
use crate::base::ExitCode;
use crate::ports::fs;
use crate::ports::process::{self, Job, Runner, Wish};
use crate::ports::supervisor::Ended;

/// The hidden verb.
pub(crate) const VERB: &str = "__ask";

/// How long the answers may take together.
const LIMIT: Duration = Duration::from_secs(60);

/// No honest answers are longer.
const LONGEST: u64 = 1 << 20;

/// What the tools of a cage print, in the order of the questions; none for one that isn't there or fails.
///
/// # Errors
/// The cage can't be entered, in words.
pub(crate) fn ask(
    cage: &Cage,
    questions: &[Vec<String>],
    dir: &Utf8Path,
    folder: &Utf8Path,
    runner: &dyn Runner,
) -> Result<Vec<Option<String>>, String> {
    let said = |error: fs::FsError| error.to_string();
    fs::create_dir(folder).map_err(said)?;
    let (stdout, stderr) = (folder.join("answers"), folder.join("words"));
    for path in [&stdout, &stderr] {
        fs::remove_file(path).map_err(said)?;
    }
    let questions = serde_json::to_string(questions).unwrap_or_default();
    let argv = [cage.program.as_str(), VERB, &questions].map(str::to_owned);
    let (stdout, stderr, limit) = (stdout.as_path(), stderr.as_path(), LIMIT);
    let job = Job { argv: &argv, dir, env: &[], stdout, stderr, limit, watchdog: None, cage: Some(cage) };
    match runner.run(&job, &mut || Wish::GoOn).ended {
        Ended::Exited(0) => {}
        Ended::Lost(why) => return Err(why),
        ended => return Err(format!("{ended:?}")),
    }
    let text = fs::read_text_up_to(stdout, LONGEST).map_err(said)?;
    serde_json::from_str(&text).map_err(|error| error.to_string())
}

/// The body of the hidden verb: the answers, as JSON.
pub(crate) fn main(args: &[String]) -> (ExitCode, String) {
    let questions = args.first().and_then(|text| serde_json::from_str::<Vec<Vec<String>>>(text).ok());
    let Some(questions) = questions else { return (ExitCode::Usage, String::new()) };
    let answer = |argv: &Vec<String>| {
        process::capture_briefly(argv).ok().filter(|output| output.success).map(|output| output.stdout)
    };
    let answers: Vec<Option<String>> = std::thread::scope(|scope| {
        let asked: Vec<_> = questions.iter().map(|argv| scope.spawn(move || answer(argv))).collect();
        asked.into_iter().map(|answer| answer.join().ok().flatten()).collect()
    });
    (ExitCode::Green, serde_json::to_string(&answers).unwrap_or_default())
}
