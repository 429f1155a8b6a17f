//! What an expression is found to read.

use super::super::Reference;
use super::parse;

fn param(name: &str) -> Reference {
    Reference::Param(name.to_owned())
}

fn output(task: &str, output: &str) -> Reference {
    let (task, output) = (task.to_owned(), output.to_owned());
    Reference::Output { task, output }
}

fn field(task: &str, field: &str) -> Reference {
    let (task, field) = (task.to_owned(), field.to_owned());
    Reference::TaskField { task, field }
}

#[test]
fn references_in_order_each_once() {
    let run = |name: &str| Reference::Run(name.to_owned());
    let task = |name: &str| Reference::Task(name.to_owned());
    let table: &[(&str, &[Reference])] = &[
        ("1", &[]),
        ("params.b + params.a + params.b", &[param("b"), param("a")]),
        ("params['date']", &[param("date")]),
        ("params.?date.orValue('x')", &[param("date")]),
        ("params[?'date'].orValue('x')", &[param("date")]),
        ("has(params.date)", &[param("date")]),
        ("params.labels.c.d[0]", &[param("labels")]),
        ("params[params.key]", &[Reference::Params, param("key")]),
        ("json(params)", &[Reference::Params]),
        ("'x' in params", &[Reference::Params]),
        ("run.phase", &[run("phase")]),
        ("json(run)", &[Reference::WholeRun]),
        ("attempt", &[Reference::Attempt]),
        ("tasks.extract.outputs.rows", &[output("extract", "rows")]),
        (
            "tasks['load-sales'].outputs['rows']",
            &[output("load-sales", "rows")],
        ),
        ("tasks.?a.?outputs.?x.orValue(1)", &[output("a", "x")]),
        ("has(tasks.a.outputs.x)", &[output("a", "x")]),
        ("json(tasks.a.outputs)", &[field("a", "outputs")]),
        (
            "tasks.a.outputs[params.k]",
            &[field("a", "outputs"), param("k")],
        ),
        ("tasks.a.items[0].phase", &[field("a", "items")]),
        (
            "tasks.a.items.all(i, i.phase == run.phase)",
            &[field("a", "items"), run("phase")],
        ),
        (
            "tasks.a.phase == tasks.b.reason",
            &[field("a", "phase"), field("b", "reason")],
        ),
        ("json(tasks.a)", &[task("a")]),
        ("tasks.a[params.k]", &[task("a"), param("k")]),
        ("has(tasks.a)", &[task("a")]),
        ("[params.x].map(y, y.phase)", &[param("x")]),
        (
            "params.a.map(x, params.b.map(y, x + y))",
            &[param("a"), param("b")],
        ),
        (
            "params.list.sortBy(e, params.order[e])",
            &[param("list"), param("order")],
        ),
        ("'%s'.format([params.a])", &[param("a")]),
    ];
    for (text, references) in table {
        assert_eq!(parse(text).references(), *references, "{text}");
    }
}

#[test]
fn guards() {
    let rows = output("a", "rows");
    let table = [
        ("tasks.a.outputs.rows", false),
        ("tasks.a.outputs.?rows.orValue(0)", true),
        ("tasks.a.?outputs.rows.orValue(0)", true),
        ("tasks.?a.outputs.rows.orValue(0)", true),
        ("tasks.a.outputs[?'rows'].orValue(0)", true),
        ("has(tasks.a.outputs.rows)", true),
        ("has(tasks.a.outputs.rows) ? tasks.a.outputs.rows : 0", true),
        (
            "tasks.a.outputs.?rows.orValue(0) + tasks.a.outputs.rows",
            false,
        ),
        ("params.x", false),
    ];
    for (text, guarded) in table {
        assert_eq!(parse(text).is_guarded(&rows), guarded, "{text}");
    }
    assert!(!parse("params.labels.?x.orValue(1)").is_guarded(&param("labels")));
    assert!(!parse("has(params.labels.x)").is_guarded(&param("labels")));
}
