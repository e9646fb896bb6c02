//! Where each key and value of the contract stands in its file.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use camino::Utf8PathBuf;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A step on the way from the contract's top to one of its values.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    Key(String),
    Item(usize),
}

/// The way from the contract's top to a value, printed as `builds[0].name`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KeyPath(Vec<Segment>);

impl KeyPath {
    /// The path of these keys.
    pub(crate) fn of(keys: &[&str]) -> KeyPath {
        KeyPath(keys.iter().map(|key| Segment::Key((*key).to_owned())).collect())
    }

    /// One key further down.
    pub(crate) fn key(&self, key: &str) -> KeyPath {
        self.with(Segment::Key(key.to_owned()))
    }

    /// A path that goes on from here.
    pub(crate) fn join(&self, rest: &KeyPath) -> KeyPath {
        KeyPath(self.0.iter().chain(&rest.0).cloned().collect())
    }

    /// An element of the array here.
    pub(crate) fn item(&self, index: usize) -> KeyPath {
        self.with(Segment::Item(index))
    }

    /// The header under which the keys of the table here stand: `[run]`, `[[builds]]`; nothing at the top.
    pub(crate) fn header(&self) -> String {
        let keys: Vec<&str> = self.0.iter().filter_map(Segment::as_key).collect();
        match self.0.last() {
            None => String::new(),
            Some(Segment::Key(_)) => format!("[{}]", keys.join(".")),
            Some(Segment::Item(_)) => format!("[[{}]]", keys.join(".")),
        }
    }

    fn with(&self, segment: Segment) -> KeyPath {
        let mut path = self.clone();
        path.0.push(segment);
        path
    }

    fn parent(&self) -> Option<KeyPath> {
        let (_, rest) = self.0.split_last()?;
        Some(KeyPath(rest.to_vec()))
    }
}

impl Segment {
    fn as_key(&self) -> Option<&str> {
        match self {
            Segment::Key(key) => Some(key),
            Segment::Item(_) => None,
        }
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Key(key) if n == 0 => write!(f, "{key}")?,
                Segment::Key(key) => write!(f, ".{key}")?,
                Segment::Item(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// A place in a file, lines and columns counted from 1, columns in characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Relative to the workspace root.
    pub(crate) path: Utf8PathBuf,
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl Place {
    /// The place of a byte of a file's text.
    pub(crate) fn at(path: impl Into<Utf8PathBuf>, text: &str, offset: usize) -> Place {
        let before = text.get(..offset.min(text.len())).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        Place { path: path.into(), line, column: before[line_start..].chars().count() + 1 }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.path, self.line, self.column)
    }
}

/// The byte offsets of everything that a contract's text says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    spots: BTreeMap<KeyPath, Spot>,
}

#[derive(Clone, Debug)]
struct Spot {
    key: usize,
    value: Range<usize>,
}

impl Places {
    /// Of a table of the contract's file.
    pub(crate) fn of(table: &Spanned<DeTable<'_>>) -> Places {
        let mut places = Places::default();
        let span = table.span();
        places.spots.insert(KeyPath::default(), Spot { key: span.start, value: span });
        places.add_table(&KeyPath::default(), table.get_ref());
        places
    }

    /// Whether the file says anything about this.
    pub(crate) fn has(&self, path: &KeyPath) -> bool {
        self.spots.contains_key(path)
    }

    /// Where a key starts; where the file doesn't have it, what it would stand in.
    pub(crate) fn key(&self, path: &KeyPath) -> usize {
        self.nearest(path).map_or(0, |spot| spot.key)
    }

    /// Where a value starts; where the file doesn't have it, what it would stand in.
    pub(crate) fn value(&self, path: &KeyPath) -> usize {
        self.nearest(path).map_or(0, |spot| spot.value.start)
    }

    /// The innermost value whose text covers this byte.
    pub(crate) fn covering(&self, offset: usize) -> KeyPath {
        let covers = |(_, spot): &(&KeyPath, &Spot)| spot.value.contains(&offset);
        let innermost = self.spots.iter().filter(covers).max_by_key(|(path, _)| path.0.len());
        innermost.map(|(path, _)| path.clone()).unwrap_or_default()
    }

    fn nearest(&self, path: &KeyPath) -> Option<&Spot> {
        match self.spots.get(path) {
            Some(spot) => Some(spot),
            None => self.nearest(&path.parent()?),
        }
    }

    fn add_table(&mut self, path: &KeyPath, table: &DeTable<'_>) {
        for (key, value) in table {
            self.add(path.key(key.get_ref()), key.span().start, value);
        }
    }

    fn add(&mut self, path: KeyPath, key: usize, value: &Spanned<DeValue<'_>>) {
        match value.get_ref() {
            DeValue::Table(table) => self.add_table(&path, table),
            DeValue::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.add(path.item(index), item.span().start, item);
                }
            }
            _ => {}
        }
        self.spots.insert(path, Spot { key, value: value.span() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_counted_in_characters_from_one() {
        let text = "a = 1\r\nß = é\n";
        assert_eq!(Place::at("f", text, 0).to_string(), "f:1:1");
        assert_eq!(Place::at("f", text, text.find('é').unwrap()).to_string(), "f:2:5");
        assert_eq!(Place::at("f", text, 9999).to_string(), "f:3:1");
    }

    #[test]
    fn keys_and_values_of_tables_and_arrays_have_their_places() {
        let text = "[run]\nseed = 1\n[[builds]]\nname = \"a\"\n[[builds]]\nname = \"b\"\n";
        let places = Places::of(&DeTable::parse(text).unwrap());
        let second = KeyPath::of(&["builds"]).item(1).key("name");
        assert_eq!(second.to_string(), "builds[1].name");
        assert_eq!(Place::at("f", text, places.key(&second)).to_string(), "f:6:1");
        assert_eq!(Place::at("f", text, places.value(&second)).to_string(), "f:6:8");
        assert_eq!(places.covering(places.value(&second)), second);
        let missing = KeyPath::of(&["run", "test-timeout"]);
        assert!(!places.has(&missing));
        assert_eq!(Place::at("f", text, places.key(&missing)).line, 1);
    }
}
