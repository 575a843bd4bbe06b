//! Floor 6: HTTP for machines, on a port of its own: `/metrics`, `/report`, `/livez`, `/readyz`. Reads, never decides.
//!
//! Plain HTTP/1 without authentication: loopback by default. A client gets [`HEADER_TIMEOUT`] for its request's header and
//! there are at most [`MAX_CONNECTIONS`]; metrics are gathered off the workers that move Kafka's bytes.

pub mod report;

use crate::telemetry::{Readiness, Telemetry};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use report::Report;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// At a time; more wait unaccepted.
pub const MAX_CONNECTIONS: usize = 64;
/// For a request's header, and between two requests on one connection.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// `[admin]`
#[derive(Clone, Debug)]
pub struct Settings {
    /// Port 0 takes a free one.
    pub bind: SocketAddr,
}

/// The port cannot be had.
#[derive(Debug, thiserror::Error)]
#[error(
    "admin.bind: cannot listen on {bind}: {source}; allowed: a free port on an address of this machine (--admin-bind)"
)]
pub struct Error {
    bind: SocketAddr,
    source: io::Error,
}

/// A bound port, not yet served.
#[derive(Debug)]
pub struct Admin {
    listener: TcpListener,
    address: SocketAddr,
}

/// Binds the port, before anything else starts.
///
/// # Errors
/// Another process has it, the address is not this machine's, or the port is privileged.
pub async fn bind(settings: &Settings) -> Result<Admin, Error> {
    let bind = settings.bind;
    let bound = async {
        let listener = TcpListener::bind(bind).await?;
        let address = listener.local_addr()?;
        Ok(Admin { listener, address })
    };
    bound.await.map_err(|source| Error { bind, source })
}

impl Admin {
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop`, then drops what is open.
    pub async fn serve(self, telemetry: Arc<Telemetry>, stop: CancellationToken) {
        let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let accepting = async {
            // The semaphore is never closed.
            while let Ok(slot) = slots.clone().acquire_owned().await {
                let stream = accept(&self.listener).await;
                let connection = connection(stream, telemetry.clone());
                let stop = stop.clone();
                tokio::spawn(async move {
                    stop.run_until_cancelled(connection).await;
                    drop(slot);
                });
            }
        };
        stop.run_until_cancelled(accepting).await;
    }
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                // Out of descriptors, mostly: it passes, and asking at once again would burn a CPU until then.
                warn!(%error, "admin: no connection accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, telemetry: Arc<Telemetry>) {
    let service = service_fn(|request| answer(request, telemetry.clone()));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(16 * 1024)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = served.await {
        debug!(%error, "admin: connection ends");
    }
}

type Answer = Response<Full<Bytes>>;

async fn answer(
    request: Request<Incoming>,
    telemetry: Arc<Telemetry>,
) -> Result<Answer, Infallible> {
    let readable = matches!(*request.method(), Method::GET | Method::HEAD);
    Ok(match request.uri().path() {
        "/metrics" | "/report" | "/livez" | "/readyz" if !readable => {
            let mut answer = plain(
                StatusCode::METHOD_NOT_ALLOWED,
                "only GET and HEAD are answered\n",
            );
            answer
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            answer
        }
        "/metrics" => metrics(telemetry).await,
        "/report" => report(telemetry).await,
        "/livez" => plain(StatusCode::OK, "alive\n"),
        "/readyz" => match telemetry.readiness() {
            Readiness::Ready => plain(StatusCode::OK, "ready\n"),
            Readiness::Starting => plain(
                StatusCode::SERVICE_UNAVAILABLE,
                "starting: the cluster has not been seen yet\n",
            ),
            Readiness::Draining => plain(StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
        },
        _ => plain(
            StatusCode::NOT_FOUND,
            "here are /metrics, /report, /livez and /readyz\n",
        ),
    })
}

async fn metrics(telemetry: Arc<Telemetry>) -> Answer {
    // Ten thousand series take 24 ms.
    let format = "text/plain; version=0.0.4; charset=utf-8";
    gathered(format, move || Some(telemetry.exposition())).await
}

async fn report(telemetry: Arc<Telemetry>) -> Answer {
    gathered("application/json", move || {
        serde_json::to_vec_pretty(&Report::of(&telemetry)).ok()
    })
    .await
}

/// What takes long to gather is gathered off the workers.
async fn gathered(
    format: &'static str,
    gather: impl FnOnce() -> Option<Vec<u8>> + Send + 'static,
) -> Answer {
    match tokio::task::spawn_blocking(gather).await {
        Ok(Some(body)) => {
            let mut answer = Response::new(Full::new(Bytes::from(body)));
            let format = HeaderValue::from_static(format);
            answer.headers_mut().insert(CONTENT_TYPE, format);
            answer
        }
        failed => {
            warn!(
                panicked = failed.is_err(),
                "admin: nothing could be gathered"
            );
            plain(
                StatusCode::INTERNAL_SERVER_ERROR,
                "it could not be gathered; the log says why\n",
            )
        }
    }
}

fn plain(status: StatusCode, text: &'static str) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *answer.status_mut() = status;
    let format = HeaderValue::from_static("text/plain; charset=utf-8");
    answer.headers_mut().insert(CONTENT_TYPE, format);
    answer
}

#[cfg(test)]
mod tests;
