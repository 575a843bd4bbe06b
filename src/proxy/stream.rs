//! A byte stream to a peer: an enum, so that the driver's reads and writes are direct calls. Idle plaintext connections must not pay
//! for TLS: those variants are boxed.

use super::tls;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::{client, server};

/// See the module.
#[derive(Debug)]
pub enum Stream {
    Plain(TcpStream),
    /// A client that came by TLS.
    ClientTls(Box<server::TlsStream<TcpStream>>),
    /// A broker that is reached by TLS.
    BrokerTls(Box<client::TlsStream<TcpStream>>),
}

impl Stream {
    /// Who a verified client certificate says that it is, in Kafka's form; `None` without one.
    pub fn principal(&self) -> Option<String> {
        match self {
            Stream::ClientTls(stream) => tls::principal(stream.get_ref().1.peer_certificates()),
            Stream::Plain(_) | Stream::BrokerTls(_) => None,
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::ClientTls(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::BrokerTls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::ClientTls(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::BrokerTls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Stream::ClientTls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Stream::BrokerTls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::ClientTls(stream) => Pin::new(stream).poll_flush(cx),
            Stream::BrokerTls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::ClientTls(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::BrokerTls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
