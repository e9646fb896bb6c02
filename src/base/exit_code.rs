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
    /// A gate found what somebody outside of the change must approve.
    NeedsApproval,
    /// `repro` saw the failure take another form.
    Different,
    /// Ctrl-C.
    Interrupted,
    /// SIGTERM.
    Terminated,
}

impl ExitCode {
    /// Every one, by its number.
    pub(crate) const ALL: [ExitCode; 10] = [
        ExitCode::Green,
        ExitCode::Red,
        ExitCode::Usage,
        ExitCode::Environment,
        ExitCode::TimeLimit,
        ExitCode::NothingVerified,
        ExitCode::NeedsApproval,
        ExitCode::Different,
        ExitCode::Interrupted,
        ExitCode::Terminated,
    ];

    /// What it says, for the help text.
    pub(crate) fn meaning(self) -> &'static str {
        match self {
            ExitCode::Green => "green: everything that ran is good",
            ExitCode::Red => "red: something is broken",
            ExitCode::Usage => "the command line or the contract is wrong",
            ExitCode::Environment => "the environment lacks something that the run needs",
            ExitCode::TimeLimit => "a time limit ended the run",
            ExitCode::NothingVerified => "nothing was verified: no step ran, or no test",
            ExitCode::NeedsApproval => "a gate needs approval: the change loosens what it is judged by",
            ExitCode::Different => "a replayed failure took another form",
            ExitCode::Interrupted => "interrupted by Ctrl-C",
            ExitCode::Terminated => "ended by SIGTERM",
        }
    }

    /// The number that the shell sees.
    pub(crate) fn code(self) -> u8 {
        match self {
            ExitCode::Green => 0,
            ExitCode::Red => 1,
            ExitCode::Usage => 2,
            ExitCode::Environment => 3,
            ExitCode::TimeLimit => 4,
            ExitCode::NothingVerified => 5,
            ExitCode::NeedsApproval => 6,
            ExitCode::Different => 7,
            ExitCode::Interrupted => 130,
            ExitCode::Terminated => 143,
        }
    }
}
