//! What is shown while a run is under way: bars on a terminal, a rare line elsewhere.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::domain::record::Event;
use crate::ports::clock;

/// Follows the events of one run on standard error.
pub(crate) enum Progress {
    /// One bar a step.
    Bars { all: MultiProgress, bars: BTreeMap<String, ProgressBar> },
    /// At most one line in thirty seconds.
    Lines { started: Instant, last: Instant },
    /// Nothing at all.
    Silent,
}

const LINE_EVERY: Duration = Duration::from_secs(30);

impl Progress {
    /// Bars where a person watches, lines elsewhere, nothing if asked.
    pub(crate) fn new(quiet: bool) -> Progress {
        if quiet {
            Progress::Silent
        } else if super::is_watched() {
            Progress::Bars { all: MultiProgress::new(), bars: BTreeMap::new() }
        } else {
            Progress::Lines { started: clock::now(), last: clock::now() }
        }
    }

    /// Shows one event.
    pub(crate) fn show(&mut self, event: &Event) {
        match self {
            Progress::Bars { all, bars } => show_bar(all, bars, event),
            Progress::Lines { started, last } => {
                if last.elapsed() >= LINE_EVERY
                    && let Some(text) = line(event)
                {
                    super::note(&format!("{text}, {}s", started.elapsed().as_secs()));
                    *last = clock::now();
                }
            }
            Progress::Silent => {}
        }
    }

    /// Removes the bars before the report is written.
    pub(crate) fn finish(self) {
        if let Progress::Bars { all, .. } = self {
            let _ = all.clear();
        }
    }
}

/// What a rare line says of an event.
fn line(event: &Event) -> Option<String> {
    match event {
        Event::StillRunning { tier, step } => Some(format!("T{tier} {step}: running")),
        Event::TestsEnded { tier, step, ended, failed, of } if *ended > 0 => {
            let of = of.map_or(String::new(), |of| format!(" of {of}"));
            Some(format!("T{tier} {step}: {ended}{of} done, {failed} failed"))
        }
        _ => None,
    }
}

fn show_bar(all: &MultiProgress, bars: &mut BTreeMap<String, ProgressBar>, event: &Event) {
    match event {
        Event::StepStarted { tier, step } => {
            let bar = all.add(ProgressBar::new_spinner());
            bar.set_style(style("{prefix} {spinner} {elapsed} {msg}"));
            bar.set_prefix(format!("T{tier} {step:<7}"));
            bar.enable_steady_tick(Duration::from_millis(100));
            bars.insert(step.clone(), bar);
        }
        Event::TestsEnded { step, ended, failed, of, .. } => {
            let Some(bar) = bars.get(step) else { return };
            if let Some(of) = of
                && bar.length() != Some(*of)
            {
                bar.set_length(*of);
                bar.set_style(style("{prefix} {bar:24} {pos}/{len} {elapsed} {msg}"));
            }
            bar.set_position(*ended);
            bar.set_message(if *failed > 0 { format!("{failed} failed") } else { String::new() });
        }
        Event::StillRunning { .. } => {}
        Event::StepEnded(record) => {
            if let Some(bar) = bars.remove(&record.name) {
                bar.finish_and_clear();
            }
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
