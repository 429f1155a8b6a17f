//! Lists: whole or in pages of one consistent snapshot.

use serde_json::{Map, Value, json};

use super::Server;
use super::kind::Kind;
use super::refusal::Refusal;
use super::request::{Answer, Call};
use super::selector::Selection;

impl Server {
    pub(super) fn page(&self, call: &Call<'_>) -> Result<Answer, Refusal> {
        let selection = Selection::of(call)?;
        let (revision, after) = self.place_of(call)?;
        let limit = match call.query.get("limit").map(str::parse) {
            None | Some(Ok(0)) => usize::MAX,
            Some(Ok(limit)) => limit,
            Some(Err(_)) => return Err(Refusal::bad_request("limit must be a number")),
        };
        let snapshot = self.store.snapshot(call.resource, revision, &call.namespace, &after);
        let snapshot = snapshot.ok_or_else(Refusal::page_gone)?;
        let chosen = snapshot.iter().enumerate().filter(|(_, (_, object))| selection.holds(object)).take(limit);
        let mut items = Vec::new();
        let mut last = None;
        for (place, (key, object)) in chosen {
            items.push(item(call, object));
            last = Some((place, *key));
        }
        let mut meta = json!({ "resourceVersion": revision.to_string() });
        // A full page has a next one as soon as there is anything behind it, be it not selected.
        let goes_on = |place: usize| items.len() == limit && place + 1 < snapshot.len() && !selection.is_single();
        if let Some((place, key)) = last.filter(|(place, _)| goes_on(*place)) {
            meta["continue"] = format!("{revision}/{key}").into();
            if selection.is_whole() {
                meta["remainingItemCount"] = (snapshot.len() - place - 1).into();
            }
        }
        let body = json!({
            "kind": format!("{}List", call.resource.kind),
            "apiVersion": call.resource.api_version(),
            "metadata": meta,
            "items": items,
        });
        Ok(Answer::object(200, body))
    }

    /// The revision that a list is of, and the key that it goes on after.
    fn place_of(&self, call: &Call<'_>) -> Result<(u64, String), Refusal> {
        if let Some(token) = call.query.get("continue") {
            let invalid = || Refusal::bad_request("continue key is not valid");
            let (revision, after) = token.split_once('/').ok_or_else(invalid)?;
            return Ok((revision.parse().map_err(|_| invalid())?, after.to_owned()));
        }
        let newest = self.store.revision();
        let asked = match call.query.get("resourceVersion").map(str::parse) {
            None => newest,
            Some(Ok(asked)) => asked,
            Some(Err(_)) => return Err(Refusal::bad_request("resourceVersion must be a number")),
        };
        if asked > newest {
            return Err(Refusal::future(asked, newest));
        }
        if call.query.get("resourceVersionMatch") != Some("Exact") {
            return Ok((newest, String::new()));
        }
        if asked < self.store.oldest() {
            return Err(Refusal::gone(asked, self.store.oldest()));
        }
        Ok((asked, String::new()))
    }
}

/// An object as an item: typed lists name their kind once.
fn item(call: &Call<'_>, object: &Value) -> Value {
    if call.resource.behaviour == Kind::Custom {
        return object.clone();
    }
    let fields = object.as_object().into_iter().flatten();
    let kept = fields.filter(|(name, _)| !matches!(name.as_str(), "kind" | "apiVersion"));
    Value::Object(kept.map(|(name, value)| (name.clone(), value.clone())).collect::<Map<_, _>>())
}
