//! The class of a failure, as it stands in `ERROR:` and `TOP_ERRORS:`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A built-in class, a compiler code, a lint's name, or a name from the contract's `[[categories]]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Category(String);

macro_rules! built_in {
    ($($function:ident $name:literal $meaning:literal;)*) => {
        impl Category {
            $(#[doc = $meaning] pub(crate) fn $function() -> Category { Category($name.to_owned()) })*
        }
    };
}

built_in! {
    fmt "FMT" "rustfmt would change the file.";
    rustc "RUSTC" "A compiler error without a code.";
    assert "ASSERT" "A failed `assert!` of any kind.";
    panic "PANIC" "Any other panic.";
    timeout "TIMEOUT" "Stopped at a time limit.";
    signal "SIGNAL" "Ended by a signal: aborts, stack overflows, memory faults.";
    exit "EXIT" "The process ended without its harness's verdict.";
    leak "LEAK" "Left processes behind.";
    oom "OOM" "Ran out of memory.";
    doctest "DOCTEST" "A documentation example failed.";
    property "PROPERTY" "A property test found a counterexample.";
    fuzz "FUZZ" "A fuzz input fails.";
    mutant "MUTANT" "A mutant survived the tests.";
    diff "DIFF" "A program differs from its oracle.";
    build "BUILD" "An external build or a command failed.";
    budget "BUDGET" "A size limit or a budget was exceeded.";
    flaky "FLAKY" "Failed, then passed on a retry.";
    tamper "TAMPER" "Two sources of the same fact disagree.";
    setup "SETUP" "The environment, not the code.";
}

impl Category {
    /// A compiler's code, a lint's name, or a class of the contract.
    pub(crate) fn named(name: impl Into<String>) -> Category {
        Category(name.into())
    }

    /// The text as printed.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
