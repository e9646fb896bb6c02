//! Whether a contract's text has the shape that the schema asks for: keys, types, words and bounds.
//!
//! The same schema that editors take is walked beside the parsed text, so that each problem has its place and the words that
//! would have been right, and nothing is read out of a parser's messages.

use std::ops::Range;

use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::Problem;
use super::places::KeyPath;

/// A problem and the bytes it is about.
pub(crate) type Located = (Range<usize>, Problem);

/// What a contract's text has in the wrong shape. `root` is the contract's own header, for messages.
pub(crate) fn problems(schema: &Value, root: &KeyPath, table: &Spanned<DeTable<'_>>) -> Vec<Located> {
    let mut walk = Walk { schema, root, problems: Vec::new() };
    if let Some(node) = schema.as_object() {
        walk.table(node, &KeyPath::default(), table.get_ref(), table.span());
    }
    walk.problems
}

type Node = Map<String, Value>;

struct Walk<'s> {
    schema: &'s Value,
    root: &'s KeyPath,
    problems: Vec<Located>,
}

impl<'s> Walk<'s> {
    fn value(&mut self, node: &'s Node, path: &KeyPath, value: &Spanned<DeValue<'_>>) {
        let node = self.resolve(node);
        let alternatives = self.alternatives(node);
        let found = type_name(value.get_ref());
        let Some(fitting) = alternatives.iter().find(|alternative| type_of(alternative) == Some(found)) else {
            return self.wrong_type(node, &alternatives, path, value);
        };
        match value.get_ref() {
            DeValue::Table(table) => self.table(fitting, path, table, value.span()),
            DeValue::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    if let Some(items) = fitting.get("items").and_then(Value::as_object) {
                        self.value(items, &path.item(index), item);
                    }
                }
            }
            DeValue::String(text) => self.word(&alternatives, path, text, value.span()),
            DeValue::Integer(number) => {
                let number = i128::from_str_radix(number.as_str(), number.radix()).unwrap_or(i128::MAX);
                self.bounds(fitting, path, number, value.span());
            }
            DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {}
        }
    }

    fn table(&mut self, node: &'s Node, path: &KeyPath, table: &DeTable<'_>, span: Range<usize>) {
        let properties = node.get("properties").and_then(Value::as_object);
        let others = node.get("additionalProperties").and_then(Value::as_object);
        let header = self.root.join(path).header();
        let before = self.problems.len();
        for (key, value) in table {
            let inner = properties.and_then(|known| known.get(key.get_ref().as_ref())).and_then(Value::as_object);
            match inner.or(others) {
                Some(inner) => self.value(inner, &path.key(key.get_ref()), value),
                None => {
                    let known = properties.into_iter().flat_map(Map::keys).cloned().collect();
                    let problem = Problem::UnknownKey { key: key.get_ref().to_string(), header: header.clone(), known };
                    self.problems.push((key.span(), problem));
                }
            }
        }
        if self.problems.len() > before {
            return; // What seems to be missing may only be misspelt.
        }
        let required = node.get("required").and_then(Value::as_array).into_iter().flatten();
        for key in required.filter_map(Value::as_str).filter(|key| !table.contains_key(*key)) {
            let problem = Problem::MissingKey { key: key.to_owned(), header: header.clone() };
            self.problems.push((span.clone(), problem));
        }
    }

    fn word(&mut self, alternatives: &[&Node], path: &KeyPath, text: &str, span: Range<usize>) {
        let known: Vec<String> = alternatives.iter().flat_map(|node| words(node)).collect();
        if !known.is_empty() && !known.iter().any(|word| word == text) {
            self.problems.push((span, Problem::UnknownValue { path: path.clone(), found: text.to_owned(), known }));
        }
    }

    fn bounds(&mut self, node: &Node, path: &KeyPath, number: i128, span: Range<usize>) {
        let (lowest, highest) = match node.get("format").and_then(Value::as_str) {
            Some("uint8") => (0, i128::from(u8::MAX)),
            Some("uint32") => (0, i128::from(u32::MAX)),
            Some("uint64") => (0, i128::from(i64::MAX)),
            _ => (i128::from(i64::MIN), i128::from(i64::MAX)),
        };
        let limit = |name: &str| node.get(name).and_then(Value::as_i64).map(i128::from);
        let least = limit("minimum").unwrap_or(lowest).max(lowest);
        let most = limit("maximum").unwrap_or(highest).min(highest);
        if !(least..=most).contains(&number) {
            let problem = Problem::OutOfRange { path: path.clone(), found: number, least, most };
            self.problems.push((span, problem));
        }
    }

    fn wrong_type(&mut self, node: &Node, alternatives: &[&Node], path: &KeyPath, value: &Spanned<DeValue<'_>>) {
        let mut wanted: Vec<&str> = alternatives.iter().filter_map(|node| type_of(node)).map(with_article).collect();
        wanted.dedup();
        let example = node.get("examples").and_then(|examples| examples.get(0)).map(Value::to_string);
        let found = kind(value.get_ref());
        let problem = Problem::WrongType { path: path.clone(), found, wanted: wanted.join(" or "), example };
        self.problems.push((value.span(), problem));
    }

    /// A node's own keys, or those of the definition that it refers to.
    fn resolve(&self, node: &'s Node) -> &'s Node {
        let target = node.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix('#'));
        target.and_then(|target| self.schema.pointer(target)).and_then(Value::as_object).unwrap_or(node)
    }

    /// The forms that a value may take.
    fn alternatives(&self, node: &'s Node) -> Vec<&'s Node> {
        let forms = node.get("anyOf").or_else(|| node.get("oneOf")).and_then(Value::as_array);
        match forms {
            Some(forms) => forms
                .iter()
                .filter_map(Value::as_object)
                .flat_map(|form| self.alternatives(self.resolve(form)))
                .collect(),
            None => vec![node],
        }
    }
}

/// The words that a string may be; none where any string will do.
fn words(node: &Node) -> Vec<String> {
    let several = node.get("enum").and_then(Value::as_array).into_iter().flatten();
    several.chain(node.get("const")).filter_map(Value::as_str).map(str::to_owned).collect()
}

fn type_of(node: &Node) -> Option<&str> {
    node.get("type").and_then(Value::as_str)
}

/// In JSON schema's words, which know no dates.
fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "string",
        DeValue::Integer(_) => "integer",
        DeValue::Float(_) => "number",
        DeValue::Boolean(_) => "boolean",
        DeValue::Datetime(_) => "date",
        DeValue::Array(_) => "array",
        DeValue::Table(_) => "object",
    }
}

/// What a value is, in a message's words.
pub(super) fn kind(value: &DeValue<'_>) -> &'static str {
    with_article(type_name(value))
}

fn with_article(name: &str) -> &'static str {
    match name {
        "string" => "a string",
        "integer" => "an integer",
        "number" => "a fraction",
        "boolean" => "a boolean",
        "date" => "a date",
        "array" => "an array",
        _ => "a table",
    }
}
