//! The end of the audit log at one moment.

use serde::{Deserialize, Serialize};

use crate::base::Digest;

/// How long the log was, and the digest of its last line: by that it can be held against itself later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AuditHead {
    pub(crate) lines: u64,
    pub(crate) hash: Digest,
}

impl AuditHead {
    /// Of a log without lines.
    pub(crate) fn none() -> AuditHead {
        AuditHead { lines: 0, hash: Digest::of_fields([]) }
    }
}
