//! The two servers that a sequence is sent to, and how each fills in what it gave itself.

use std::time::Duration;

use http::Method;
use jiff::Timestamp;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

use super::sequence::Step;
use crate::model::{Answer, Request, Server};

/// How long a real watch is read; what it has to tell comes at once.
const WATCH_SECONDS: u32 = 3;
/// How long one request to a real server may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// What a server answered.
#[derive(Clone, Debug)]
pub struct Reply {
    pub code: u16,
    pub body: Value,
}

/// The answers of one server, which later steps refer to.
#[derive(Default)]
pub struct Replies(Vec<Reply>);

impl Replies {
    pub fn push(&mut self, reply: Reply) {
        self.0.push(reply);
    }

    /// A step's path and body for this server.
    fn fill(&self, step: &Step) -> (String, Value) {
        let mut path = step.path.clone();
        while let Some(start) = path.find('$') {
            let end = path[start..].find('&').map_or(path.len(), |length| start + length);
            let value = self.resolve(&path[start..end]);
            path.replace_range(start..end, &escape(value.as_str().unwrap_or_default()));
        }
        (path, self.fill_value(&step.body))
    }

    fn fill_value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) if text.starts_with('$') => self.resolve(text),
            Value::Array(list) => list.iter().map(|item| self.fill_value(item)).collect(),
            Value::Object(map) => {
                let Some(number) = map.get("$answer").and_then(Value::as_u64) else {
                    return map.iter().map(|(name, value)| (name.clone(), self.fill_value(value))).collect();
                };
                let mut object = self.body(number).clone();
                if let Some(meta) = object["metadata"].as_object_mut() {
                    meta.remove("managedFields");
                }
                json_patch::merge(&mut object, &self.fill_value(&map["$change"]));
                object
            }
            other => other.clone(),
        }
    }

    /// What `$uid:7` stands for: a field of the metadata of the answer to step 7.
    fn resolve(&self, reference: &str) -> Value {
        let (field, number) = reference[1..].split_once(':').expect("a reference has a field and a step");
        let field = if field == "version" { "resourceVersion" } else { field };
        self.body(number.parse().expect("a reference has a step's number"))["metadata"][field].clone()
    }

    fn body(&self, number: u64) -> &Value {
        &self.0[usize::try_from(number).expect("few steps")].body
    }
}

/// Sends a step to the model.
pub fn ask_model(server: &mut Server, replies: &Replies, step: &Step) -> Reply {
    let (path, body) = replies.fill(step);
    let now = Timestamp::now();
    let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let content_type = step.content_type.to_owned();
    let request = Request { method: step.method.clone(), path, content_type, body: bytes, sent: now };
    match server.handle("user", &request, now) {
        Answer::Object { code, body, .. } => Reply { code, body },
        Answer::Watch(mut watch) => {
            let events = watch.events(server, server.revision());
            Reply { code: 200, body: json!({ "events": events }) }
        }
    }
}

/// Sends a step to a real server.
pub async fn ask_real(client: &Client, replies: &Replies, step: &Step) -> Reply {
    let (mut path, body) = replies.fill(step);
    let is_watch = step.method == Method::GET && path.contains("watch=true");
    if is_watch {
        path = format!("{path}&timeoutSeconds={WATCH_SECONDS}");
    }
    let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let request = http::Request::builder()
        .method(step.method.clone())
        .uri(&path)
        .header(http::header::CONTENT_TYPE, step.content_type)
        .body(Body::from(bytes))
        .expect("a request");
    let answered = async {
        let response = client.send(request).await.expect("an answer");
        let code = response.status().as_u16();
        (code, response.into_body().collect_bytes().await.expect("a whole answer"))
    };
    let (code, bytes) = tokio::time::timeout(PATIENCE, answered).await.expect("an answer in time");
    if is_watch && code == 200 {
        let events = serde_json::Deserializer::from_slice(&bytes).into_iter::<Value>();
        let events: Vec<Value> = events.map(|event| event.expect("an event is JSON")).collect();
        return Reply { code, body: json!({ "events": events }) };
    }
    // What isn't JSON comes from a path that nobody serves.
    Reply { code, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) }
}

fn escape(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte);
    let encode = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(encode).collect()
}
