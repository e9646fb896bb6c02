//! Content digests.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A BLAKE3 digest in lower-case hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Digest(String);

impl Digest {
    /// Digests a sequence of fields; each is length-prefixed, so that no two sequences collide by concatenation.
    pub(crate) fn of_fields<'a>(fields: impl IntoIterator<Item = &'a [u8]>) -> Digest {
        let mut hasher = blake3::Hasher::new();
        for field in fields {
            hasher.update(&(field.len() as u64).to_le_bytes());
            hasher.update(field);
        }
        Digest(hasher.finalize().to_hex().to_string())
    }

    /// The first `n` hexadecimal digits, 64 at most.
    pub(crate) fn prefix(&self, n: usize) -> &str {
        &self.0[..n.min(self.0.len())]
    }

    /// As text, for a digest over digests.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The leading 64 bits, for ordering by digest.
    pub(crate) fn leading_bits(&self) -> u64 {
        u64::from_str_radix(self.prefix(16), 16).unwrap_or(0)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moving_a_byte_between_fields_changes_the_digest() {
        let ab_c = Digest::of_fields([b"ab".as_slice(), b"c"]);
        let a_bc = Digest::of_fields([b"a".as_slice(), b"bc"]);
        assert_ne!(ab_c, a_bc);
    }
}
