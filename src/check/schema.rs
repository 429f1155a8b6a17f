//! The schemas of our kinds, as the API server has them: read from the same CRDs, so that no field is listed twice.
//!
//! What they can say is little (structural schemas: <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema>),
//! and the answer has to know where a value stands. A general validator would bring some thirty crates, and no places.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use regex::Regex;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::rule::Rule;
use crate::api;

/// What a field can hold.
#[derive(Debug, Default)]
pub(super) struct Schema {
    /// Without one, anything.
    pub kind: Option<Kind>,
    /// The first sentence of its description.
    pub about: String,
    pub properties: BTreeMap<String, Schema>,
    pub additional: Option<Box<Schema>>,
    pub items: Option<Box<Schema>>,
    pub required: Vec<String>,
    /// The values allowed; empty for any.
    pub choices: Vec<Value>,
    pub is_nullable: bool,
    /// Whether other fields than those listed are kept.
    pub is_open: bool,
    pub default: Option<Value>,
    pub pattern: Option<Regex>,
    pub bounds: Bounds,
    pub list: ListType,
    pub rules: Vec<Rule>,
}

/// A type of JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Object,
    List,
    Text,
    Whole,
    Number,
    Bool,
    /// A whole number or a text.
    WholeOrText,
}

#[derive(Debug, Default)]
pub(super) struct Bounds {
    pub minimum: Option<f64>,
    pub maximum: Option<f64>,
    pub min_length: Option<usize>,
    pub max_length: Option<usize>,
    pub min_items: Option<usize>,
    pub max_items: Option<usize>,
    pub max_properties: Option<usize>,
}

/// What tells the items of a list apart.
#[derive(Debug, Default)]
pub(super) enum ListType {
    /// Nothing.
    #[default]
    Atomic,
    /// Their values.
    Set,
    /// The values of these keys.
    Map(Vec<String>),
}

impl Schema {
    /// Reads a schema.
    pub fn parse(json: &Value) -> Self {
        let texts = |key: &str| -> Vec<String> {
            json[key].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let is = |key: &str| json[key] == true;
        let count = |key: &str| json[key].as_u64().and_then(|number| usize::try_from(number).ok());
        let boxed = |key: &str| json[key].is_object().then(|| Box::new(Self::parse(&json[key])));
        let properties = json["properties"].as_object().into_iter().flatten();
        let rules = json["x-kubernetes-validations"].as_array().into_iter().flatten();
        let is_int32 = json["format"] == "int32";
        Self {
            kind: if is("x-kubernetes-int-or-string") { Some(Kind::WholeOrText) } else { kind(&json["type"]) },
            about: first_sentence(json["description"].as_str().unwrap_or_default()),
            properties: properties.map(|(name, field)| (name.clone(), Self::parse(field))).collect(),
            additional: boxed("additionalProperties"),
            items: boxed("items"),
            required: texts("required"),
            choices: json["enum"].as_array().cloned().unwrap_or_default(),
            is_nullable: is("nullable"),
            is_open: is("x-kubernetes-preserve-unknown-fields"),
            default: json.get("default").cloned(),
            pattern: json["pattern"].as_str().and_then(|pattern| Regex::new(pattern).ok()),
            bounds: Bounds {
                minimum: json["minimum"].as_f64().or(is_int32.then_some(i32::MIN.into())),
                maximum: json["maximum"].as_f64().or(is_int32.then_some(i32::MAX.into())),
                min_length: count("minLength"),
                max_length: count("maxLength"),
                min_items: count("minItems"),
                max_items: count("maxItems"),
                max_properties: count("maxProperties"),
            },
            list: match json["x-kubernetes-list-type"].as_str() {
                Some("set") => ListType::Set,
                Some("map") => ListType::Map(texts("x-kubernetes-list-map-keys")),
                _ => ListType::Atomic,
            },
            rules: rules.filter_map(Rule::parse).collect(),
        }
    }

    /// The schema of a field.
    pub fn field(&self, name: &str) -> Option<&Self> {
        self.properties.get(name).or(self.additional.as_deref())
    }

    /// A value that the rest can be checked with where there is none that fits.
    pub fn placeholder(&self) -> Value {
        match (self.choices.first(), self.kind) {
            (Some(choice), _) => choice.clone(),
            (None, Some(Kind::Object)) => {
                let field = |name: &String| Some((name.clone(), self.properties.get(name)?.placeholder()));
                Value::Object(self.required.iter().filter_map(field).collect())
            }
            (None, Some(Kind::List)) => Value::Array(Vec::new()),
            (None, Some(Kind::Text | Kind::WholeOrText)) => "x".into(),
            (None, Some(Kind::Whole | Kind::Number)) => 1.into(),
            (None, Some(Kind::Bool)) => false.into(),
            (None, None) => Value::Null,
        }
    }
}

fn kind(json: &Value) -> Option<Kind> {
    Some(match json.as_str()? {
        "object" => Kind::Object,
        "array" => Kind::List,
        "string" => Kind::Text,
        "integer" => Kind::Whole,
        "number" => Kind::Number,
        "boolean" => Kind::Bool,
        _ => return None,
    })
}

fn first_sentence(text: &str) -> String {
    let text = text.replace('\n', " ");
    text.split_once(". ").map_or(text.as_str(), |(first, _)| first).trim_end_matches('.').to_owned()
}

/// The schemas of our kinds by name. A status is not among their fields: the API server takes none from people.
pub(super) static KINDS: LazyLock<BTreeMap<String, Schema>> = LazyLock::new(kinds);

fn kinds() -> BTreeMap<String, Schema> {
    let mut kinds = BTreeMap::new();
    for (_, crd) in api::crds() {
        let schema = crd.spec.versions.into_iter().next().and_then(|version| version.schema);
        let json = schema.and_then(|schema| serde_json::to_value(schema.open_api_v3_schema).ok());
        let mut schema = Schema::parse(&json.unwrap_or_default());
        schema.properties.remove("status");
        schema.properties.insert("metadata".to_owned(), metadata());
        for name in ["apiVersion", "kind"] {
            schema.properties.insert(name.to_owned(), Schema { kind: Some(Kind::Text), ..Schema::default() });
        }
        kinds.insert(crd.spec.names.kind, schema);
    }
    kinds
}

/// What Kubernetes takes as metadata.
fn metadata() -> Schema {
    let mut settings = SchemaSettings::openapi3();
    settings.inline_subschemas = true;
    let schema = settings.into_generator().into_root_schema_for::<ObjectMeta>();
    Schema::parse(schema.as_value())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read above, and what says nothing of a value.
    const KNOWN: &[&str] = &[
        "additionalProperties",
        "default",
        "description",
        "enum",
        "items",
        "maxItems",
        "maxLength",
        "maxProperties",
        "maximum",
        "minItems",
        "minLength",
        "minimum",
        "nullable",
        "pattern",
        "properties",
        "required",
        "title",
        "type",
        "x-kubernetes-int-or-string",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-list-type",
        "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-validations",
    ];

    /// Every schema within one that is not a status, with its path.
    fn visit(json: &Value, path: &str, seen: &mut impl FnMut(&str, &Value)) {
        seen(path, json);
        for (name, field) in json["properties"].as_object().into_iter().flatten() {
            if name != "status" {
                visit(field, &format!("{path}.{name}"), seen);
            }
        }
        for key in ["items", "additionalProperties"] {
            if json[key].is_object() {
                visit(&json[key], &format!("{path}.{key}"), seen);
            }
        }
    }

    #[test]
    fn nothing_that_the_schemas_say_is_left_out() {
        let mut count = 0;
        for (name, crd) in api::crds() {
            let json = serde_json::to_value(&crd.spec.versions[0].schema).expect("a schema");
            visit(&json["openAPIV3Schema"], name, &mut |path, json| {
                count += 1;
                for key in json.as_object().expect("an object").keys() {
                    // A list of types of which x-kubernetes-int-or-string says the same.
                    let is_types = key == "anyOf" && json["x-kubernetes-int-or-string"] == true;
                    // All whole numbers have 64 bits.
                    let is_format = key == "format" && matches!(json[key].as_str(), Some("int32" | "int64"));
                    assert!(is_types || is_format || KNOWN.contains(&key.as_str()), "{path}: check doesn't know {key}");
                }
                let schema = Schema::parse(json);
                assert_eq!(schema.pattern.is_some(), json.get("pattern").is_some(), "{path}: no pattern");
                let rules = json["x-kubernetes-validations"].as_array().into_iter().flatten();
                let of_new = rules.filter(|rule| !rule["rule"].to_string().contains("oldSelf")).count();
                assert_eq!(schema.rules.len(), of_new, "{path}: a rule can't be read");
            });
        }
        assert!(count > 80, "only {count} schemas");
    }

    #[test]
    fn metadata_is_what_kubernetes_says_it_is() {
        let schema = metadata();
        assert_eq!(schema.properties["name"].kind, Some(Kind::Text));
        let annotations = schema.properties["annotations"].additional.as_ref().expect("values");
        assert_eq!(annotations.kind, Some(Kind::Text));
        let owners = schema.properties["ownerReferences"].items.as_ref().expect("items");
        assert!(owners.properties.contains_key("blockOwnerDeletion"), "{owners:?}");
    }

    #[test]
    fn a_number_of_32_bits_has_their_bounds() {
        let bounds = Schema::parse(&serde_json::json!({"type": "integer", "format": "int32", "minimum": 1})).bounds;
        assert_eq!((bounds.minimum, bounds.maximum), (Some(1.0), Some(f64::from(i32::MAX))));
    }

    #[test]
    fn a_description_is_told_by_its_first_sentence() {
        assert_eq!(first_sentence("Name of it. Example: `a.b`."), "Name of it");
        assert_eq!(first_sentence("Of 1.5\nlines."), "Of 1.5 lines");
    }
}
