//! The exit codes that scripts rely on.

/// What the process answers; the numbers are part of the agreed surface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ExitCode {
    /// Everything that ran is good.
    Green,
    /// Something is broken.
    Red,
    /// The command line or the contract is wrong.
    Usage,
    /// The environment lacks something that the run needs.
    Environment,
    /// A time limit ended the run.
    TimeLimit,
    /// No step ran, or no test.
    NothingVerified,
    /// `repro` saw the failure take another form.
    Different,
    /// Ctrl-C.
    Interrupted,
    /// SIGTERM.
    Terminated,
}

impl ExitCode {
    /// The number that the shell sees.
    pub(crate) fn code(self) -> u8 {
        match self {
            ExitCode::Green => 0,
            ExitCode::Red => 1,
            ExitCode::Usage => 2,
            ExitCode::Environment => 3,
            ExitCode::TimeLimit => 4,
            ExitCode::NothingVerified => 5,
            ExitCode::Different => 7,
            ExitCode::Interrupted => 130,
            ExitCode::Terminated => 143,
        }
    }
}
