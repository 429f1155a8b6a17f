//! What each subcommand does.

use std::io::{Read, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::{Client, Config};
use tokio::signal::unix::{SignalKind, signal};

use crate::args::{Check, Cli, Command, Describe, Output, Release, Run};
use crate::check::{self, Source};
use crate::controller::history::{self, History};
use crate::controller::{Cluster, Context, Settings, release, selftest};
use crate::describe::{Part, Story};
use crate::lease::{Permit, Place};
use crate::plan::Granted;
use crate::telemetry::{self, Ready};
use crate::{api, controller, engine};

/// Where a pod finds the name of its own namespace (Kubernetes documentation: Accessing the API from within a Pod).
const OWN_NAMESPACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";
/// How our requests name us.
const USER_AGENT: &str = concat!("gantline/", env!("CARGO_PKG_VERSION"));
/// Without it, the pod has no name of its own.
const HOSTNAME: &str = "HOSTNAME";
/// How often a stopping operator asks whether it goes for good, and lets go of its pods, if that fails.
const LEAVE_TRIES: u32 = 5;
/// The pause between.
const LEAVE_PAUSE: Duration = Duration::from_secs(1);

/// What can go wrong outside of any run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no way to a cluster.
    #[error("no way to a Kubernetes cluster: {0}; set KUBECONFIG, or run inside a pod")]
    NoCluster(String),
    /// A lease needs a namespace.
    #[error(
        "--lease needs the namespace that it is in: set --own-namespace, or run inside a pod with a service account"
    )]
    NoNamespace,
    /// The API server did not do as asked.
    #[error(transparent)]
    Cluster(#[from] controller::Failure),
    /// The operator itself broke.
    #[error(transparent)]
    Broken(#[from] controller::Broken),
    /// A file could not be written.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: String,
        /// Why.
        error: String,
    },
    /// A file to check can't be read.
    #[error("{path}: {error}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        error: String,
    },
    /// The health address can't be served.
    #[error("can't serve health at {address}: {error}")]
    Health {
        /// The address.
        address: String,
        /// Why.
        error: std::io::Error,
    },
    /// There is no such run.
    #[error(
        "there is no WorkflowRun {name} in namespace {namespace}: `kubectl get wfr -n {namespace}` says which there are"
    )]
    NoRun {
        /// Its name.
        name: String,
        /// Its namespace.
        namespace: String,
    },
    /// The self-test's run did not succeed.
    #[error("the self-test's run ended {0}")]
    SelfTest(String),
}

impl Error {
    /// The exit code that tells of it.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            // As clap ends where the command line is wrong.
            Self::Unreadable { .. } => ExitCode::from(2),
            _ => ExitCode::FAILURE,
        }
    }
}

/// Does what the command line asks for. The exit code says more than that it was done only where a command is a question.
///
/// # Errors
/// What stopped it, for the terminal.
pub async fn main(cli: Cli) -> Result<ExitCode, Error> {
    match cli.command {
        Command::Check(options) => return check_files(&options),
        Command::Describe(options) => return describe(options).await,
        Command::Run(options) => operate(options).await,
        Command::Release(options) => let_go(options).await,
        Command::Crds { out } => write_crds(&out),
        Command::Selftest { namespace, image, timeout } => test(&namespace, &image, timeout).await,
    }
    .map(|()| ExitCode::SUCCESS)
}

/// Connects; `identity` tells the requests of one process from those of another.
async fn connect(identity: Option<&str>, permit: Permit) -> Result<Cluster, Error> {
    let no_cluster = |error: &dyn std::fmt::Display| Error::NoCluster(error.to_string());
    let mut config = Config::infer().await.map_err(|error| no_cluster(&error))?;
    // One request, one decision: a retry of the client's own would be a write that nobody decided on.
    config.default_retry = false;
    config.read_timeout = Some(controller::SILENCE);
    // So that an audit log tells who it was, deletions too.
    let agent = identity.map_or_else(|| USER_AGENT.to_owned(), |identity| format!("{USER_AGENT} ({identity})"));
    let agent = http::HeaderValue::from_str(&agent).map_err(|error| no_cluster(&error))?;
    config.headers.push((http::header::USER_AGENT, agent));
    Ok(Cluster::new(Client::try_from(config).map_err(|error| no_cluster(&error))?, permit))
}

async fn operate(options: Run) -> Result<(), Error> {
    telemetry::log(options.log_format);
    let own_namespace =
        options.own_namespace.clone().or_else(|| std::fs::read_to_string(OWN_NAMESPACE).ok()).unwrap_or_default();
    let identity = identity();
    let lease = match options.lease.clone() {
        Some(_) if own_namespace.is_empty() => return Err(Error::NoNamespace),
        name => name.map(|name| Place { namespace: own_namespace.clone(), name }),
    };
    let permit = if lease.is_some() { Permit::none() } else { Permit::always() };
    let cluster = connect(Some(&identity), permit).await?;
    let settings = Settings {
        namespaces: options.scope.namespaces(),
        pod_security: options.pod_security.into(),
        identity,
        lease,
        creates: controller::CREATES,
        kept_pods: engine::KEPT_PODS,
        granted: Granted::new(options.resource_tasks),
        hot: engine::HOT,
    };
    tracing::info!(version = env!("CARGO_PKG_VERSION"), namespaces = ?settings.namespaces, "starting");
    let ready = Ready::default();
    let health = tokio::spawn(telemetry::serve(options.health_address, ready.clone()));
    let context = Arc::new(Context::new(cluster, settings, Arc::new(Timestamp::now)));
    let announce = move || {
        ready.set();
        tracing::info!("caches filled; working");
    };
    tokio::select! {
        ended = controller::run(Arc::clone(&context), announce, stopped()) => ended?,
        ended = health => {
            let error = match ended {
                Ok(Err(error)) => error,
                _ => std::io::Error::other("the server ended"),
            };
            return Err(Error::Health { address: options.health_address.to_string(), error });
        }
    }
    tracing::info!("stopping");
    if !own_namespace.is_empty() {
        leave(&context, &own_namespace).await;
    }
    Ok(())
}

/// The name of the pod, and the time of this process's start: a container that is started anew is another one.
fn identity() -> String {
    let pod = std::env::var(HOSTNAME).unwrap_or_else(|_| "gantline".to_owned());
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '.') { c } else { '-' };
    format!("{}_{:x}", pod.chars().map(plain).collect::<String>(), Timestamp::now().as_microsecond())
}

/// Lets go of all pods if the operator's own namespace is being deleted: nobody will be there to do it later, neither here nor
/// elsewhere, as nothing brings this operator back. That needs no lease, since the lease goes too.
async fn leave(context: &Context, own_namespace: &str) {
    let (cluster, namespaces) = (context.cluster.unguarded(), &context.settings.namespaces);
    for _ in 0..LEAVE_TRIES {
        let released = async {
            if !release::is_terminating(&cluster, own_namespace).await? {
                return Ok(None);
            }
            release::everything(&cluster, namespaces).await.map(Some)
        };
        match released.await {
            Ok(Some(released)) => {
                return tracing::info!(released, "the operator's own namespace is being deleted; let go of all pods");
            }
            Ok(None) => return,
            Err(failure) => {
                tracing::warn!(%failure, "stopping; can't tell whether for good, or not let go of all pods");
            }
        }
        tokio::time::sleep(LEAVE_PAUSE).await;
    }
}

/// Resolves when the process is asked to stop.
async fn stopped() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

async fn let_go(options: Release) -> Result<(), Error> {
    let cluster = connect(None, Permit::always()).await?;
    if let (Some(deployment), Some(namespace)) = (&options.scale_down, &options.namespace) {
        println!("stopping the operator (deployment {deployment} in {namespace})");
        release::stop_operator(&cluster, namespace, deployment).await?;
    }
    let released = release::everything(&cluster, &options.scope.namespaces()).await?;
    println!("took the finalizer {} off {released} pods", api::FINALIZER);
    Ok(())
}

async fn describe(options: Describe) -> Result<ExitCode, Error> {
    let cluster = connect(None, Permit::always()).await?;
    let Describe { run: name, namespace, output } = options;
    let namespace = namespace.unwrap_or_else(|| cluster.client().default_namespace().to_owned());
    let Some(History { run, plan, parts, outputs }) = history::read(&cluster, &namespace, &name).await? else {
        return Err(Error::NoRun { name, namespace });
    };
    let parts: Vec<Part> = parts.into_iter().map(|(name, segment)| Part { name, segment }).collect();
    let story = Story::new(&run, plan.as_ref(), &parts, &outputs);
    print(&match output {
        Output::Text => story.text(),
        Output::Json => story.json(),
    });
    Ok(if story.is_whole() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn test(namespace: &str, image: &str, timeout: Duration) -> Result<(), Error> {
    let cluster = connect(None, Permit::always()).await?;
    println!("running two tasks in namespace {namespace}");
    let (phase, message) = selftest::run(&cluster, namespace, image, timeout).await?;
    println!("{phase}: {message}");
    if phase == "Succeeded" { Ok(()) } else { Err(Error::SelfTest(format!("{phase}: {message}"))) }
}

/// Writes the CRDs. The chart carries a copy, as Helm reads no file outside of it.
fn write_crds(out: &Path) -> Result<(), Error> {
    for (name, text) in api::crd_files() {
        let path = out.join(name);
        let failed =
            |error: &dyn std::fmt::Display| Error::File { path: path.display().to_string(), error: error.to_string() };
        std::fs::create_dir_all(out).map_err(|error| failed(&error))?;
        std::fs::write(&path, text.map_err(|error| failed(&error))?).map_err(|error| failed(&error))?;
    }
    Ok(())
}

fn check_files(options: &Check) -> Result<ExitCode, Error> {
    if options.codes {
        print(&check::codes());
        return Ok(ExitCode::SUCCESS);
    }
    let sources = options.files.iter().map(|path| source(path)).collect::<Result<Vec<_>, _>>()?;
    let report = check::check(&sources);
    print(&match options.output {
        Output::Text => check::human(&report, sources.len()),
        Output::Json => check::json(&report),
    });
    Ok(if report.has_errors() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Reads a file, or standard input.
fn source(path: &Path) -> Result<Source, Error> {
    let name = path.display().to_string();
    let read = |reader: &mut dyn Read| {
        let mut bytes = Vec::new();
        let most = u64::try_from(check::FILE_BYTES).unwrap_or(u64::MAX);
        reader.take(most.saturating_add(1)).read_to_end(&mut bytes).map(|_| bytes)
    };
    let bytes = if name == "-" {
        read(&mut std::io::stdin().lock())
    } else {
        std::fs::File::open(path).and_then(|mut file| read(&mut file))
    };
    match bytes {
        Ok(bytes) if bytes.len() > check::FILE_BYTES => {
            let error = format!("has more than {} MiB: split it", check::FILE_BYTES / 1024 / 1024);
            Err(Error::Unreadable { path: name, error })
        }
        Ok(bytes) => Ok(Source { name, bytes }),
        Err(error) => Err(Error::Unreadable { path: name, error: error.to_string() }),
    }
}

/// Prints a report. Whoever has closed the pipe has read enough.
fn print(text: &str) {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}
