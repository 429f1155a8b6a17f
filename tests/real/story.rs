//! A run from its creation to its end, as people see it.

use super::stage::Stage;

const CHAIN: &str = r#"
apiVersion: gantline.dev/v1alpha1
kind: WorkflowRun
metadata: {name: chain}
spec:
  workflow:
    taskDefaults: {image: "busybox:1.37"}
    tasks:
    - name: first
      script: echo "word=hello $GANTLINE_TASK" >> "$GANTLINE_OUTPUT"
      outputs: [{name: word, type: string}]
    - name: second
      needs: [first]
      env: [{name: WORD, expr: "tasks.first.outputs.word + '!'"}]
      script: test "$WORD" = 'hello first!'
"#;

#[test]
fn a_chain_hands_its_output_on() {
    let stage = Stage::new("chain");
    stage.apply(CHAIN);
    let status = stage.finished("chain");
    assert_eq!(status["phase"], "Succeeded", "{status:#}");
    assert_eq!(status["tasks"][0]["outputs"]["word"], "hello first");
    let table = stage.kubectl(&["get", "wfr"]);
    let mut lines = table.lines();
    assert_eq!(
        lines.next().unwrap().split_whitespace().collect::<Vec<_>>(),
        ["NAME", "WORKFLOW", "STATUS", "PROGRESS", "STARTED", "DURATION", "MESSAGE"]
    );
    let row = lines.next().unwrap();
    assert!(row.starts_with("chain") && row.contains("Succeeded   2/2") && row.contains("2 tasks succeeded"), "{row}");
    stage.kubectl(&["wait", "--for=condition=Finished", "wfr/chain", "--timeout=180s"]);
    let story = stage.until("both Events", || {
        let story = stage.kubectl(&["describe", "wfr", "chain"]);
        (story.contains("Started") && story.contains("2 tasks succeeded")).then_some(story)
    });
    assert!(story.contains("Events:"), "{story}");
    assert!(!stage.pods("chain").is_empty(), "pods stay with their run, for their logs");
}
