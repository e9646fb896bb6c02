//! A container image by its digest, so that the same name is the same toolchain tomorrow and elsewhere.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// `NAME@sha256:` and 64 lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Image(String);

/// Between an image's name and its digest.
const DIGEST: &str = "@sha256:";

impl Image {
    /// As podman and docker take it.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Its digest in hexadecimal.
    pub(crate) fn digest(&self) -> &str {
        self.0.rsplit_once(DIGEST).map_or("", |(_, digest)| digest)
    }
}

/// Why a text isn't an image by its digest.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum ImageError {
    #[error("`{0}` names an image without its digest, so that it may be another one tomorrow")]
    NoDigest(String),
    #[error("`{0}` has no digest of 64 lower-case hexadecimal digits behind `@sha256:`")]
    Digest(String),
    #[error("`{0}` has no image's name in front of its digest")]
    Name(String),
}

impl FromStr for Image {
    type Err = ImageError;
    fn from_str(text: &str) -> Result<Self, ImageError> {
        let (name, digest) = text.split_once(DIGEST).ok_or_else(|| ImageError::NoDigest(text.to_owned()))?;
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if digest.len() != 64 || !digest.bytes().all(is_digit) {
            return Err(ImageError::Digest(text.to_owned()));
        }
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/:".contains(&byte);
        // What begins with a dash would be an option.
        let begins_well = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        if !begins_well || !name.bytes().all(is_letter) || name.len() > 255 {
            return Err(ImageError::Name(text.to_owned()));
        }
        Ok(Image(text.to_owned()))
    }
}

impl TryFrom<String> for Image {
    type Error = ImageError;
    fn try_from(text: String) -> Result<Self, ImageError> {
        text.parse()
    }
}

impl From<Image> for String {
    fn from(image: Image) -> String {
        image.0
    }
}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_image_is_a_name_with_a_digest() {
        let digest = "0123456789abcdef".repeat(4);
        for name in ["localhost/rust", "docker.io/library/rust:1.95", "registry.example.org:5000/a/b_c.d-e"] {
            let image: Image = format!("{name}@sha256:{digest}").parse().unwrap();
            assert_eq!(image.digest(), digest);
        }
        let parse = |text: &str| text.parse::<Image>().unwrap_err();
        assert!(matches!(parse("rust:1.95"), ImageError::NoDigest(_)));
        assert!(matches!(parse("rust@sha256:12"), ImageError::Digest(_)));
        assert!(matches!(parse(&format!("rust@sha256:{}", digest.to_uppercase())), ImageError::Digest(_)));
        for name in ["", "--privileged", "a b", "/a", "a\n"] {
            assert!(matches!(parse(&format!("{name}@sha256:{digest}")), ImageError::Name(_)), "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_an_option_or_panics(text in "\\PC{0,100}", digest in "[0-9a-f]{64}") {
            let _ = text.parse::<Image>();
            if let Ok(image) = format!("{text}@sha256:{digest}").parse::<Image>() {
                prop_assert!(!image.as_str().starts_with('-'));
            }
        }
    }
}
