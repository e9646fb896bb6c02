//! Single keys from the terminal: no line editing, no echo, no signals from the keyboard, until it is dropped.

use std::io::{IsTerminal, Read};

use rustix::termios::{self, InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios};

/// What somebody can press that means something to a screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Char(char),
    Escape,
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
    Interrupt,
    Refresh,
}

/// The terminal in the state in which each key arrives at once.
pub(super) struct RawInput {
    before: Termios,
}

impl RawInput {
    /// None where standard input is no terminal.
    pub(super) fn enter() -> Option<RawInput> {
        let input = std::io::stdin();
        let before = input.is_terminal().then(|| termios::tcgetattr(&input).ok()).flatten()?;
        let mut raw = before.clone();
        // Without signals from the keyboard no key ends this process before it has restored the terminal.
        raw.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG | LocalModes::IEXTEN);
        raw.input_modes.remove(InputModes::IXON);
        raw.special_codes[SpecialCodeIndex::VMIN] = 1;
        raw.special_codes[SpecialCodeIndex::VTIME] = 0;
        termios::tcsetattr(&input, OptionalActions::Now, &raw).ok()?;
        Some(RawInput { before })
    }
}

impl Drop for RawInput {
    fn drop(&mut self) {
        // What was typed and not read is not meant for the shell.
        let _ = termios::tcsetattr(std::io::stdin(), OptionalActions::Flush, &self.before);
    }
}

/// Calls `tell` with each key from another thread, as long as there is input.
pub(super) fn read(tell: impl Fn(Key) + Send + 'static) {
    std::thread::spawn(move || {
        let mut bytes = [0; 64];
        while let Ok(count @ 1..) = std::io::stdin().lock().read(&mut bytes) {
            keys(&bytes[..count]).into_iter().for_each(&tell);
        }
    });
}

/// The sequences of the usual terminals; longer ones before those that they begin with.
const SEQUENCES: [(&[u8], Key); 16] = [
    (b"\x1b[15~", Key::Refresh),
    (b"\x1b[5~", Key::PageUp),
    (b"\x1b[6~", Key::PageDown),
    (b"\x1b[1~", Key::Home),
    (b"\x1b[4~", Key::End),
    (b"\x1b[7~", Key::Home),
    (b"\x1b[8~", Key::End),
    (b"\x1b[A", Key::Up),
    (b"\x1b[B", Key::Down),
    (b"\x1b[H", Key::Home),
    (b"\x1b[F", Key::End),
    (b"\x1bOA", Key::Up),
    (b"\x1bOB", Key::Down),
    (b"\x1bOH", Key::Home),
    (b"\x1bOF", Key::End),
    (b"\x03", Key::Interrupt),
];

/// The keys in what one read has given. A terminal sends a key's sequence in one piece.
fn keys(mut bytes: &[u8]) -> Vec<Key> {
    let mut keys = Vec::new();
    while let Some((first, rest)) = bytes.split_first() {
        if let Some((sequence, key)) = SEQUENCES.iter().find(|(sequence, _)| bytes.starts_with(sequence)) {
            keys.push(*key);
            bytes = &bytes[sequence.len()..];
        } else if let [0x1b, b'[' | b'O', after @ ..] = bytes {
            // A key that means nothing here: its sequence ends with the first letter or tilde.
            let end = after.iter().position(|byte| byte.is_ascii_alphabetic() || *byte == b'~');
            bytes = end.map_or(&[], |end| &after[end + 1..]);
        } else {
            match *first {
                0x1b => keys.push(Key::Escape),
                byte @ 0x20..0x7f => keys.push(Key::Char(char::from(byte))),
                _ => {}
            }
            bytes = rest;
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_from_the_sequences_that_they_send() {
        assert_eq!(keys(b"qr?"), [Key::Char('q'), Key::Char('r'), Key::Char('?')]);
        assert_eq!(keys(b"\x1b"), [Key::Escape]);
        assert_eq!(keys(b"\x1b[15~\x1b[A\x1bOB\x03"), [Key::Refresh, Key::Up, Key::Down, Key::Interrupt]);
        // F6, Ctrl-Right, an umlaut, and a mouse report cut off.
        assert_eq!(keys(b"\x1b[17~q\x1b[1;5Cp\xc3\xa4"), [Key::Char('q'), Key::Char('p')]);
        assert_eq!(keys(b"\x1b["), []);
    }
}
