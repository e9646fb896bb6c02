//! Sides that are measured in turn, and how their figures are printed.

use crate::common::Taken;

/// One way of doing it, and what each round of it took.
pub(crate) struct Side {
    who: &'static str,
    rounds: Vec<Taken>,
}

/// All sides in turn, so that a busy minute of the machine falls on each; a round is told its number.
pub(crate) fn in_turn<const N: usize>(
    rounds: usize,
    mut sides: [(&'static str, &mut dyn FnMut(usize) -> Taken); N],
) -> [Side; N] {
    let mut measured = sides.each_ref().map(|(who, _)| Side { who, rounds: Vec::new() });
    for n in 0..rounds {
        for ((_, round), side) in sides.iter_mut().zip(&mut measured) {
            side.rounds.push(round(n));
        }
    }
    measured
}

impl Side {
    fn of(&self, figure: impl Fn(&Taken) -> f64) -> Vec<f64> {
        self.rounds.iter().map(figure).collect()
    }

    /// Of each round, in milliseconds.
    pub(crate) fn walls(&self) -> Vec<f64> {
        self.of(|one| one.wall.as_secs_f64() * 1e3)
    }

    /// In milliseconds.
    pub(crate) fn median(&self) -> f64 {
        median(self.walls())
    }

    /// In milliseconds.
    pub(crate) fn least(&self) -> f64 {
        self.walls().into_iter().fold(f64::INFINITY, f64::min)
    }

    /// What its processes computed together; in milliseconds.
    pub(crate) fn cpu(&self) -> f64 {
        median(self.of(|one| one.cpu * 1e3))
    }

    /// Every round beside what they come to.
    pub(crate) fn print(&self) {
        let raw = self.walls().iter().map(|ms| format!("{ms:.0}")).collect::<Vec<_>>().join(" ");
        let said = self.rounds[0].stdout.len() + self.rounds[0].stderr.len();
        let (who, median, least, cpu) = (self.who, self.median(), self.least(), self.cpu());
        println!(
            "    {who:28} median {median:6.0} ms  least {least:6.0} ms  [{raw}]  cpu {cpu:6.0} ms  {said} bytes said"
        );
    }
}

/// Whether a bound was kept, in a word.
pub(crate) fn kept(is_kept: bool) -> &'static str {
    if is_kept { "ok" } else { "MISSED" }
}

/// The middle one.
pub(crate) fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}
