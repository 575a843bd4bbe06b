//! A broker that answers every request with what stood behind its correlation id, without looking at it: as fast as one can be, for tests
//! in which a real one would be what is slow. A thread and a runtime of its own; gone when dropped.

use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

pub struct Echo {
    port: u16,
    runtime: Option<Runtime>,
}

/// ApiVersions version 0: no error, and that API in its versions 0 to 4.
pub const API_VERSIONS: [u8; 12] = [0, 0, 0, 0, 0, 1, 0, 18, 0, 0, 0, 4];

impl Echo {
    #[track_caller]
    pub fn start() -> Echo {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"));
        let listener = listener.expect("a port");
        let port = listener.local_addr().expect("its address").port();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer_all(stream));
            }
        });
        Echo {
            port,
            runtime: Some(runtime),
        }
    }

    pub fn addr(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(1));
        }
    }
}

/// Reads no more while its answers are not taken, as brokers do.
async fn answer_all(mut stream: TcpStream) {
    let (mut came, mut answers) = (Vec::new(), Vec::new());
    let mut part = vec![0; 64 * 1024];
    while let Ok(1..) = stream
        .read(&mut part)
        .await
        .inspect(|n| came.extend(&part[..*n]))
    {
        let mut rest = &came[..];
        while let Some((frame, behind)) = split(rest) {
            answer(frame, &mut answers);
            rest = behind;
        }
        let begun = came.len() - rest.len();
        came.drain(..begun);
        if stream.write_all(&answers).await.is_err() {
            return;
        }
        answers.clear();
    }
}

/// The first frame, without its size.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (size, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_be_bytes(*size) as usize)
}

fn answer(request: &[u8], answers: &mut Vec<u8>) {
    let (key, id) = (&request[..2], &request[4..8]);
    let body = match key {
        [0, 18] => &API_VERSIONS[..],
        _ => &request[8..],
    };
    answers.extend((body.len() as u32 + 4).to_be_bytes());
    answers.extend(id);
    answers.extend(body);
}
