//! The scenarios are what they say: the API server takes them, and the reference comes to the ends that they name.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::standard;
use crate::human::Human;
use crate::model::Server;

#[test]
fn names_are_unique_and_the_api_server_takes_every_manifest() {
    let mut names = BTreeSet::new();
    for scenario in standard() {
        assert!(names.insert(scenario.name), "{} is there twice", scenario.name);
        scenario.apply(&mut Server::new(1), Timestamp::UNIX_EPOCH);
        let small = scenario.names("WorkflowRun").iter().all(|run| scenario.tasks(run).len() <= 8);
        assert_ne!(small, scenario.wide, "{}", scenario.name);
        assert!(scenario.humans.is_sorted_by_key(|(at, _)| *at), "{}", scenario.name);
        let named: BTreeSet<&String> = scenario.behaviours.keys().collect();
        let tasks: BTreeSet<String> = scenario
            .names("WorkflowRun")
            .iter()
            .flat_map(|run| scenario.tasks(run).iter().filter_map(|task| task["name"].as_str().map(str::to_owned)))
            .collect();
        assert!(named.iter().all(|name| tasks.contains(*name)), "{}: {named:?}", scenario.name);
    }
}

#[test]
fn everything_that_people_do_has_a_name() {
    for scenario in standard() {
        let all = Human::all(&scenario);
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "{}", scenario.name);
        for human in all {
            assert_eq!(human.to_string().parse(), Ok(human.clone()), "{human}");
        }
    }
    for text in ["", "cancel", "cancel:run:soon", "delete-run:run:sideways", "delete-pod:run:a:gently"] {
        assert!(text.parse::<Human>().is_err(), "{text}");
    }
}
