//! Lists and watches.

use super::*;
use crate::model::Watch;

fn names(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|item| item["metadata"]["name"].as_str().unwrap()).collect()
}

fn list(server: &mut Server, query: &str) -> Value {
    done(server, &Request::get(&format!("/api/v1/pods?{query}"), at(0)))
}

/// Opens a watch over pods.
fn watch(server: &mut Server, query: &str) -> Watch {
    let path = format!("/api/v1/namespaces/default/pods?watch=true&{query}");
    match server.handle("user", &Request::get(&path, at(0)), at(0)) {
        Answer::Watch(watch) => watch,
        Answer::Object { body, .. } => panic!("{body}"),
    }
}

/// The events of a watch: type and name.
fn told(watch: &mut Watch, server: &Server) -> Vec<String> {
    let events = watch.events(server, server.revision());
    let text = |event: &Value| {
        let (kind, object) = (event["type"].as_str().unwrap(), &event["object"]);
        let name = object["metadata"]["name"].as_str().or(object["reason"].as_str()).unwrap();
        format!("{kind} {name}")
    };
    events.iter().map(text).collect()
}

fn label(server: &mut Server, name: &str, value: &Value) {
    patch(server, &format!("{PODS}/{name}"), &json!({ "metadata": { "labels": { "app": value } } }));
}

#[test]
fn selectors_choose() {
    let mut server = Server::new(1);
    for name in ["a", "b", "c"] {
        create(&mut server, PODS, &pod(name));
    }
    label(&mut server, "b", &json!("b"));
    label(&mut server, "c", &Value::Null);
    let elsewhere = Request::post("/api/v1/namespaces/gantline-system/pods", &pod("z"), at(0));
    done(&mut server, &elsewhere);
    for (query, found) in [
        ("", vec!["a", "b", "c", "z"]),
        ("labelSelector=app", vec!["a", "b", "z"]),
        ("labelSelector=!app", vec!["c"]),
        ("labelSelector=app%3Da", vec!["a", "z"]),
        ("labelSelector=app==b", vec!["b"]),
        ("labelSelector=app!=a", vec!["b", "c"]),
        ("labelSelector=app+in+(a,b),app!=b", vec!["a", "z"]),
        ("labelSelector=app%20notin%20(a)", vec!["b", "c"]),
        ("fieldSelector=metadata.name=c", vec!["c"]),
        ("fieldSelector=metadata.namespace!=default", vec!["z"]),
        ("fieldSelector=status.phase=Running", vec![]),
    ] {
        assert_eq!(names(&list(&mut server, query)), found, "{query}");
    }
    for query in ["fieldSelector=spec.none=a", "labelSelector=a%20b"] {
        assert_eq!(refused(&mut server, &Request::get(&format!("{PODS}?{query}"), at(0))).0, 400, "{query}");
    }
}

#[test]
fn pages_are_of_one_moment() {
    let mut server = Server::new(1);
    for name in ["a", "b", "c", "d"] {
        create(&mut server, PODS, &pod(name));
    }
    let first = list(&mut server, "limit=2");
    assert_eq!((names(&first), &first["metadata"]["remainingItemCount"]), (vec!["a", "b"], &json!(2)));
    delete(&mut server, &format!("{PODS}/c"), &Value::Null, 1);
    label(&mut server, "d", &json!("new"));
    create(&mut server, PODS, &pod("e"));
    let query = format!("limit=2&continue={}", first["metadata"]["continue"].as_str().unwrap());
    let second = list(&mut server, &query);
    assert_eq!(names(&second), ["c", "d"]);
    assert_eq!(second["items"][1]["metadata"]["labels"]["app"], "a");
    assert_eq!(second["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
    assert_eq!(second["metadata"].get("continue"), None);
    server.compact(server.revision());
    let expired = refused(&mut server, &Request::get(&format!("/api/v1/pods?{query}"), at(0)));
    assert_eq!((expired.0, &*expired.1), (410, "Expired"));
    assert_eq!(names(&list(&mut server, "")), ["a", "b", "d", "e"]);
}

#[test]
fn a_watch_tells_what_happened_to_what_it_selects() {
    let mut server = Server::new(1);
    let from = server.revision();
    let mut all = watch(&mut server, &format!("resourceVersion={from}"));
    let mut some = watch(&mut server, &format!("resourceVersion={from}&labelSelector=app%3Da"));
    create(&mut server, PODS, &pod("a"));
    create(&mut server, RUNS, &run("a"));
    label(&mut server, "a", &json!("b"));
    let left = server.revision();
    label(&mut server, "a", &json!("c"));
    label(&mut server, "a", &json!("a"));
    bind(&mut server, "a");
    delete(&mut server, &format!("{PODS}/a"), &json!({ "gracePeriodSeconds": 0 }), 1);

    assert_eq!(told(&mut all.clone(), &server)[..2], ["ADDED a", "MODIFIED a"]);
    assert_eq!(all.events(&server, from + 1).len(), 1);
    assert_eq!(all.bookmark()["object"]["metadata"]["resourceVersion"], (from + 1).to_string());
    assert_eq!((told(&mut all, &server).len(), told(&mut all, &server).len()), (6, 0));
    assert_eq!(all.resource(), "pods");

    let events = some.clone().events(&server, server.revision());
    assert_eq!(told(&mut some, &server), ["ADDED a", "DELETED a", "ADDED a", "MODIFIED a", "MODIFIED a", "DELETED a"]);
    let left_with = &events[1]["object"]["metadata"];
    assert_eq!((&left_with["labels"]["app"], &left_with["resourceVersion"]), (&json!("a"), &json!(left.to_string())));
    let last = &events[5]["object"]["metadata"];
    assert_eq!(last["resourceVersion"], server.revision().to_string());
}

#[test]
fn a_watch_without_a_revision_begins_with_the_state() {
    let mut server = Server::new(1);
    create(&mut server, PODS, &pod("a"));
    let mut watch = watch(&mut server, "");
    create(&mut server, PODS, &pod("b"));
    assert_eq!(told(&mut watch, &server), ["ADDED a", "ADDED b"]);
}

#[test]
fn a_watch_of_what_was_compacted_ends() {
    let mut server = Server::new(1);
    let from = server.revision();
    let mut late = watch(&mut server, &format!("resourceVersion={from}"));
    create(&mut server, PODS, &pod("a"));
    create(&mut server, PODS, &pod("b"));
    let mut early = watch(&mut server, &format!("resourceVersion={}", from + 1));
    server.compact(from + 1);
    assert_eq!(told(&mut late, &server), ["ERROR Expired"]);
    assert!(late.is_closed());
    assert_eq!(told(&mut late, &server), Vec::<String>::new());
    assert_eq!(told(&mut early, &server), ["ADDED b"]);
}
