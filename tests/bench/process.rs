//! Processes: the operator, and those that the cluster is made of.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::api::Result;

/// Ticks a second in which Linux tells CPU time (`sysconf(_SC_CLK_TCK)`, 100 on every platform of ours).
const TICKS: u64 = 100;
/// The longest that an operator takes until it is ready.
const PATIENCE: Duration = Duration::from_mins(1);

/// The operator's program, as it is released.
fn binary() -> Result<String> {
    std::env::var("GANTLINE_BENCH_OPERATOR").map_err(|_| "call tests/bench/run".to_owned())
}

/// Takes Gantline's finalizer off all pods of a namespace: a round that went wrong leaves nobody who would.
pub fn release(namespace: &str) -> Result<()> {
    let binary = binary()?;
    let released = Command::new(&binary)
        .args(["release", "--watch-namespaces", namespace])
        .env("RUST_LOG", "error")
        .stdout(Stdio::null())
        .status();
    match released {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{binary} release: {status}")),
        Err(error) => Err(format!("{binary}: {error}")),
    }
}

/// An operator for one namespace. It ends, as by `kill -9`, when it is dropped.
pub struct Operator {
    child: Child,
    health: SocketAddr,
}

impl Operator {
    /// Starts `$GANTLINE_BENCH_OPERATOR`.
    pub fn start(namespace: &str) -> Result<Self> {
        let binary = binary()?;
        // Free now; nobody else on this machine is about to take it.
        let health = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let health = health.map_err(|error| error.to_string())?;
        let child = Command::new(&binary)
            .args(["run", "--watch-namespaces", namespace, "--health-address", &health.to_string()])
            .env("RUST_LOG", std::env::var("RUST_LOG").unwrap_or_else(|_| "error".to_owned()))
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| format!("{binary}: {error}"))?;
        Ok(Self { child, health })
    }

    /// Waits until its caches are filled.
    pub async fn is_ready(&self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !self.answers().is_some_and(|answer| answer.starts_with("HTTP/1.1 200")) {
            if Instant::now() > deadline {
                return Err("the operator isn't ready after a minute".to_owned());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    fn answers(&self) -> Option<String> {
        let mut stream = TcpStream::connect(self.health).ok()?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok().map(|_| answer)
    }

    /// The CPU time that it has used.
    pub fn cpu(&self) -> Duration {
        cpu(self.child.id())
    }

    /// The most memory that it ever had, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) * 1024
    }

    /// Ends it, as by `kill -9`.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Whether it still runs.
    pub fn is_up(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The CPU time that the cluster's own processes have used, all together.
pub fn cluster_cpu(state: &Path) -> Duration {
    let files = std::fs::read_dir(state.join("run")).into_iter().flatten().flatten();
    let pids = files.filter(|file| file.path().extension().is_some_and(|it| it == "pid"));
    let pids = pids.filter_map(|file| std::fs::read_to_string(file.path()).ok()?.trim().parse().ok());
    pids.map(cpu).sum()
}

/// The machine's own measure of how busy it is: the load over a minute.
pub fn load_average() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0.0)
}

/// The CPU time that a process has used; zero if it is gone.
fn cpu(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // What comes after the name, which may hold anything: utime and stime are the 12th and 13th of it.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 1000 / TICKS)
}
