//! TLS on both sides: files -> rustls configurations, replaced for new connections when the files' content changes.
//!
//! Floor 5. One crypto provider, passed explicitly. A set of files that cannot be used leaves the one in force standing.
//! Old connections keep what they began with.

mod pem;

use arc_swap::ArcSwapOption;
use pem::{At, Holds};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    CertificateError, ClientConfig, PeerIncompatible, ServerConfig, SupportedProtocolVersion,
};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use x509_parser::prelude::{FromDer, X509Certificate};

static TLS13_ONLY: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];

/// The oldest version that is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MinVersion {
    Tls12,
    Tls13,
}

impl MinVersion {
    fn versions(self) -> &'static [&'static SupportedProtocolVersion] {
        match self {
            MinVersion::Tls12 => rustls::ALL_VERSIONS,
            MinVersion::Tls13 => TLS13_ONLY,
        }
    }

    /// As Kafka writes it in `ssl.enabled.protocols`.
    pub fn name(self) -> &'static str {
        match self {
            MinVersion::Tls12 => "TLSv1.2",
            MinVersion::Tls13 => "TLSv1.3",
        }
    }
}

/// Kafka's `ssl.client.auth`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    None,
    Requested,
    Required,
}

impl ClientAuth {
    pub fn name(self) -> &'static str {
        match self {
            ClientAuth::None => "none",
            ClientAuth::Requested => "requested",
            ClientAuth::Required => "required",
        }
    }
}

/// `[listener.tls]`
#[derive(Clone, Debug)]
pub struct ListenerFiles {
    pub certificate: PathBuf,
    pub private_key: PathBuf,
    pub client_auth: ClientAuth,
    pub client_ca: Option<PathBuf>,
    pub client_crls: Vec<PathBuf>,
    pub min_version: MinVersion,
}

/// `[cluster.tls]`
#[derive(Clone, Debug)]
pub struct ClusterFiles {
    /// `None`: the system's roots.
    pub ca: Option<PathBuf>,
    /// Certificate and private key, where the brokers ask for one.
    pub identity: Option<(PathBuf, PathBuf)>,
    pub min_version: MinVersion,
}

/// A file that cannot be used: the key that names it, the file, what was found, what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {}: found {found}; allowed: {allowed}", file.display())]
pub struct Error {
    pub key: &'static str,
    pub file: PathBuf,
    pub found: String,
    pub allowed: &'static str,
}

impl Error {
    /// Without the key.
    pub fn told(&self) -> String {
        format!(
            "{}: found {}; allowed: {}",
            self.file.display(),
            self.found,
            self.allowed
        )
    }
}

/// Every file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(Error::to_string).collect::<Vec<_>>().join("; "))]
pub struct Errors(pub Vec<Error>);

impl From<Error> for Errors {
    fn from(error: Error) -> Errors {
        Errors(vec![error])
    }
}

/// No certificate, key or list is larger; a path to something endless must not be read to its end.
const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;

/// One side's files, and what was made of them last.
pub struct Side<F, C> {
    pub files: F,
    current: ArcSwapOption<C>,
    /// What `current` was made of, and when its own certificate ends.
    read: Mutex<Read>,
}

/// What clients of the gateway meet.
pub type ListenerTls = Side<ListenerFiles, ServerConfig>;
/// What the gateway brings to brokers.
pub type ClusterTls = Side<ClusterFiles, ClientConfig>;

#[derive(Default)]
struct Read {
    contents: Vec<Vec<u8>>,
    not_after: Option<i64>,
}

/// Files from which a configuration is made.
pub trait Files: Sized {
    type Config;

    /// Every file, with the key that names it.
    fn list(&self) -> Vec<At<'_>>;
    /// `contents` in the order of `list`, each of them sound by itself; also when the own certificate ends, in seconds since 1970.
    fn build(&self, contents: &[Vec<u8>]) -> Result<(Self::Config, Option<i64>), Error>;
}

impl<F: Files<Config = C>, C> Side<F, C> {
    /// Reads nothing yet.
    pub fn new(files: F) -> Side<F, C> {
        Side {
            files,
            current: ArcSwapOption::empty(),
            read: Mutex::default(),
        }
    }

    /// Reads the files: whether new connections begin with something else than before.
    ///
    /// # Errors
    /// Every file that cannot be used. What was in force stays.
    pub fn reload(&self) -> Result<bool, Errors> {
        let list = self.files.list();
        let contents: Vec<_> = list.iter().map(|at| at.read(MAX_FILE_BYTES)).collect();
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let known = contents.len() == read.contents.len()
            && contents
                .iter()
                .zip(&read.contents)
                .all(|(now, then)| now.as_ref() == Ok(then));
        if known && self.current.load().is_some() {
            return Ok(false);
        }
        let mut errors = Vec::new();
        let mut sound = Vec::new();
        for (at, content) in list.iter().zip(contents) {
            match content.and_then(|content| at.check(&content).map(|()| content)) {
                Ok(content) => sound.push(content),
                Err(error) => errors.push(error),
            }
        }
        if !errors.is_empty() {
            return Err(Errors(errors));
        }
        let contents = sound;
        let (config, not_after) = self.files.build(&contents)?;
        self.current.store(Some(Arc::new(config)));
        *read = Read {
            contents,
            not_after,
        };
        Ok(true)
    }

    /// What a connection made now begins with; `None` before the first [`Self::reload`] that succeeded.
    pub fn current(&self) -> Option<Arc<C>> {
        self.current.load_full()
    }

    /// When the own certificate ends, in seconds since 1970.
    pub fn not_after(&self) -> Option<i64> {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.not_after
    }
}

impl ListenerTls {
    /// The first of `names` that the certificate is not for, and how many of them: clients that look at it refuse it there.
    /// `None`: it is for all, or was not read yet.
    pub fn not_for(&self, names: impl Iterator<Item = String>) -> Option<(String, usize)> {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let leaf = CertificateDer::from_pem_slice(read.contents.first()?).ok()?;
        let leaf = ParsedCertificate::try_from(&leaf).ok()?;
        let missing = |name: &String| match ServerName::try_from(name.as_str()) {
            Ok(server) => verify_server_name(&leaf, &server).is_err(),
            Err(_) => false,
        };
        let mut missing = names.filter(missing);
        let first = missing.next()?;
        Some((first, 1 + missing.count()))
    }
}

impl<F: std::fmt::Debug, C> std::fmt::Debug for Side<F, C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.files.fmt(f)
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// What rustls says of a certificate with its key, blamed on the key's file.
fn pair_error(at: At, error: &rustls::Error) -> Error {
    match error {
        rustls::Error::InconsistentKeys(_) => {
            at.wrong("a private key that does not belong to the certificate")
        }
        error => at.wrong(format!("a private key that cannot be used ({error})")),
    }
}

impl Files for ListenerFiles {
    type Config = ServerConfig;

    fn list(&self) -> Vec<At<'_>> {
        let (chain, key) = (&self.certificate, &self.private_key);
        let mut list = vec![
            At::new("listener.tls.certificate_file", chain, Holds::ServerChain),
            At::new("listener.tls.private_key_file", key, Holds::PrivateKey),
        ];
        if let Some(ca) = &self.client_ca {
            list.push(At::new(
                "listener.tls.client_ca_file",
                ca,
                Holds::Authorities,
            ));
        }
        let crls = self.client_crls.iter();
        list.extend(crls.map(|crl| At::new("listener.tls.client_crl_files", crl, Holds::Revoked)));
        list
    }

    fn build(&self, contents: &[Vec<u8>]) -> Result<(ServerConfig, Option<i64>), Error> {
        let list = self.list();
        let at = |position: usize| list[position];
        let (chain, not_after) = pem::chain(at(0), &contents[0])?;
        let key = pem::private_key(at(1), &contents[1])?;
        let builder = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(self.min_version.versions())
            .map_err(|error| pair_error(at(1), &error))?;
        let builder = match (self.client_auth, &self.client_ca) {
            (ClientAuth::None, _) | (_, None) => builder.with_no_client_auth(),
            (auth, Some(_)) => {
                let roots = Arc::new(pem::roots(at(2), &contents[2])?);
                let mut crls = Vec::new();
                for (position, pem) in contents.iter().enumerate().skip(3) {
                    crls.extend(pem::revoked(at(position), pem)?);
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider());
                let verifier = match crls.is_empty() {
                    true => verifier,
                    // Each certificate of the chain below the CA is looked up. Whose CA has no list here is let in; whom a
                    // list names is not, nor whom he has signed.
                    false => verifier.with_crls(crls).allow_unknown_revocation_status(),
                };
                let verifier = match auth {
                    ClientAuth::Required => verifier.build(),
                    _ => verifier.allow_unauthenticated().build(),
                };
                let blamed = at(if contents.len() > 3 { 3 } else { 2 });
                builder.with_client_cert_verifier(
                    verifier.map_err(|error| blamed.wrong(format!("{error}")))?,
                )
            }
        };
        let mut config = builder
            .with_single_cert(chain, key)
            .map_err(|error| pair_error(at(1), &error))?;
        config.ticketer = aws_lc_rs::Ticketer::new().map_err(|error| pair_error(at(1), &error))?;
        Ok((config, Some(not_after)))
    }
}

impl Files for ClusterFiles {
    type Config = ClientConfig;

    fn list(&self) -> Vec<At<'_>> {
        let mut list = Vec::new();
        if let Some((chain, key)) = &self.identity {
            let chain = At::new("cluster.tls.certificate_file", chain, Holds::ClientChain);
            let key = At::new("cluster.tls.private_key_file", key, Holds::PrivateKey);
            list.extend([chain, key]);
        }
        if let Some(ca) = &self.ca {
            list.push(At::new("cluster.tls.ca_file", ca, Holds::Authorities));
        }
        list
    }

    fn build(&self, contents: &[Vec<u8>]) -> Result<(ClientConfig, Option<i64>), Error> {
        let list = self.list();
        let at = |position: usize| list[position];
        let roots = match &self.ca {
            Some(_) => pem::roots(at(list.len() - 1), &contents[list.len() - 1])?,
            None => pem::system_roots()?,
        };
        let ca = self.ca.as_deref().unwrap_or(Path::new(""));
        let blamed = At::new("cluster.tls.ca_file", ca, Holds::Authorities);
        let wrong = |error: &dyn std::fmt::Display| blamed.wrong(format!("{error}"));
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
            .build()
            .map_err(|error| wrong(&error))?;
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(self.min_version.versions())
            .map_err(|error| wrong(&error))?
            .with_webpki_verifier(verifier);
        if self.identity.is_none() {
            return Ok((builder.with_no_client_auth(), None));
        }
        let (chain, not_after) = pem::chain(at(0), &contents[0])?;
        let key = pem::private_key(at(1), &contents[1])?;
        let config = builder
            .with_client_auth_cert(chain, key)
            .map_err(|error| pair_error(at(1), &error))?;
        Ok((config, Some(not_after)))
    }
}

/// The name in Kafka's form of a verified client certificate, `User:CN=app,OU=team,O=org`: RFC 2253, most specific first.
pub fn principal(certificates: Option<&[CertificateDer<'_>]>) -> Option<String> {
    let leaf = certificates?.first()?;
    let (_, leaf) = X509Certificate::from_der(leaf).ok()?;
    let mut parts: Vec<String> = Vec::new();
    for rdn in leaf.subject().iter_rdn() {
        let attributes = rdn.iter().map(|attribute| {
            let oid = attribute.attr_type().to_id_string();
            let value = attribute.as_str().unwrap_or_default();
            match short_name(&oid) {
                Some(name) => format!("{name}={}", escaped(value)),
                None => format!("{oid}={}", escaped(value)),
            }
        });
        parts.push(attributes.collect::<Vec<_>>().join("+"));
    }
    parts.reverse();
    Some(format!("User:{}", parts.join(",")))
}

/// The attribute names of RFC 2253; Java writes others by their numbers.
fn short_name(oid: &str) -> Option<&'static str> {
    Some(match oid {
        "2.5.4.3" => "CN",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "2.5.4.6" => "C",
        "2.5.4.9" => "STREET",
        "0.9.2342.19200300.100.1.25" => "DC",
        "0.9.2342.19200300.100.1.1" => "UID",
        _ => return None,
    })
}

fn escaped(value: &str) -> String {
    let mut out = String::new();
    let last = value.chars().count().saturating_sub(1);
    for (position, c) in value.chars().enumerate() {
        let edge = (position == 0 && (c == '#' || c == ' ')) || (position == last && c == ' ');
        if edge || matches!(c, ',' | '+' | '"' | '\\' | '<' | '>' | ';') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// A ClientHello without a name, or with one that leads nowhere.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.as_ref().map_or("no server name (SNI)".to_owned(), |name| format!("unknown server name {name}")))]
pub struct UnknownName(pub Option<String>);

/// The alert unrecognized_name (RFC 6066), fatal.
pub const UNRECOGNIZED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];

/// Whether the peer ended TLS by an alert. In TLS 1.3 one that refuses our certificate says so after the handshake.
pub fn is_alert(error: &io::Error) -> bool {
    let inner = error.get_ref();
    let inner = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(inner, Some(rustls::Error::AlertReceived(_)))
}

/// Why a handshake failed: one of `telemetry::TLS_CAUSES`.
pub fn cause(error: &io::Error) -> &'static str {
    if error
        .get_ref()
        .is_some_and(|inner| inner.is::<UnknownName>())
    {
        return "unknown_name";
    }
    let Some(error) = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
    else {
        return match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe => "closed",
            io::ErrorKind::TimedOut => "timeout",
            _ => "other",
        };
    };
    match error {
        rustls::Error::InvalidMessage(_) => "not_tls",
        rustls::Error::PeerIncompatible(
            PeerIncompatible::NoCertificateRequestSignatureSchemesInCommon,
        ) => "bad_certificate",
        rustls::Error::PeerIncompatible(_) => "incompatible",
        rustls::Error::NoCertificatesPresented => "no_certificate",
        rustls::Error::InvalidCertificate(certificate) => match certificate {
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => "expired",
            CertificateError::Revoked => "revoked",
            CertificateError::UnknownIssuer => "unknown_ca",
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "wrong_name"
            }
            _ => "bad_certificate",
        },
        rustls::Error::AlertReceived(_) => "refused_by_peer",
        _ => "other",
    }
}
