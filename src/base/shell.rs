//! Command lines for people to read and paste; nothing here is ever given to a shell by the harness.

/// Quotes for a POSIX shell.
pub(crate) fn quote<S: AsRef<str>>(argv: &[S]) -> String {
    argv.iter().map(|word| quote_word(word.as_ref())).collect::<Vec<_>>().join(" ")
}

fn quote_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_needs_it_is_quoted() {
        assert_eq!(quote(&["cargo", "test", "a b", "it's", ""]), r"cargo test 'a b' 'it'\''s' ''");
    }
}
