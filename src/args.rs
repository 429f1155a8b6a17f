//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::plan::Grant;
use crate::pods::PodSecurity;
use crate::telemetry::LogFormat;

/// Runs workflows on Kubernetes as custom resources.
#[derive(Debug, Parser)]
#[command(name = "gantline", version, about)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the operator.
    Run(Run),
    /// Take Gantline's finalizer off all pods, so that they can be deleted without the operator. Run before uninstalling.
    Release(Release),
    /// Say what is wrong with manifests, each mistake at its line and column; no cluster is asked. Exit code 1 if there is an error
    /// among them, 0 if not, 2 if a file can't be read.
    Check(Check),
    /// Show a run whole: its tasks with their attempts, and every transition from its first to its newest, also what its status no
    /// longer holds. Exit code 1 if a part of that is missing; what is there is shown all the same.
    Describe(Describe),
    /// Write the custom resource definitions as YAML, one file each.
    Crds {
        /// Folder to write them to.
        #[arg(long, default_value = "crds")]
        out: PathBuf,
    },
    /// Run a workflow of two tasks and report its end; exit code 1 unless it succeeded.
    Selftest {
        /// Namespace of the run.
        #[arg(long)]
        namespace: String,
        /// Image that has the command `true`.
        #[arg(long, default_value = "busybox:1.37")]
        image: String,
        /// How long to wait for its end, as in `120s`.
        #[arg(long, default_value = "120s", value_parser = duration)]
        timeout: std::time::Duration,
    },
}

/// Options of the operator.
#[derive(Debug, Args)]
pub struct Run {
    /// Where.
    #[command(flatten)]
    pub scope: Scope,
    /// Address for /livez and /readyz.
    #[arg(long, env = "GANTLINE_HEALTH_ADDRESS", default_value = "0.0.0.0:8080")]
    pub health_address: SocketAddr,
    /// What pods are made with unless their template says otherwise.
    #[arg(long, env = "GANTLINE_POD_SECURITY", value_enum, default_value = "baseline")]
    pub pod_security: Level,
    /// Kinds of objects that `resource` tasks may make, each as apiVersion/Kind=plural and separated by commas, as in
    /// batch/v1/Job=jobs. Default: none. Kinds that hold secrets or give rights are refused.
    #[arg(long, env = "GANTLINE_RESOURCE_TASKS", value_delimiter = ',')]
    pub resource_tasks: Vec<Grant>,
    /// Form of log lines.
    #[arg(long, env = "GANTLINE_LOG_FORMAT", value_enum, default_value = "text")]
    pub log_format: LogFormat,
    /// Name of the Lease, in the operator's own namespace, through which one of several operators leads. Without it, this one
    /// always does.
    #[arg(long, env = "GANTLINE_LEASE")]
    pub lease: Option<String>,
    /// The namespace that the operator itself lives in. Default: that of its service account.
    #[arg(long, env = "GANTLINE_NAMESPACE")]
    pub own_namespace: Option<String>,
}

/// Options of `release`.
#[derive(Debug, Args)]
pub struct Release {
    /// Where.
    #[command(flatten)]
    pub scope: Scope,
    /// First scale this Deployment, the operator's, to zero and wait until it has stopped.
    #[arg(long, requires = "namespace")]
    pub scale_down: Option<String>,
    /// Namespace of that Deployment.
    #[arg(long)]
    pub namespace: Option<String>,
}

/// Options of `check`.
#[derive(Debug, Args)]
pub struct Check {
    /// Manifests in YAML or JSON, checked together; `-` is standard input. Objects of other kinds are passed over.
    #[arg(required_unless_present = "codes", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Form of what is found; for tools an array of objects with file, line, column, path, code, severity, message and object.
    #[arg(short, long, value_enum, default_value = "text")]
    pub output: Output,
    /// Say what each code means, and check nothing.
    #[arg(long, conflicts_with = "files")]
    pub codes: bool,
}

/// Options of `describe`.
#[derive(Debug, Args)]
pub struct Describe {
    /// Name of the WorkflowRun.
    #[arg(value_name = "RUN")]
    pub run: String,
    /// Its namespace. Default: that of the kubeconfig's current context.
    #[arg(short, long)]
    pub namespace: Option<String>,
    /// Form of what is shown; for tools an object of run, tasks, transitions, whole and problems.
    #[arg(short, long, value_enum, default_value = "text")]
    pub output: Output,
}

/// Form of what is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// For tools.
    Json,
}

/// Where to work.
#[derive(Debug, Args)]
pub struct Scope {
    /// Namespaces to work in, separated by commas. Default: all.
    #[arg(long, env = "GANTLINE_WATCH_NAMESPACES", value_delimiter = ',')]
    pub watch_namespaces: Vec<String>,
}

impl Scope {
    /// The namespaces, without empty ones.
    #[must_use]
    pub fn namespaces(self) -> Vec<String> {
        self.watch_namespaces.into_iter().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
    }
}

/// Level of the Pod Security standards.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Level {
    /// What any namespace accepts.
    Baseline,
    /// Also where the restricted standard is enforced: not as root, without capabilities.
    Restricted,
}

impl From<Level> for PodSecurity {
    fn from(level: Level) -> Self {
        match level {
            Level::Baseline => Self::Baseline,
            Level::Restricted => Self::Restricted,
        }
    }
}

/// Seconds or minutes: `90s`, `2m`.
fn duration(text: &str) -> Result<std::time::Duration, String> {
    let wrong = || format!("`{text}` is not a duration: write seconds or minutes, as in 90s or 2m");
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let number: u32 = number.parse().map_err(|_| wrong())?;
    match unit {
        "s" => Ok(std::time::Duration::from_secs(number.into())),
        "m" => Ok(std::time::Duration::from_secs(u64::from(number) * 60)),
        _ => Err(wrong()),
    }
}
