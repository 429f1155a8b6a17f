//! Which objects of a file are looked at.

use super::{checked, tells, told, workflow};

#[test]
fn other_kinds_and_empty_documents_are_passed_over() {
    let config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: Not_Ours, zzz: 1}\ndata: {a: 1, a: 2}\n";
    let argo = "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nspec: {}\n";
    let ours = workflow("tasks: [{name: a, image: i}]");
    let text = format!("# nothing\n---\n---\n{config}---\n{argo}---\n{ours}...\n");
    tells(&text, &[]);
    assert_eq!(checked(&[&text]).objects, 1);
    assert_eq!(checked(&[""]).objects, 0);
    tells("", &[]);
}

#[test]
fn objects_in_lists_are_checked() {
    let item = |name: &str| {
        format!(
            "- apiVersion: gantline.dev/v1alpha1\n  kind: Workflow\n  metadata: {{name: {name}}}\n  spec: {{tasks: [{{name: a}}]}}\n"
        )
    };
    let list = format!(
        "apiVersion: v1\nkind: List\nitems:\n- {{apiVersion: v1, kind: ConfigMap}}\n{}{}",
        item("a"),
        item("b")
    );
    let found = told(&list);
    assert!(
        matches!(found.as_slice(), [first, second]
        if first.starts_with("8:18 NoImage spec.tasks[0]") && second.starts_with("12:18 NoImage")),
        "{found:#?}"
    );
    let objects: Vec<Option<String>> = checked(&[&list]).findings.into_iter().map(|found| found.object).collect();
    assert_eq!(objects, [Some("Workflow/a".to_owned()), Some("Workflow/b".to_owned())]);
}

#[test]
fn json_is_yaml_too() {
    let text = r#"{"apiVersion": "gantline.dev/v1alpha1", "kind": "Workflow", "metadata": {"name": "w"},
	"spec": {"tasks": [{"name": "a", "image": "i", "needs": ["b"]}]}}"#;
    let found = told(text);
    assert!(matches!(found.as_slice(), [only] if only.starts_with("2:59 UnknownNeed")), "{found:#?}");
}

#[test]
#[rustfmt::skip]
fn what_may_have_been_meant_to_be_ours_is_told() {
    for (text, expected) in [
        ("kind: Workflow", "1:1 MissingField apiVersion: is required and missing: write gantline.dev/v1alpha1"),
        ("apiVersion: gantline.dev/v1\nkind: Workflow", "1:13 UnknownVersion apiVersion: there is no `gantline.dev/v1`: write gantline.dev/v1alpha1"),
        ("apiVersion: gantlin.dev/v1alpha1\nkind: Workflow", "1:13 UnknownVersion apiVersion: there is no `gantlin.dev/v1alpha1`: write gantline.dev/v1alpha1"),
        ("apiVersion: gantline.dev/v1alpha1\nkind: WorkflowRn", "2:7 UnknownKind kind: there is no kind `WorkflowRn` in gantline.dev/v1alpha1; did you mean `WorkflowRun`?; there are `Workflow`, `WorkflowRecord` and `WorkflowRun`"),
        ("apiVersion: gantline.dev/v1alpha1\nmetadata: {}", "1:1 MissingField kind: is no object of Kubernetes: it has no kind"),
        ("just text", "1:1 MissingField kind: is no object of Kubernetes: it has no kind"),
    ] {
        tells(text, &[expected]);
    }
}

#[test]
fn a_byte_order_mark_shifts_nothing() {
    let found = told(&format!("\u{feff}{}", workflow("tasks: [{name: a}]")));
    assert!(matches!(found.as_slice(), [only] if only.starts_with("5:11 NoImage")), "{found:#?}");
}
