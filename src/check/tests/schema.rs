//! What the API server would say.

use super::{run, tells, told, workflow};

#[test]
#[rustfmt::skip]
fn mistakes_that_the_schema_knows() {
    for (spec, expected) in [
        ("tasks: [{name: a, image: i, commnd: [x]}]",
            &["5:31 UnknownField spec.tasks[0].commnd: there is no field `commnd` here; did you mean `command`?"][..]),
        ("tasks: [{name: a, image: i}]\nzzz: 1",
            &["6:3 UnknownField spec.zzz: there is no field `zzz` here; there are `concurrency`, `description`, "]),
        ("tasks: [{image: i}]",
            &["5:11 MissingField spec.tasks[0].name: is required and missing: Name, unique in the workflow: a DNS label of at most 40 characters"]),
        ("tasks: [{name: a, image: 5}]",
            &["5:28 WrongType spec.tasks[0].image: must be a string, and YAML reads 5 as a number: quote it, \"5\""]),
        ("tasks: [{name: a, image: i, env: [{name: ON, value: on}]}]",
            &["5:44 WrongType spec.tasks[0].env[0].name: must be a string, and YAML reads ON as true: quote it, \"ON\"",
              "5:55 WrongType spec.tasks[0].env[0].value: must be a string, and YAML reads on as true: quote it, \"on\""]),
        ("tasks: [{name: a, image: i, command: echo}]",
            &["5:40 WrongType spec.tasks[0].command: must be a list, and is the string `echo`: write [echo]"]),
        ("tasks:\n- name: a\n  image: i\n  command:\n    echo: x",
            &["8:5 WrongType spec.tasks[0].command: must be a list, and is an object: begin each entry with a dash"]),
        ("tasks:\n- name: a\n  image: i\n  args: [a: b]",
            &["8:12 WrongType spec.tasks[0].args[0]: must be a string, and is an object: quote it, if the colon is part of it"]),
        ("tasks: {a: {image: i}}",
            &["5:3 WrongType spec.tasks: must be a list, and is an object: begin each entry with a dash"]),
        ("tasks: [{name: a, image: i, logTail: keep}]",
            &["5:40 NotInEnum spec.tasks[0].logTail: `keep` is none of `Keep` and `Omit`; did you mean `Keep`?"]),
        ("params: [{name: p, type: string, minLength: \"1\"}]\ntasks: [{name: a, image: i}]",
            &["5:47 WrongType spec.params[0].minLength: must be a whole number, and is the string `1`: remove the quotes"]),
        ("params: [{name: p, type: string, minLength: -1}]\ntasks: [{name: a, image: i}]",
            &["5:47 OutOfRange spec.params[0].minLength: -1 is below the least allowed, 0"]),
        ("tasks: [a]",
            &["5:11 WrongType spec.tasks[0]: must be an object, and is the string `a`"]),
        ("tasks: [{name: a, image: i, resources: {requests: {cpu: 1 core}}}]",
            &["5:59 BadQuantity spec.tasks[0].resources.requests.cpu: "]),
    ] {
        let found = told(&workflow(spec));
        let fits = |(found, expected): (&String, &&str)| found.starts_with(*expected);
        assert!(found.len() == expected.len() && found.iter().zip(expected).all(fits), "{spec}\n{found:#?}");
    }
}

#[test]
#[rustfmt::skip]
fn mistakes_of_runs_that_the_schema_knows() {
    for (spec, expected) in [
        ("suspend: true",
            "4:1 RuleBroken spec: set exactly one of workflowRef (the name of a Workflow) and workflow (a workflow written inline)"),
        ("workflowRef: {name: A_b}",
            "5:23 PatternMismatch spec.workflowRef.name: `A_b` doesn't fit the pattern ^[a-z0-9]([-a-z0-9]*[a-z0-9])?$ (Name of a Workflow in the run's namespace)"),
        ("workflow: {tasks: [{name: a, image: i}]}\ncancel: {graceSeconds: 86401}",
            "6:26 OutOfRange spec.cancel.graceSeconds: 86401 is above the greatest allowed, 86400"),
        ("workflow: {tasks: [{name: a, image: i}]}\nsuspend: 'true'",
            "6:12 WrongType spec.suspend: must be true or false, and is the string `true`: remove the quotes"),
    ] {
        let found = told(&run(spec));
        assert!(found.contains(&expected.to_owned()), "{spec}\n{found:#?}");
    }
}

#[test]
fn metadata_is_checked_as_kubernetes_does() {
    let object = |metadata: &str| {
        format!(
            "apiVersion: gantline.dev/v1alpha1\nkind: Workflow\nmetadata: {metadata}\nspec: {{tasks: [{{name: a, image: i}}]}}\n"
        )
    };
    tells(
        &object("{name: a, annotations: {b.c/d: 1}}"),
        &[
            "3:42 WrongType metadata.annotations['b.c/d']: must be a string, and YAML reads 1 as a number: quote it, \"1\"",
        ],
    );
    tells(
        &object("{name: a, label: {}}"),
        &["3:21 UnknownField metadata.label: there is no field `label` here; did you mean `labels`?"],
    );
    tells(
        &object("{name: Daily_Sales}"),
        &[
            "3:18 BadName metadata.name: `Daily_Sales` can't name an object: write lower-case letters, digits and dashes, no dash at either end",
        ],
    );
    tells(
        &object("{name: a.b}"),
        &[
            "3:18 BadName metadata.name: `a.b` can't name an object: write lower-case letters, digits and dashes, no dash at either end",
        ],
    );
    tells(&object("{labels: {}}"), &["3:1 MissingField metadata.name: is required and missing: name the object"]);
    tells(&object("{generateName: a-, namespace: b}"), &[]);
    tells(&object(&format!("{{generateName: {}}}", "a".repeat(70))), &[]);
    tells(
        &object("{generateName: A-}"),
        &[
            "3:26 BadName metadata.generateName: `A-xxxxx` can't name an object: write lower-case letters, digits and dashes, no dash at either end",
        ],
    );
    tells(
        &object(&format!("{{name: {}}}", "a".repeat(64))),
        &["3:18 TooLong metadata.name: has 64 characters, 63 are allowed: shorten it"],
    );
}

#[test]
fn null_is_a_field_that_is_not_there() {
    tells(&workflow("description:\ntasks: [{name: a, image: i, needs: , env: null, script: ~}]"), &[]);
}

#[test]
fn a_status_is_the_operators_own() {
    tells(&format!("{}status: {{anything: goes}}\n", workflow("tasks: [{name: a, image: i}]")), &[]);
}

/// A mistake of the schema leaves no other unsaid, and nothing is said of what depends on a guess.
#[test]
fn the_plan_is_made_with_what_was_probably_meant() {
    tells(
        &workflow("tasks:\n- name: a\n  image: 5\n- name: b\n  image: i\n  logTail: x\n  needs: [c]"),
        &[
            "7:12 WrongType spec.tasks[0].image: must be a string, and YAML reads 5 as a number: quote it, \"5\"",
            "10:14 NotInEnum spec.tasks[1].logTail: `x` is none of `Keep` and `Omit`",
            "11:13 UnknownNeed spec.tasks[1].needs[0]: task `b`: needs `c`, and there is no such task; did you mean `a`?",
        ],
    );
}
