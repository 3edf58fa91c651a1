//! The JSON Schema of the manifest, generated from its tables. Tests only, so that no binary contains it.

use std::borrow::Cow;
use std::path::Path;
use std::{env, fs};

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use crate::grants::GroupPattern;
use crate::identity_source::IdentitySource;
use crate::inheritance::Override;
use crate::keys::PublicKey;
use crate::limits::{Limits, Memory, Settings, Time};
use crate::manifest::Tables;

/// The environment variable that makes the test write the schema.
const UPDATE: &str = "TIDEGATE_UPDATE_SCHEMA";

/// Implements the schema of a type that is deserialized from a string.
macro_rules! string_schema {
    ($($type:ty, $name:literal, $pattern:literal, $description:literal;)*) => {
        $(impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern, "description": $description })
            }
        })*
    };
}

string_schema! {
    GroupPattern, "GroupPattern", r"^([^*]{1,256}|[^*]{0,255}\*)$",
        "The name of a group, or the beginning of one followed by `*`, which matches every ending.";
    IdentitySource, "IdentitySource", r"^(route\.request\.(header|querystring)|context)\.[A-Za-z0-9._-]+$",
        "The place in a handshake where API Gateway finds the identity of a client.";
    Memory, "Memory", "^[0-9]+(KiB|MiB|GiB)$", "A size in bytes, for example `64MiB`.";
    PublicKey, "PublicKey", "^MCowBQYDK2VwAyEA[A-Za-z0-9+/]{43}=$", "The base64 of a SubjectPublicKeyInfo (RFC 8410).";
    Time, "Time", "^[0-9]+(ms|s)$", "A duration, for example `1500ms`.";
}

impl JsonSchema for Limits {
    fn schema_name() -> Cow<'static, str> {
        "Limits".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Settings::json_schema(generator)
    }
}

impl<T: JsonSchema> JsonSchema for Override<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("{}OrFalse", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [generator.subschema_for::<T>(), { "const": false }] })
    }
}

/// Joins the lines of each description, because editors show their breaks.
fn unwrap_descriptions(value: &mut Value) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(text)) = members.get_mut("description") {
                *text = text.split("\n\n").map(|part| part.replace('\n', " ")).collect::<Vec<_>>().join("\n\n");
            }
            members.values_mut().for_each(unwrap_descriptions);
        }
        Value::Array(elements) => elements.iter_mut().for_each(unwrap_descriptions),
        _ => {}
    }
}

#[test]
fn the_committed_schema_is_generated_from_the_tables() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/tidegate.schema.json");
    let mut schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<Tables>().to_value();
    unwrap_descriptions(&mut schema);
    // The serialization of `Schema` puts the keywords into their usual order.
    let schema = Schema::try_from(schema).unwrap();
    let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    if env::var_os(UPDATE).is_some() {
        fs::write(&file, &text).unwrap();
    }
    let committed = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        committed == text,
        "docs/reference/tidegate.schema.json is outdated; run `{UPDATE}=1 cargo test -p tidegate-app --lib schema`"
    );
}
