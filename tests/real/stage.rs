//! What a test plays on: a namespace, an operator that watches it alone, and kubectl.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::api;
use super::audited::Audited;
use super::proxy::Proxy;

/// The longest that a test waits for anything; on a busy machine a pod takes many times its usual two seconds.
pub const PATIENCE: Duration = Duration::from_mins(3);

static CRDS: Once = Once::new();
static COUNT: AtomicU32 = AtomicU32::new(0);

/// A namespace with an operator.
pub struct Stage {
    pub namespace: String,
    /// Everything that happened in it.
    pub audited: Audited,
    operator: Option<Process>,
    /// What its operators go through, if anything.
    proxy: Option<Proxy>,
    /// What else its operators watch.
    elsewhere: Option<String>,
    /// How else its operators reach the API server, if they do.
    kubeconfig: Option<PathBuf>,
    /// The kinds of objects that its operators let tasks make, as their command line has it.
    granted: String,
}

/// A process that ends, as by `kill -9`, when it is dropped.
pub struct Process(pub Child);

impl Process {
    /// Sends it a signal, by the name that `kill` knows it by.
    pub fn signal(&self, signal: &str) {
        let kill = Command::new("kill").args(["-s", signal, &self.0.id().to_string()]).status().expect("kill runs");
        assert!(kill.success(), "kill -s {signal}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().expect("the process is killed");
        self.0.wait().expect("the process ends");
    }
}

impl Stage {
    /// A fresh namespace, its name from `name` and this process, and an operator for it.
    pub fn new(name: &str) -> Self {
        let mut stage = Self::without_operator(name);
        stage.start_operator();
        stage
    }

    /// A fresh namespace.
    pub fn without_operator(name: &str) -> Self {
        assert!(std::env::var_os("KUBECONFIG").is_some(), "these tests need a cluster of their own: call tests/run");
        CRDS.call_once(|| {
            kubectl(&["apply", "-f", concat!(env!("CARGO_MANIFEST_DIR"), "/crds")]);
            let established = ["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"];
            kubectl(&established);
        });
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let namespace = format!("{name}-{}-{number}", std::process::id());
        let audited = Audited::from_now(&namespace);
        kubectl(&["create", "namespace", &namespace]);
        let stage = Self {
            namespace,
            audited,
            operator: None,
            proxy: None,
            elsewhere: None,
            kubeconfig: None,
            granted: String::new(),
        };
        stage.until("the service account that pods need", || {
            stage.try_kubectl(&["get", "serviceaccount", "default"]).status.success().then_some(())
        });
        stage
    }

    /// A fresh namespace in which operators can be killed at any time without a gap in the audit log: their requests go through
    /// a proxy, and what is under way arrives and is answered though they are gone.
    pub fn for_kills(name: &str) -> Self {
        let mut stage = Self::without_operator(name);
        stage.proxy = Some(Proxy::new());
        stage
    }

    /// Its operators are to reach the API server by this file, which is the stage's from now on.
    pub fn reaches_by(&mut self, kubeconfig: PathBuf) {
        self.kubeconfig = Some(kubeconfig);
    }

    /// Its operators are to watch this namespace too.
    pub fn also_watches(&mut self, namespace: &str) {
        self.elsewhere = Some(namespace.to_owned());
    }

    /// The same with an operator that lets tasks make objects of these kinds.
    pub fn granting(mut self, kinds: &[&str]) -> Self {
        self.granted = kinds.join(",");
        self.start_operator();
        self
    }

    /// Starts the operator as a process; its log goes to the test's output.
    pub fn start_operator(&mut self) {
        assert!(self.operator.is_none(), "the operator runs");
        self.operator = Some(self.another_operator());
    }

    /// One more operator for the same namespace; it lives as long as what is returned.
    pub fn another_operator(&self) -> Process {
        Process(self.operator_command().spawn().expect("the operator starts"))
    }

    /// An operator for this namespace that reaches the API server in its own way. Of a crowd, only warnings are printed.
    pub fn operator_by(&self, kubeconfig: &Path) -> Process {
        let mut command = self.operator_command();
        command.env("KUBECONFIG", kubeconfig).env("RUST_LOG", "warn");
        Process(command.spawn().expect("the operator starts"))
    }

    /// One of several operators that share the lease `gantline` of this namespace. Its identity begins with `name`.
    pub fn replica(&self, name: &str, kubeconfig: Option<&Path>) -> Process {
        let mut command = self.operator_command();
        command.args(["--lease", "gantline", "--own-namespace", &self.namespace]).env("HOSTNAME", name);
        if let Some(kubeconfig) = kubeconfig {
            command.env("KUBECONFIG", kubeconfig);
        }
        Process(command.spawn().expect("the operator starts"))
    }

    fn operator_command(&self) -> Command {
        let namespaces: Vec<&str> =
            std::iter::once(&self.namespace).chain(&self.elsewhere).map(String::as_str).collect();
        let mut command = Command::new(env!("CARGO_BIN_EXE_gantline"));
        command
            .args(["run", "--watch-namespaces", &namespaces.join(","), "--health-address", "127.0.0.1:0"])
            .stdout(Stdio::null());
        if !self.granted.is_empty() {
            command.args(["--resource-tasks", &self.granted]);
        }
        if let Some(kubeconfig) = self.proxy.as_ref().map(Proxy::kubeconfig).or(self.kubeconfig.as_deref()) {
            command.env("KUBECONFIG", kubeconfig);
        }
        command
    }

    /// Ends the operator at once, as `kill -9` does.
    pub fn kill_operator(&mut self) {
        self.operator = None;
    }

    /// Whether the operator still runs.
    pub fn operator_is_up(&mut self) -> bool {
        self.operator.as_mut().is_some_and(|process| process.0.try_wait().expect("its state").is_none())
    }

    /// kubectl in this namespace; panics with its words if it fails.
    pub fn kubectl(&self, args: &[&str]) -> String {
        let mut all = vec!["--namespace", &self.namespace];
        all.extend(args);
        kubectl(&all)
    }

    /// kubectl in this namespace, whatever comes of it.
    pub fn try_kubectl(&self, args: &[&str]) -> Output {
        Command::new("kubectl").args(["--namespace", &self.namespace]).args(args).output().expect("kubectl runs")
    }

    /// Applies manifests; `Err` holds what kubectl said.
    pub fn try_apply(&self, yaml: &str) -> Result<String, String> {
        self.feed(&["apply", "-f", "-"], yaml)
    }

    /// kubectl in this namespace with something to read; `Err` holds what it said.
    pub fn feed(&self, args: &[&str], input: &str) -> Result<String, String> {
        let mut child = Command::new("kubectl")
            .args(["--namespace", &self.namespace])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kubectl runs");
        child.stdin.take().expect("its input").write_all(input.as_bytes()).expect("it reads");
        let output = child.wait_with_output().expect("kubectl ends");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }

    /// All objects of a kind as JSON, by name.
    pub fn all(&self, kind: &str) -> BTreeMap<String, Value> {
        let mut list: Value = serde_json::from_str(&self.kubectl(&["get", kind, "-o", "json"])).expect("JSON");
        let items = list["items"].as_array_mut().map(std::mem::take).unwrap_or_default();
        items.into_iter().map(|item| (item["metadata"]["name"].as_str().unwrap_or_default().to_owned(), item)).collect()
    }

    /// A merge patch of the run, as YAML or JSON.
    pub fn patch(&self, run: &str, patch: &str) {
        self.kubectl(&["patch", "wfr", run, "--type=merge", "-p", patch]);
    }

    /// A task's part of the run's status, null before there is one.
    pub fn task(&self, run: &str, task: &str) -> Value {
        let mut status = self.status(run);
        let tasks = status["tasks"].as_array_mut().map(std::mem::take).unwrap_or_default();
        tasks.into_iter().find(|it| it["name"] == task).unwrap_or_default()
    }

    /// Waits until a task is in a phase; returns its part of the status.
    pub fn task_in(&self, run: &str, task: &str, phase: &str) -> Value {
        self.until(&format!("task {task} of run {run} to be {phase}"), || {
            Some(self.task(run, task)).filter(|task| task["phase"] == phase)
        })
    }

    /// The pod of a task's newest attempt, once it is on record.
    pub fn pod_of(&self, run: &str, task: &str) -> String {
        self.until(&format!("a pod of task {task} of run {run}"), || {
            let status = self.task(run, task);
            let last = status["attempts"].as_array()?.last()?;
            last["uid"].is_string().then(|| last["pod"].as_str().map(str::to_owned))?
        })
    }

    /// Waits for the run's end, which must be a success; returns its status.
    pub fn succeeds(&self, run: &str) -> Value {
        let status = self.finished(run);
        assert_eq!(status["phase"], "Succeeded", "run {run}: {status:#}");
        status
    }

    /// Applies manifests.
    pub fn apply(&self, yaml: &str) {
        self.try_apply(yaml).unwrap_or_else(|error| panic!("kubectl apply: {error}"));
    }

    /// An object as JSON; `None` if it isn't there.
    pub fn get(&self, kind: &str, name: &str) -> Option<Value> {
        let output = self.try_kubectl(&["get", kind, name, "-o", "json"]);
        output.status.success().then(|| serde_json::from_slice(&output.stdout).expect("JSON"))
    }

    /// The run's status, null before it has one.
    pub fn status(&self, run: &str) -> Value {
        // Not the whole run: its spec may be nested deeper than a test can read.
        let status = self.try_kubectl(&["get", "wfr", run, "-o", "jsonpath={.status}"]);
        serde_json::from_slice(&status.stdout).unwrap_or_default()
    }

    /// Waits for the run's end, whatever it is; returns its status.
    pub fn finished(&self, run: &str) -> Value {
        let done = |condition: &Value| condition["type"] == "Finished" && condition["status"] == "True";
        self.until(&format!("the end of run {run}"), || {
            let status = self.status(run);
            status["conditions"].as_array().is_some_and(|all| all.iter().any(done)).then_some(status)
        })
    }

    /// The pods that any run made, whatever became of it.
    pub fn all_pods(&self) -> Vec<Value> {
        let text = self.kubectl(&["get", "pods", "-l", "gantline.dev/run-uid", "-o", "json"]);
        let mut list: Value = serde_json::from_str(&text).expect("JSON");
        list["items"].as_array_mut().map(std::mem::take).unwrap_or_default()
    }

    /// The names of the run's pods.
    pub fn pods(&self, run: &str) -> Vec<String> {
        let selector = format!("gantline.dev/run={run}");
        let names = self.kubectl(&["get", "pods", "-l", &selector, "-o", "jsonpath={.items[*].metadata.name}"]);
        names.split_whitespace().map(str::to_owned).collect()
    }

    /// Panics if the audit log tells of anything that must never happen; returns figures.
    pub fn is_clean(&self) -> String {
        self.comes_to_rest();
        self.audited.is_clean()
    }

    /// Waits until every pod that is over, or on its way, has been let go.
    pub fn comes_to_rest(&self) {
        let is_over = |pod: &Value| {
            let ended = ["Succeeded", "Failed"].iter().any(|phase| pod["status"]["phase"] == *phase);
            ended || pod["metadata"]["deletionTimestamp"].is_string()
        };
        self.until("the release of all pods that are over", || {
            let pods = api::list(&api::pods(&self.namespace));
            (!pods.iter().any(|pod| is_over(pod) && api::held(pod))).then_some(())
        });
    }

    /// Asks until there is an answer; panics with what was waited for, and the runs as they stand.
    pub fn until<T>(&self, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(answer) = ask() {
                return answer;
            }
            if Instant::now() > deadline {
                let runs = self.try_kubectl(&["get", "wfr,pods", "-o", "wide"]);
                panic!("waited in vain for {what}\n{}", String::from_utf8_lossy(&runs.stdout));
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.kill_operator();
        if let Some(kubeconfig) = &self.kubeconfig {
            std::fs::remove_file(kubeconfig).expect("the kubeconfig is removed");
        }
        if !std::thread::panicking() {
            // Nobody takes the finalizers off any more, so the pods' own deletion must not depend on it.
            let release = ["patch", "--type=merge", "-p", r#"{"metadata":{"finalizers":null}}"#];
            for pod in self.kubectl(&["get", "pods", "-o", "name"]).lines() {
                let mut args = release.to_vec();
                args.push(pod);
                self.try_kubectl(&args);
            }
            kubectl(&["delete", "namespace", &self.namespace, "--wait=false", "--ignore-not-found"]);
        }
    }
}

/// kubectl; panics with its words if it fails.
pub fn kubectl(args: &[&str]) -> String {
    let output = Command::new("kubectl").args(args).output().expect("kubectl runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "kubectl {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    text
}
