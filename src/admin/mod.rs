//! Floor 6: HTTP on a port of its own: a page for people at `/`; `/metrics`, `/report`, `/livez`, `/readyz`. Reads, never decides.
//!
//! Plain HTTP/1 without authentication: loopback by default. A client gets [`HEADER_TIMEOUT`] for its request's header and
//! there are at most [`MAX_CONNECTIONS`], [`MAX_FROM_ADDRESS`] of one address, none older than [`MAX_AGE`] and [`LAST_ANSWER`]
//! together. Beyond that the newest takes the place of the oldest, so that nobody who holds on keeps others out. Metrics are
//! gathered off the workers that move Kafka's bytes.

mod page;
pub mod report;
mod seats;

use crate::telemetry::{Readiness, Telemetry};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use report::Report;
use seats::Seats;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// At a time, in all and from one address.
pub const MAX_CONNECTIONS: usize = 64;
pub const MAX_FROM_ADDRESS: usize = 16;
/// Answers that are gathered at a time; more wait, so that asking fast takes no more than so many CPUs.
const GATHERED_AT_A_TIME: usize = 2;
/// For a request's header, and between two requests on one connection.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// A request's header: so many bytes, and so many fields.
const MAX_HEADER_BYTES: usize = 16 * 1024;
const MAX_HEADERS: usize = 64;
/// A connection that is older answers what it is asked at the moment, and ends.
pub const MAX_AGE: Duration = Duration::from_secs(60);
/// For that answer. Who reads it slower, to hold a place, is cut off.
pub const LAST_ANSWER: Duration = Duration::from_secs(15);

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

/// Binds the port, unless it was `passed`, before anything else starts.
///
/// # Errors
/// Another process has it, the address is not this machine's, or the port is privileged.
pub async fn bind(
    settings: &Settings,
    passed: Option<std::net::TcpListener>,
) -> Result<Admin, Error> {
    let bind = settings.bind;
    let bound = async {
        let listener = match passed {
            Some(passed) => TcpListener::from_std(passed)?,
            None => TcpListener::bind(bind).await?,
        };
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
        let source = Source {
            telemetry,
            gathering: Arc::new(Semaphore::new(GATHERED_AT_A_TIME)),
        };
        let seats = Arc::new(Seats::default());
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let accepting = async {
            loop {
                let (stream, peer) = accept(&self.listener).await;
                let seat = Seats::take(&seats, peer.ip());
                // Whoever was sent away for it leaves within a wake. The semaphore is never closed.
                let place = places.clone().acquire_owned().await;
                let connection = connection(stream, source.clone());
                let stop = stop.clone();
                tokio::spawn(async move {
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = seat.given_away() => debug!(%peer, "admin: a newer connection takes the place of this one"),
                        () = connection => {}
                    }
                    drop((seat, place));
                });
            }
        };
        stop.run_until_cancelled(accepting).await;
    }
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                // Out of descriptors, mostly: it passes, and asking at once again would burn a CPU until then.
                warn!(%error, "admin: no connection accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// What answers are made of.
#[derive(Clone)]
struct Source {
    telemetry: Arc<Telemetry>,
    gathering: Arc<Semaphore>,
}

async fn connection(stream: TcpStream, source: Source) {
    let service = service_fn(|request| answer(request, source.clone()));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEADER_BYTES)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    let mut served = pin!(served);
    let ended = match timeout(MAX_AGE, served.as_mut()).await {
        Ok(ended) => Ok(ended),
        Err(_) => {
            served.as_mut().graceful_shutdown();
            timeout(LAST_ANSWER, served).await
        }
    };
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%error, "admin: connection ends"),
        Err(_) => debug!("admin: a client that does not read its answer is cut off"),
    }
}

type Answer = Response<Full<Bytes>>;

async fn answer(request: Request<Incoming>, source: Source) -> Result<Answer, Infallible> {
    let readable = matches!(*request.method(), Method::GET | Method::HEAD);
    let mut answer = match request.uri().path() {
        "/" | "/page.css" | "/page.js" | "/metrics" | "/report" | "/livez" | "/readyz"
            if !readable =>
        {
            let mut answer = plain(
                StatusCode::METHOD_NOT_ALLOWED,
                "only GET and HEAD are answered\n",
            );
            answer
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            answer
        }
        "/" => page(source).await,
        "/page.css" => of_format("text/css; charset=utf-8", page::STYLE.into()),
        "/page.js" => of_format("text/javascript; charset=utf-8", page::SCRIPT.into()),
        "/metrics" => metrics(source).await,
        "/report" => report(source).await,
        "/livez" => plain(StatusCode::OK, "alive\n"),
        "/readyz" => match source.telemetry.readiness() {
            Readiness::Ready => plain(StatusCode::OK, "ready\n"),
            Readiness::Starting => plain(
                StatusCode::SERVICE_UNAVAILABLE,
                "starting: the cluster has not been seen yet\n",
            ),
            Readiness::Draining => plain(StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
        },
        _ => plain(
            StatusCode::NOT_FOUND,
            "here are / (a page for people), /metrics, /report, /livez and /readyz\n",
        ),
    };
    guard(&mut answer);
    Ok(answer)
}

/// What a browser is not to do with any answer: names in it may be hostile.
fn guard(answer: &mut Answer) {
    let headers: [(HeaderName, &'static str); 4] = [
        (CONTENT_SECURITY_POLICY, page::CONTENT_SECURITY_POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in headers {
        let value = HeaderValue::from_static(value);
        answer.headers_mut().insert(name, value);
    }
}

async fn page(source: Source) -> Answer {
    gathered(source, "text/html; charset=utf-8", |telemetry| {
        Some(page::html(&Report::of(telemetry)).into_bytes())
    })
    .await
}

async fn metrics(source: Source) -> Answer {
    // Ten thousand series take 24 ms.
    let format = "text/plain; version=0.0.4; charset=utf-8";
    gathered(source, format, |telemetry| Some(telemetry.exposition())).await
}

async fn report(source: Source) -> Answer {
    gathered(source, "application/json", |telemetry| {
        serde_json::to_vec_pretty(&Report::of(telemetry)).ok()
    })
    .await
}

/// What takes long to gather is gathered off the workers.
async fn gathered(
    source: Source,
    format: &'static str,
    gather: impl FnOnce(&Telemetry) -> Option<Vec<u8>> + Send + 'static,
) -> Answer {
    let Source {
        telemetry,
        gathering,
    } = source;
    // It goes on when nobody waits for it any more, and is counted until its end. The semaphore is never closed.
    let turn = gathering.acquire_owned().await;
    let gather = move || {
        let gathered = gather(&telemetry);
        drop(turn);
        gathered
    };
    match tokio::task::spawn_blocking(gather).await {
        Ok(Some(body)) => of_format(format, Bytes::from(body)),
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
    let mut answer = of_format("text/plain; charset=utf-8", text.into());
    *answer.status_mut() = status;
    answer
}

fn of_format(format: &'static str, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    let format = HeaderValue::from_static(format);
    answer.headers_mut().insert(CONTENT_TYPE, format);
    answer
}

#[cfg(test)]
mod tests;
