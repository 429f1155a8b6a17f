//! What the operator tells of itself: logs on standard error, and health over HTTP.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use tracing_subscriber::EnvFilter;

/// The form of log lines.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What goes wrong in these parts of the client is told once more by whoever asked, with what it was about. To have their own words,
/// too, name them.
const TOLD_ELSEWHERE: &str = "kube_runtime::watcher=off,kube_client::client::builder=off";

/// Starts logging. `RUST_LOG` chooses what is logged; where it is unset, empty, or can't be parsed, everything from `info` on.
pub fn log(format: LogFormat) {
    let of = |chosen: &str| EnvFilter::try_new(format!("{TOLD_ELSEWHERE},{chosen}"));
    let chosen = std::env::var(EnvFilter::DEFAULT_ENV)
        .ok()
        .filter(|chosen| !chosen.is_empty())
        .and_then(|chosen| of(&chosen).ok());
    let filter = chosen.unwrap_or_else(|| EnvFilter::new(format!("{TOLD_ELSEWHERE},info")));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => builder.with_ansi(false).init(),
        LogFormat::Json => builder.json().init(),
    }
}

/// Whether the operator is ready: all caches are filled, but for those of namespaces that it has no rights in.
#[derive(Clone, Debug, Default)]
pub struct Ready(Arc<AtomicBool>);

impl Ready {
    /// It is ready from now on.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn code(&self) -> StatusCode {
        if self.0.load(Ordering::Relaxed) { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
    }
}

/// Serves `/livez` and `/readyz`.
///
/// # Errors
/// When the address can't be bound.
pub async fn serve(address: SocketAddr, ready: Ready) -> std::io::Result<()> {
    let routes = Router::new()
        .route("/livez", get(|| async { StatusCode::OK }))
        .route("/readyz", get(move || async move { ready.code() }));
    let listener = tokio::net::TcpListener::bind(address).await?;
    axum::serve(listener, routes).await
}
