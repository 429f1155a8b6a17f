//! Tasks that are objects of other kinds: a Job, whose controller does the work, and a kind that the test makes and plays.

use serde_json::{Value, json};

use super::someone::as_someone;
use super::stage::{Stage, kubectl};

const JOB: &str = "batch/v1/Job=jobs";

/// The definition of the kind `Load`, in a group of the test's own.
struct Kind {
    group: &'static str,
}

impl Kind {
    fn grant(&self) -> String {
        format!("{}/v1/Load=loads", self.group)
    }

    fn install(&self, stage: &Stage) {
        stage.apply(&include_str!("../sim/model/load.yaml").replace("example.org", self.group));
        kubectl(&["wait", "--for=condition=Established", &format!("crd/loads.{}", self.group), "--timeout=60s"]);
    }
}

impl Drop for Kind {
    fn drop(&mut self) {
        std::process::Command::new("kubectl")
            .args(["delete", "crd", &format!("loads.{}", self.group), "--wait=false", "--ignore-not-found"])
            .output()
            .expect("kubectl runs");
    }
}

/// Lets a service account of the stage make objects of a kind, which need not be installed.
fn permit(stage: &Stage, account: &str, group: &str, plural: &str) {
    if account != "default" {
        stage.kubectl(&["create", "serviceaccount", account]);
    }
    let metadata = json!({ "name": account });
    let rule = json!({ "apiGroups": [group], "resources": [plural], "verbs": ["create"] });
    let version = "rbac.authorization.k8s.io/v1";
    stage.apply(&json!({ "apiVersion": version, "kind": "Role", "metadata": metadata, "rules": [rule] }).to_string());
    let of = format!("--serviceaccount={}:{account}", stage.namespace);
    stage.kubectl(&["create", "rolebinding", account, &format!("--role={account}"), &of]);
}

fn run(name: &str, tasks: &Value) -> String {
    json!({
        "apiVersion": "gantline.dev/v1alpha1", "kind": "WorkflowRun", "metadata": {"name": name},
        "spec": {"workflow": {"taskDefaults": {"image": "busybox:1.37"}, "tasks": tasks}},
    })
    .to_string()
}

/// A task whose object is of the kind `Load`.
fn load(kind: &Kind, more: &Value) -> Value {
    let mut task = json!({
        "name": "load",
        "resource": {
            "manifest": {"apiVersion": format!("{}/v1", kind.group), "kind": "Load", "metadata": {"labels": {"team": "a"}}},
            "set": [{"path": "/spec/attempt", "expr": "attempt"}],
            "success": "object.status.phase == 'Done'",
            "failure": "object.status.phase == 'Broken'",
            "outputs": [{"name": "rows", "expr": "object.status.rows", "type": "int"}],
        },
    });
    task.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
    task
}

fn loads(kind: &Kind) -> String {
    format!("loads.{}", kind.group)
}

/// The name of the object of the task's newest attempt, once its uid is on record.
fn object_of(stage: &Stage, run: &str, task: &str, attempt: u64) -> String {
    stage.until(&format!("an object of attempt {attempt} of {task}"), || {
        let status = stage.task(run, task);
        let last = status["attempts"].as_array()?.last()?.clone();
        let made = last["number"] == attempt && last["uid"].is_string();
        made.then(|| last["resource"]["name"].as_str().map(str::to_owned))?
    })
}

/// The object says this of itself.
fn says(stage: &Stage, kind: &Kind, name: &str, status: &Value) {
    let patch = json!({ "status": status }).to_string();
    stage.kubectl(&["patch", &loads(kind), name, "--subresource=status", "--type=merge", "-p", &patch]);
}

#[test]
fn a_job_is_a_task_and_stays_with_its_run() {
    let stage = Stage::without_operator("resource-job").granting(&[JOB]);
    permit(&stage, "runner", "batch", "jobs");
    let container = json!({"name": "work", "image": "busybox:1.37", "command": ["sh", "-c", "exit $CODE"], "env": [{"name": "CODE", "value": "0"}]});
    let pod = json!({"spec": {"restartPolicy": "Never", "containers": [container]}});
    let job = |code: &str| {
        json!({
            "name": "job",
            "resource": {
                "serviceAccountName": "runner",
                "manifest": {"apiVersion": "batch/v1", "kind": "Job", "spec": {"backoffLimit": 0, "template": pod}},
                "set": [{"path": "/spec/template/spec/containers/0/env/0/value", "expr": code}],
                "success": "object.status.succeeded > 0",
                "failure": "object.status.conditions.exists(c, c.type == 'Failed' && c.status == 'True')",
                "outputs": [{"name": "job", "expr": "object.metadata.name"}],
            },
        })
    };
    let after = json!({"name": "after", "needs": ["job"], "env": [{"name": "JOB", "expr": "tasks.job.outputs.job"}], "script": "test -n \"$JOB\""});
    stage.apply(&run("well", &json!([job("'0'"), after])));
    stage.apply(&run("badly", &json!([job("'3'")])));

    let status = stage.succeeds("well");
    let attempt = &status["tasks"][0]["attempts"][0];
    let name = attempt["resource"]["name"].as_str().expect("its name");
    assert_eq!((&attempt["resource"]["kind"], &status["tasks"][0]["outputs"]["job"]), (&json!("Job"), &json!(name)));
    let made = stage.get("job", name).expect("it stays");
    assert_eq!(made["metadata"]["uid"], attempt["uid"]);
    let owner = &made["metadata"]["ownerReferences"][0];
    assert_eq!((&owner["kind"], &owner["controller"]), (&json!("WorkflowRun"), &json!(true)));
    assert!(owner["blockOwnerDeletion"].is_null() && made["metadata"]["finalizers"].is_null(), "{made:#}");

    let status = stage.finished("badly");
    assert_eq!((&status["phase"], &status["tasks"][0]["reason"]), (&json!("Failed"), &json!("ResourceFailed")));
    let message = status["message"].as_str().expect("a message");
    assert!(message.starts_with("job: its object failed: BackoffLimitExceeded: "), "{message}");

    stage.kubectl(&["delete", "wfr", "well"]);
    stage.until("the Job to go with its run", || stage.get("job", name).is_none().then_some(()));
    println!("{}", stage.is_clean());
}

#[test]
fn a_kind_may_be_installed_later_and_its_objects_are_followed() {
    let kind = Kind { group: "late.example.org" };
    let mut stage = Stage::for_kills("resource-kind").granting(&[JOB, &kind.grant()]);
    permit(&stage, "default", kind.group, "loads");
    stage.apply(&run("late", &json!([load(&kind, &json!({})), {"name": "beside", "script": "true"}])));
    stage.until("the run to wait for the kind", || {
        let waiting = stage.task("late", "load")["waitingFor"].clone();
        let words = waiting["detail"].as_str().unwrap_or_default();
        (waiting["kind"] == "Resource" && words.contains("install what defines it")).then_some(())
    });
    stage.task_in("late", "beside", "Succeeded");
    kind.install(&stage);
    let name = object_of(&stage, "late", "load", 1);
    stage.kill_operator();
    says(&stage, &kind, &name, &json!({"phase": "Done", "rows": 7}));
    stage.start_operator();
    let status = stage.succeeds("late");
    assert_eq!(status["tasks"][0]["outputs"], json!({"rows": 7}));
    let made = stage.get(&loads(&kind), &name).expect("it stays");
    assert_eq!((&made["metadata"]["labels"]["team"], &made["spec"]["attempt"]), (&json!("a"), &json!(1)));

    // A retry makes another object; a lost one is replaced; what is stopped is deleted.
    let retry = json!({"retry": {"limit": 1, "backoff": {"initial": "0s"}}});
    stage.apply(&run("again", &json!([load(&kind, &retry)])));
    let first = object_of(&stage, "again", "load", 1);
    says(&stage, &kind, &first, &json!({"phase": "Broken", "message": "disk full"}));
    let second = object_of(&stage, "again", "load", 2);
    stage.kubectl(&["delete", &loads(&kind), &second]);
    let third = object_of(&stage, "again", "load", 3);
    stage.patch("again", r#"{"spec": {"cancel": {}}}"#);
    let status = stage.finished("again");
    let attempts: Vec<&Value> = status["tasks"][0]["attempts"].as_array().expect("attempts").iter().collect();
    let outcomes: Vec<_> = attempts.iter().map(|it| it["outcome"].as_str().unwrap_or_default()).collect();
    assert_eq!(outcomes, ["Failed", "Disrupted", "Cancelled"]);
    assert_eq!(attempts[0]["message"], "disk full");
    let there = |name: &str| stage.get(&loads(&kind), name).is_some();
    assert_eq!([&first, &second, &third].map(|name| there(name)), [true, false, false]);
    println!("{}", stage.is_clean());
}

#[test]
fn an_object_is_made_only_where_its_kind_is_granted_and_its_account_may() {
    let stage = Stage::without_operator("resource-denied").granting(&[JOB]);
    let job = |more: &Value| {
        let mut task = json!({
            "name": "job", "retry": {"limit": 3},
            "resource": {"manifest": {"apiVersion": "batch/v1", "kind": "Job"}, "success": "object.status.succeeded > 0"},
        });
        task["resource"].as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
        json!([task])
    };
    stage.apply(&run("denied", &job(&json!({"serviceAccountName": "nobody"}))));
    let config_map = json!({"manifest": {"apiVersion": "v1", "kind": "ConfigMap"}});
    stage.apply(&run("not-granted", &job(&config_map)));
    stage.apply(&run("forbidden", &job(&json!({"manifest": {"apiVersion": "v1", "kind": "Secret"}}))));

    let status = stage.finished("denied");
    let task = &status["tasks"][0];
    assert_eq!((&task["phase"], &task["reason"]), (&json!("Failed"), &json!("NotPermitted")));
    let message = status["message"].as_str().expect("a message");
    let words = format!("service account nobody may not create jobs.batch in namespace {}", stage.namespace);
    assert!(message.contains(&words) && message.contains("kubectl create rolebinding"), "{message}");
    assert_eq!(task["attempts"].as_array().map(Vec::len), Some(1), "it isn't tried again");

    let status = stage.finished("not-granted");
    assert_eq!(status["tasks"][0]["reason"], "KindNotGranted");
    assert!(
        status["message"].as_str().is_some_and(|it| it.contains("resourceTasks: [{apiVersion: v1, kind: ConfigMap")),
        "{status:#}"
    );
    assert!(status["tasks"][0]["attempts"].is_null(), "{status:#}");

    let status = stage.finished("forbidden");
    assert_eq!(status["reason"], "InvalidWorkflow");
    assert!(status["message"].as_str().is_some_and(|it| it.contains("no task may make a v1 Secret")), "{status:#}");

    assert!(stage.all("jobs").is_empty(), "none was made");
    // Once it may, another generation does it; a Job without containers is no Job.
    permit(&stage, "nobody", "batch", "jobs");
    stage.patch("denied", r#"{"spec": {"retry": {"generation": 1}}}"#);
    let status = stage.until("the next generation to end", || {
        Some(stage.finished("denied")).filter(|status| status["generation"] == 1)
    });
    assert_eq!(status["tasks"][0]["reason"], "ResourceInvalid");
    assert!(status["message"].as_str().is_some_and(|it| it.contains("spec.template")), "{status:#}");
    println!("{}", stage.is_clean());
}

#[test]
fn an_object_that_the_operator_may_not_see_says_so_until_it_may() {
    let kind = Kind { group: "hidden.example.org" };
    let mut stage = Stage::without_operator("resource-hidden");
    kind.install(&stage);
    permit(&stage, "default", kind.group, "loads");
    let all = |group: &str| json!({ "apiGroups": [group], "resources": ["*"], "verbs": ["*"] });
    let no_look = json!({ "apiGroups": [kind.group], "resources": ["loads"], "verbs": ["create"] });
    let others = ["", "gantline.dev", "events.k8s.io", "authorization.k8s.io"].map(all);
    let rules = |own: &Value| json!([&others[..], std::slice::from_ref(own)].concat());
    stage.reaches_by(as_someone(&stage, &rules(&no_look)));
    let mut stage = stage.granting(&[&kind.grant()]);
    stage.apply(&run("run", &json!([load(&kind, &json!({}))])));
    let hidden = |stage: &Stage, phase: &str| {
        let task = stage.until("what the task waits for", || {
            let task = stage.task("run", "load");
            let words = task["waitingFor"]["detail"].as_str().unwrap_or_default();
            (task["waitingFor"]["kind"] == "Admission" && words.contains("cannot get resource")).then_some(task)
        });
        let words = task["waitingFor"]["detail"].as_str().unwrap_or_default();
        assert!(words.contains("a look at its Load, which fails"), "{task:#}");
        assert_eq!(task["phase"], phase, "{task:#}");
        let message = stage.status("run")["message"].clone();
        assert!(message.as_str().is_some_and(|it| it.starts_with("load: Admission: a look at its Load")), "{message}");
    };
    let may = |stage: &Stage, verbs: &[&str]| {
        let own = json!({ "apiGroups": [kind.group], "resources": ["loads"], "verbs": verbs });
        let role = json!({ "rules": rules(&own) }).to_string();
        stage.kubectl(&["patch", "role", "someone", "--type=merge", "-p", &role]);
    };
    hidden(&stage, "Starting");
    assert_eq!(stage.all(&loads(&kind)).len(), 1, "one was made");
    may(&stage, &["*"]);
    let name = object_of(&stage, "run", "load", 1);
    assert!(stage.task_in("run", "load", "Running")["waitingFor"].is_null());

    // The same of what runs. A watch that has begun goes on for minutes, whatever its rights have become.
    may(&stage, &["create"]);
    let user = format!("--as=someone-of-{}", stage.namespace);
    stage.until("the rights to be gone", || {
        let may_list = stage.try_kubectl(&["auth", "can-i", "list", &loads(&kind), &user]);
        String::from_utf8_lossy(&may_list.stdout).starts_with("no").then_some(())
    });
    stage.kill_operator();
    stage.start_operator();
    hidden(&stage, "Running");
    may(&stage, &["*"]);
    stage.until("nothing to be waited for", || stage.task("run", "load")["waitingFor"].is_null().then_some(()));
    assert_eq!(stage.task("run", "load")["phase"], "Running");
    says(&stage, &kind, &name, &json!({"phase": "Done", "rows": 7}));
    assert_eq!(stage.succeeds("run")["tasks"][0]["outputs"], json!({"rows": 7}));
    println!("{}", stage.is_clean());
}

#[test]
fn the_operator_refuses_to_start_with_a_kind_that_gives_rights() {
    for kind in ["v1/Secret=secrets", "rbac.authorization.k8s.io/v1/Role=roles", "v1/Pod=pods"] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_gantline"))
            .args(["run", "--health-address", "127.0.0.1:0", "--resource-tasks", kind])
            .output()
            .expect("it runs");
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && words.contains("may not be made by tasks"), "{kind}: {words}");
    }
}
