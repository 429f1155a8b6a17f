//! The scenarios are what they say: the API server takes them, and the reference comes to the ends that they name.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{apply, named, standard};
use crate::human::Human;
use crate::model::Server;
use crate::outcome::play;
use crate::schedule::Schedule;

#[test]
fn names_are_unique_and_the_api_server_takes_every_manifest() {
    let mut names = BTreeSet::new();
    for scenario in standard() {
        assert!(names.insert(scenario.name), "{} is there twice", scenario.name);
        let mut server = Server::new(1);
        for manifest in scenario.manifests.iter().chain(&scenario.later) {
            apply(&mut server, manifest, Timestamp::UNIX_EPOCH);
        }
        let small = scenario.names("WorkflowRun").iter().all(|run| scenario.tasks_of(run).len() <= 13)
            && scenario.name != "items-many";
        assert_ne!(small, scenario.wide, "{}", scenario.name);
        assert!(scenario.humans.is_sorted_by_key(|(at, _)| *at), "{}", scenario.name);
        let tasks = scenario.tasks();
        let of = |name: &String| name.split_once('[').map_or(name.clone(), |(task, _)| task.to_owned());
        assert!(scenario.behaviours.keys().all(|name| tasks.contains(&of(name))), "{}: {tasks:?}", scenario.name);
        assert_eq!(named(scenario.name).map(|it| it.name), Some(scenario.name));
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

/// The real operator, in worlds where nothing goes wrong but what the scenario has go wrong.
#[test]
fn without_faults_every_scenario_comes_to_the_end_that_it_names() {
    let mut failures = Vec::new();
    for scenario in standard() {
        for seed in 1..=3 {
            let schedule = Schedule::new(scenario.name, seed);
            let wrong = play(&schedule, false).failures;
            failures.extend(wrong.into_iter().map(|failure| (schedule.to_string(), failure)));
        }
    }
    assert_eq!(failures, []);
}
