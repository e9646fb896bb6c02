//! Command lines as people read, paste and type them; nothing here is ever given to a shell by the harness.

use std::str::FromStr;

/// Quotes for a POSIX shell.
pub(crate) fn quote<S: AsRef<str>>(argv: &[S]) -> String {
    argv.iter().map(|word| quote_word(word.as_ref())).collect::<Vec<_>>().join(" ")
}

/// A command line as somebody typed it: its words, of which there is at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommandLine {
    argv: Vec<String>,
}

impl CommandLine {
    /// The program and its arguments.
    pub(crate) fn argv(&self) -> &[String] {
        &self.argv
    }
}

/// Why a text isn't a command line.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum CommandLineError {
    #[error("a quotation mark or a backslash at its end is left open")]
    Open,
    #[error("it names no program")]
    Empty,
}

/// Words, quotation marks and backslashes are a POSIX shell's; variables, globs and operators are plain text.
impl FromStr for CommandLine {
    type Err = CommandLineError;
    fn from_str(text: &str) -> Result<Self, CommandLineError> {
        let argv = shlex::split(text).ok_or(CommandLineError::Open)?;
        if argv.first().is_none_or(String::is_empty) {
            return Err(CommandLineError::Empty);
        }
        Ok(CommandLine { argv })
    }
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

    #[test]
    fn a_typed_command_line_is_split_as_a_shell_does_and_not_expanded() {
        let words = |text: &str| text.parse().map(|line: CommandLine| line.argv);
        let owned = |words: &[&str]| Ok(words.iter().map(|word| (*word).to_owned()).collect());
        assert_eq!(
            words(r#"notify-send "it is green" a\ b $HOME *.rs '' && x"#),
            owned(&["notify-send", "it is green", "a b", "$HOME", "*.rs", "", "&&", "x"])
        );
        assert_eq!(words("say 'green"), Err(CommandLineError::Open));
        assert_eq!(words(r"say \"), Err(CommandLineError::Open));
        assert_eq!(
            [words(""), words("  "), words("'' x"), words("# say")],
            [const { Err(CommandLineError::Empty) }; 4]
        );
    }
}
