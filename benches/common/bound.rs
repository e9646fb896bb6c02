//! What the harness may cost beside the commands that it stands for.

use crate::figures::{Side, kept};

/// What one side takes more than the other, beside the bound of 100 ms and 2 %.
pub(crate) fn print_overhead(by_hand: &Side, by_harness: &Side) {
    by_hand.print();
    by_harness.print();
    let figures = |side: &Side| [("median", side.median()), ("least", side.least()), ("cpu", side.cpu())];
    for ((what, a), (_, b)) in figures(by_hand).into_iter().zip(figures(by_harness)) {
        let (more, percent, bound) = (b - a, (b / a - 1.0) * 100.0, 100.0 + a * 0.02);
        println!(
            "    overhead    {what:6} {more:+6.0} ms  {percent:+5.1} %  (bound: {bound:.0} ms) {}",
            kept(more <= bound)
        );
    }
}
