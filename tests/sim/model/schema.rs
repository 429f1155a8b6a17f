//! Structural schemas of custom resources: pruning, defaults and validation, as kube-apiserver does them.

use std::collections::BTreeMap;

use regex::Regex;
use serde_json::{Map, Value};

use super::refusal::FieldError;
use super::rule::Rule;

/// A node of a schema.
#[derive(Debug, Default)]
pub(super) struct Schema {
    kind: Option<String>,
    format: Option<String>,
    properties: BTreeMap<String, Schema>,
    additional: Option<Box<Schema>>,
    items: Option<Box<Schema>>,
    required: Vec<String>,
    /// The values allowed; empty for any.
    choices: Vec<Value>,
    nullable: bool,
    /// Whether fields that the schema doesn't know stay.
    preserve: bool,
    int_or_string: bool,
    default: Option<Value>,
    pattern: Option<Regex>,
    bounds: Bounds,
    list: List,
    rules: Vec<Rule>,
}

#[derive(Debug, Default)]
struct Bounds {
    minimum: Option<f64>,
    maximum: Option<f64>,
    min_length: Option<u64>,
    max_length: Option<u64>,
    min_items: Option<u64>,
    max_items: Option<u64>,
    max_properties: Option<u64>,
}

/// What a list is.
#[derive(Debug, Default)]
enum List {
    #[default]
    Atomic,
    Set,
    Map(Vec<String>),
}

impl Schema {
    /// Reads a schema; what it doesn't know it leaves out.
    pub fn parse(json: &Value) -> Self {
        let text = |key: &str| json[key].as_str().map(str::to_owned);
        let texts = |key: &str| -> Vec<String> {
            json[key].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let flag = |key: &str| json[key] == true;
        let boxed = |key: &str| json[key].is_object().then(|| Box::new(Self::parse(&json[key])));
        let properties = json["properties"].as_object();
        let rules = json["x-kubernetes-validations"].as_array().into_iter().flatten();
        Self {
            kind: text("type"),
            format: text("format"),
            properties: properties
                .into_iter()
                .flatten()
                .map(|(name, field)| (name.clone(), Self::parse(field)))
                .collect(),
            additional: boxed("additionalProperties"),
            items: boxed("items"),
            required: texts("required"),
            choices: json["enum"].as_array().cloned().unwrap_or_default(),
            nullable: flag("nullable"),
            preserve: flag("x-kubernetes-preserve-unknown-fields"),
            int_or_string: flag("x-kubernetes-int-or-string"),
            default: json.get("default").cloned(),
            pattern: text("pattern").map(|pattern| Regex::new(&pattern).expect("a pattern of a CRD")),
            bounds: Bounds {
                minimum: json["minimum"].as_f64(),
                maximum: json["maximum"].as_f64(),
                min_length: json["minLength"].as_u64(),
                max_length: json["maxLength"].as_u64(),
                min_items: json["minItems"].as_u64(),
                max_items: json["maxItems"].as_u64(),
                max_properties: json["maxProperties"].as_u64(),
            },
            list: match json["x-kubernetes-list-type"].as_str() {
                Some("set") => List::Set,
                Some("map") => List::Map(texts("x-kubernetes-list-map-keys")),
                _ => List::Atomic,
            },
            rules: rules.map(Rule::parse).collect(),
        }
    }

    /// The schema of a field.
    fn field(&self, name: &str) -> Option<&Self> {
        self.properties.get(name).or(self.additional.as_deref())
    }

    /// The schema of a field of this one.
    pub fn property(&self, name: &str) -> Option<&Self> {
        self.properties.get(name)
    }

    /// Brings an object into shape: unknown fields go, nulls that aren't allowed go, defaults come.
    pub fn shape(&self, object: &mut Value) {
        if let Some(map) = object.as_object_mut() {
            // The root's own fields are kept by everyone.
            let own: Vec<(String, Value)> =
                ["apiVersion", "kind", "metadata"].iter().filter_map(|name| map.remove_entry(*name)).collect();
            self.prune(map);
            map.extend(own);
        }
        self.drop_nulls(object);
        self.fill(object);
    }

    fn prune(&self, map: &mut Map<String, Value>) {
        if !self.preserve {
            map.retain(|name, _| self.field(name).is_some());
        }
        for (name, value) in map {
            if let Some(schema) = self.field(name) {
                schema.prune_value(value);
            }
        }
    }

    fn prune_value(&self, value: &mut Value) {
        match value {
            Value::Object(map) => self.prune(map),
            Value::Array(items) => match &self.items {
                Some(schema) => items.iter_mut().for_each(|item| schema.prune_value(item)),
                None if self.preserve => {}
                None => items.iter_mut().filter_map(Value::as_object_mut).for_each(Map::clear),
            },
            _ => {}
        }
    }

    fn drop_nulls(&self, value: &mut Value) {
        match value {
            Value::Object(map) => {
                map.retain(|name, value| {
                    let schema = self.field(name);
                    let dropped =
                        value.is_null() && schema.is_some_and(|schema| !schema.nullable && schema.default.is_none());
                    !dropped
                });
                for (name, value) in map {
                    if let Some(schema) = self.field(name) {
                        schema.drop_nulls(value);
                    }
                }
            }
            Value::Array(list) => {
                if let Some(schema) = &self.items {
                    for item in list {
                        schema.drop_nulls(item);
                    }
                }
            }
            _ => {}
        }
    }

    fn fill(&self, value: &mut Value) {
        match value {
            Value::Object(map) => {
                for (name, schema) in &self.properties {
                    let Some(default) = &schema.default else { continue };
                    if map.get(name).is_none_or(|value| value.is_null() && !schema.nullable) {
                        map.insert(name.clone(), default.clone());
                    }
                }
                for (name, value) in map {
                    if let Some(schema) = self.field(name) {
                        schema.fill(value);
                    }
                }
            }
            Value::Array(list) => {
                if let Some(schema) = &self.items {
                    for item in list {
                        schema.fill(item);
                    }
                }
            }
            _ => {}
        }
    }

    /// What is wrong with a value, of which `old` was valid. What has not changed is not looked at again. Of an object that is
    /// not of the right shape, as far as `errors` know, the rules are not evaluated.
    pub fn check(&self, value: &Value, old: Option<&Value>, path: &str, errors: &mut Vec<FieldError>) {
        self.check_shape(value, old, path, errors);
        self.check_content(value, old, path, errors);
    }

    /// As `check`, of an object whose shape is not looked at.
    pub fn check_content(&self, value: &Value, old: Option<&Value>, path: &str, errors: &mut Vec<FieldError>) {
        self.check_lists(value, old, path, errors);
        if errors.iter().any(FieldError::blocks_rules) {
            let hint = "some validation rules were not checked because the object was invalid; correct the existing \
                        errors to complete validation";
            errors.push(FieldError::invalid("<nil>", &Value::Null, hint));
        } else {
            self.check_rules(value, old, path, errors);
        }
    }

    fn check_shape(&self, value: &Value, old: Option<&Value>, path: &str, errors: &mut Vec<FieldError>) {
        if old == Some(value) {
            return;
        }
        self.check_type(value, path, errors);
        if !self.choices.is_empty() && !self.choices.contains(value) {
            errors.push(FieldError::not_supported(path, value, &self.choices));
        }
        match value {
            Value::Object(map) => {
                self.check_object(map, path, errors);
                for (name, value) in map {
                    if let Some(schema) = self.field(name) {
                        schema.check_shape(value, old.and_then(|old| old.get(name)), &child(path, name), errors);
                    }
                }
            }
            Value::Array(list) => {
                let count = list.len() as u64;
                if let Some(most) = self.bounds.max_items.filter(|most| count > *most) {
                    errors.push(FieldError::too_many(path, list.len(), most));
                }
                if self.bounds.min_items.is_some_and(|least| count < least) {
                    errors.push(FieldError::invalid(path, value, "should have more items"));
                }
                if let Some(schema) = &self.items {
                    for (index, item) in list.iter().enumerate() {
                        schema.check_shape(item, self.counterpart(item, old), &format!("{path}[{index}]"), errors);
                    }
                }
            }
            Value::String(text) => self.check_text(text, value, path, errors),
            Value::Number(number) => {
                let number = number.as_f64().unwrap_or_default();
                if self.bounds.maximum.is_some_and(|most| number > most) {
                    errors.push(FieldError::invalid(path, value, "should be less"));
                }
                if self.bounds.minimum.is_some_and(|least| number < least) {
                    errors.push(FieldError::invalid(path, value, "should be greater"));
                }
            }
            _ => {}
        }
    }

    fn check_type(&self, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
        let whole = |number: &serde_json::Number| number.as_f64().is_some_and(|number| number.fract() == 0.0);
        let fits = match (value, self.kind.as_deref()) {
            (Value::Null, kind) => self.nullable || kind.is_none() && !self.int_or_string,
            (Value::Number(number), None) if self.int_or_string => whole(number),
            (value, None) => !self.int_or_string || value.is_string(),
            (Value::Bool(_), Some(kind)) => kind == "boolean",
            (Value::Number(number), Some(kind)) => kind == "number" || kind == "integer" && whole(number),
            (Value::String(_), Some(kind)) => kind == "string",
            (Value::Array(_), Some(kind)) => kind == "array",
            (Value::Object(_), Some(kind)) => kind == "object",
        };
        if !fits {
            let wanted = self.kind.as_deref().unwrap_or("integer,string");
            errors.push(FieldError::type_invalid(path, value, &format!("must be of type {wanted}")));
        }
    }

    fn check_object(&self, map: &Map<String, Value>, path: &str, errors: &mut Vec<FieldError>) {
        if let Some(most) = self.bounds.max_properties.filter(|most| map.len() as u64 > *most) {
            errors.push(FieldError::too_many(path, map.len(), most));
        }
        let missing = self.required.iter().filter(|name| !map.contains_key(*name));
        errors.extend(missing.map(|name| FieldError::required(child(path, name))));
    }

    fn check_text(&self, text: &str, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
        let length = text.chars().count() as u64;
        if let Some(most) = self.bounds.max_length.filter(|most| length > *most) {
            errors.push(FieldError::too_long(path, most));
        }
        if self.bounds.min_length.is_some_and(|least| length < least) {
            errors.push(FieldError::invalid(path, value, "should be longer"));
        }
        if let Some(pattern) = self.pattern.as_ref().filter(|pattern| !pattern.is_match(text)) {
            errors.push(FieldError::invalid(path, value, &format!("should match '{pattern}'")));
        }
        if self.format.as_deref() == Some("date-time") && text.parse::<jiff::Timestamp>().is_err() {
            errors.push(FieldError::type_invalid(path, value, "must be of type date-time"));
        }
    }

    /// Sets and maps have no duplicates. An object that had some already may keep them.
    fn check_lists(&self, value: &Value, old: Option<&Value>, path: &str, errors: &mut Vec<FieldError>) {
        let mut found = Vec::new();
        self.duplicates(value, path, &mut found);
        if found.is_empty() {
            return;
        }
        let mut before = Vec::new();
        if let Some(old) = old {
            self.duplicates(old, path, &mut before);
        }
        if before.is_empty() {
            errors.extend(found);
        }
    }

    fn duplicates(&self, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
        match value {
            Value::Object(map) => {
                for (name, value) in map {
                    match (self.properties.get(name), &self.additional) {
                        (Some(schema), _) => schema.duplicates(value, &child(path, name), errors),
                        (None, Some(schema)) => schema.duplicates(value, &format!("{path}[{name}]"), errors),
                        (None, None) => {}
                    }
                }
            }
            Value::Array(list) => {
                // Compared by the whole item, or by the values of its keys.
                let identity = |item: &Value| -> Option<Value> {
                    match &self.list {
                        List::Atomic => None,
                        List::Set => Some(item.clone()),
                        List::Map(keys) => Some(keys.iter().map(|key| item[key.as_str()].clone()).collect()),
                    }
                };
                let identities: Vec<Option<Value>> = list.iter().map(identity).collect();
                for (index, item) in list.iter().enumerate() {
                    let here = format!("{path}[{index}]");
                    let earlier = identities[..index].iter().filter(|one| **one == identities[index]).count();
                    if earlier == 1 && identities[index].is_some() {
                        errors.push(FieldError::duplicate(&here, item));
                    }
                    if let Some(schema) = &self.items {
                        schema.duplicates(item, &here, errors);
                    }
                }
            }
            _ => {}
        }
    }

    fn check_rules(&self, value: &Value, old: Option<&Value>, path: &str, errors: &mut Vec<FieldError>) {
        if value.is_null() || old == Some(value) {
            return;
        }
        let broken = self.rules.iter().filter(|rule| !rule.holds(value, old));
        let here = if path.is_empty() { "<nil>" } else { path };
        errors.extend(broken.map(|rule| FieldError::invalid(here, value, rule.message())));
        match value {
            Value::Object(map) => {
                for (name, value) in map {
                    let old = old.and_then(|old| old.get(name));
                    match (self.properties.get(name), &self.additional) {
                        (Some(schema), _) => schema.check_rules(value, old, &child(path, name), errors),
                        (None, Some(schema)) => schema.check_rules(value, old, &format!("{path}[{name}]"), errors),
                        (None, None) => {}
                    }
                }
            }
            Value::Array(list) => {
                if let Some(schema) = &self.items {
                    for (index, item) in list.iter().enumerate() {
                        let here = format!("{path}[{index}]");
                        schema.check_rules(item, self.counterpart(item, old), &here, errors);
                    }
                }
            }
            _ => {}
        }
    }

    /// The item of the old list that an item is a newer state of: known only in a list that is a map.
    fn counterpart<'a>(&self, item: &Value, old: Option<&'a Value>) -> Option<&'a Value> {
        let List::Map(keys) = &self.list else { return None };
        old?.as_array()?.iter().find(|other| keys.iter().all(|key| other[key.as_str()] == item[key.as_str()]))
    }
}

fn child(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
