//! The contract's JSON schema, derived from its types.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use serde_json::Value;

use super::types::Contract;

/// The schema as editors take it: draft 2020-12, pretty-printed.
pub(crate) fn schema() -> String {
    format!("{:#}\n", value())
}

/// The same as a value, made once.
pub(crate) fn value() -> &'static Value {
    static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
        let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Contract>();
        RecursiveTransform(without_null).transform(&mut schema);
        schema.to_value()
    });
    &SCHEMA
}

/// TOML has no null: an optional key is one that may be left out.
fn without_null(schema: &mut schemars::Schema) {
    let Some(object) = schema.as_object_mut() else { return };
    if object.get("default").is_some_and(Value::is_null) {
        object.remove("default");
    }
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    let is_null = |alternative: &Value| alternative.get("type").is_some_and(|name| name == "null");
    if let Some(Value::Array(alternatives)) = object.get_mut("anyOf") {
        alternatives.retain(|alternative| !is_null(alternative));
        if let [Value::Object(only)] = alternatives.as_slice() {
            let only = only.clone();
            object.remove("anyOf");
            object.extend(only);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every object of the schema, at any depth.
    fn objects(value: &Value) -> Vec<&serde_json::Map<String, Value>> {
        match value {
            Value::Object(map) => std::iter::once(map).chain(map.values().flat_map(objects)).collect(),
            Value::Array(items) => items.iter().flat_map(objects).collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn the_schema_names_its_draft_and_closes_every_table() {
        let schema: Value = serde_json::from_str(&schema()).unwrap();
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        let tables: Vec<_> = objects(&schema).into_iter().filter(|object| object.contains_key("properties")).collect();
        assert!(tables.len() > 10);
        for table in tables {
            assert_eq!(table.get("additionalProperties"), Some(&Value::Bool(false)), "{table:?}");
        }
    }

    #[test]
    fn every_key_is_described_and_none_may_be_null() {
        let schema = value();
        for object in objects(schema) {
            assert_ne!(object.get("type"), Some(&Value::from("null")));
            for (key, property) in object.get("properties").and_then(Value::as_object).into_iter().flatten() {
                assert!(property.get("description").is_some(), "{key}");
            }
        }
    }
}
