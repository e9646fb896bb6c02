//! Lines of a log of any size, in bounded memory.

use std::io::{self, BufRead, BufReader, Read};

/// What lies beyond in a line is skipped.
const LINE_BYTES: usize = 1 << 20;

/// Calls `each` with every line, without its line break. Bytes that aren't UTF-8 are replaced.
///
/// # Errors
/// Those of the reader.
pub(super) fn each_line(source: impl Read, mut each: impl FnMut(&str)) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(64 << 10, source);
    let mut line = Vec::new();
    let mut give = |line: &mut Vec<u8>| {
        let text = String::from_utf8_lossy(line);
        each(text.strip_suffix('\r').unwrap_or(&text));
        line.clear();
    };
    let mut unfinished = false;
    loop {
        let buffer = match reader.fill_buf() {
            Ok(buffer) => buffer,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if buffer.is_empty() {
            break;
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let part = &buffer[..end.unwrap_or(buffer.len())];
        line.extend_from_slice(&part[..part.len().min(LINE_BYTES - line.len())]);
        let used = part.len() + usize::from(end.is_some());
        reader.consume(used);
        unfinished = end.is_none();
        if !unfinished {
            give(&mut line);
        }
    }
    if unfinished {
        give(&mut line);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{LINE_BYTES, each_line};
    use proptest::prelude::*;

    fn lines(bytes: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        each_line(bytes, |line| found.push(line.to_owned())).unwrap();
        found
    }

    #[test]
    fn a_line_of_any_length_is_cut() {
        let mut bytes = vec![b'x'; 3 * LINE_BYTES];
        bytes.extend(b"\nnext\r\nlast");
        let found = lines(&bytes);
        assert_eq!(found[0].len(), LINE_BYTES);
        assert_eq!(found[1..], ["next", "last"]);
    }

    proptest! {
        #[test]
        fn lines_are_those_of_the_standard_library(text in "([ab\r\n]{0,60}\n)?") {
            prop_assert_eq!(lines(text.as_bytes()), text.lines().map(str::to_owned).collect::<Vec<_>>());
        }
    }
}
