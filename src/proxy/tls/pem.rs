//! What a PEM file must hold to be of use: read, checked by itself, and told of by key, file, what was found and what is allowed.
//!
//! What peers would refuse in a handshake is refused here, where somebody looks.

use super::Error;
use crate::proxy::files;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use x509_parser::prelude::{FromDer, X509Certificate, X509Version};
use x509_parser::public_key::PublicKey;

const KEY: &str = "the certificate's private key, PEM, not encrypted (PKCS#8, PKCS#1 or SEC1)";
const CA: &str = "a PEM file of at least one CA certificate, and of nothing else";
const CRL: &str = "a PEM file of certificate revocation lists";
const ROOTS: &str = "at least one root certificate of the system; or cluster.tls.ca_file";
/// Shorter RSA keys are not used by rustls, and refused by Java.
const LEAST_RSA_BITS: usize = 2048;

/// What is expected in a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Holds {
    /// What the gateway shows to clients.
    ServerChain,
    /// What it shows to brokers.
    ClientChain,
    PrivateKey,
    Authorities,
    Revoked,
    /// No file: what the system trusts.
    SystemRoots,
}

impl Holds {
    fn allowed(self) -> &'static str {
        match self {
            Holds::ServerChain => {
                "a PEM file of the certificate and its chain, leaf first, valid now, for servers, RSA from 2048 bits on"
            }
            Holds::ClientChain => {
                "a PEM file of the certificate and its chain, leaf first, valid now, for clients, RSA from 2048 bits on"
            }
            Holds::PrivateKey => KEY,
            Holds::Authorities => CA,
            Holds::Revoked => CRL,
            Holds::SystemRoots => ROOTS,
        }
    }
}

/// A key, its file and what is to be in it.
#[derive(Clone, Copy, Debug)]
pub struct At<'a> {
    key: &'static str,
    file: &'a Path,
    holds: Holds,
}

impl<'a> At<'a> {
    pub fn new(key: &'static str, file: &'a Path, holds: Holds) -> At<'a> {
        At { key, file, holds }
    }

    pub fn wrong(self, found: impl Into<String>) -> Error {
        Error {
            key: self.key,
            file: self.file.to_owned(),
            found: found.into(),
            allowed: self.holds.allowed(),
        }
    }

    pub fn read(self, most_bytes: u64) -> Result<Vec<u8>, Error> {
        let read = files::read(self.file, most_bytes);
        read.map_err(|error| self.wrong(format!("no file that can be read ({error})")))
    }

    /// Whether it can be used, as far as it can be told without the others.
    pub fn check(self, pem: &[u8]) -> Result<(), Error> {
        match self.holds {
            Holds::ServerChain | Holds::ClientChain => chain(self, pem).map(drop),
            Holds::PrivateKey => private_key(self, pem).map(drop),
            Holds::Authorities => roots(self, pem).map(drop),
            Holds::Revoked => revoked(self, pem).map(drop),
            Holds::SystemRoots => Ok(()),
        }
    }
}

fn certificates(at: At, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|error| at.wrong(format!("PEM that is none ({error})")))?;
    match found.is_empty() {
        true => Err(at.wrong(match pem.is_empty() {
            true => "an empty file",
            false => "no PEM certificate in it",
        })),
        false => Ok(found),
    }
}

fn parsed<'a>(at: At, der: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, Error> {
    let parsed = X509Certificate::from_der(der);
    let (_, certificate) =
        parsed.map_err(|error| at.wrong(format!("a certificate that is none ({error})")))?;
    Ok(certificate)
}

/// A chain whose leaf can be shown, and when it ends.
pub fn chain(at: At, pem: &[u8]) -> Result<(Vec<CertificateDer<'static>>, i64), Error> {
    let chain = certificates(at, pem)?;
    let leaf = parsed(at, &chain[0])?;
    let validity = leaf.validity();
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(0));
    let (begins, ends) = (
        validity.not_before.timestamp(),
        validity.not_after.timestamp(),
    );
    if now > ends {
        return Err(at.wrong(format!(
            "a certificate that expired on {}",
            validity.not_after
        )));
    }
    if now < begins {
        return Err(at.wrong(format!(
            "a certificate that is not valid before {}",
            validity.not_before
        )));
    }
    if let Some(next) = chain.get(1) {
        let next = parsed(at, next)?;
        if next.subject() != leaf.issuer() {
            return Err(at.wrong(format!(
                "a second certificate ({}) that did not issue the first ({})",
                next.subject(),
                leaf.subject()
            )));
        }
    }
    if let Some(bits) = rsa_bits(&leaf).filter(|bits| *bits < LEAST_RSA_BITS) {
        return Err(at.wrong(format!("a certificate with an RSA key of {bits} bits")));
    }
    // Without that extension a certificate is for anything (RFC 5280, 4.2.1.12).
    if let Ok(Some(usage)) = leaf.extended_key_usage() {
        let usage = usage.value;
        let (fits, whom) = match at.holds {
            Holds::ClientChain => (usage.client_auth, "clients"),
            _ => (usage.server_auth, "servers"),
        };
        if !fits && !usage.any {
            return Err(at.wrong(format!(
                "a certificate that is not for {whom} (its extended key usage)"
            )));
        }
    }
    Ok((chain, ends))
}

fn rsa_bits(certificate: &X509Certificate) -> Option<usize> {
    match certificate.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => Some(key.key_size()),
        _ => None,
    }
}

pub fn private_key(at: At, pem: &[u8]) -> Result<PrivateKeyDer<'static>, Error> {
    let text = String::from_utf8_lossy(pem);
    if text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(at.wrong("an encrypted private key"));
    }
    PrivateKeyDer::from_pem_slice(pem)
        .map_err(|error| at.wrong(format!("no PEM private key ({error})")))
}

pub fn roots(at: At, pem: &[u8]) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(at, pem)? {
        issues(at, &parsed(at, &certificate)?)?;
        roots
            .add(certificate)
            .map_err(|error| at.wrong(format!("a CA certificate that is none ({error})")))?;
    }
    Ok(roots)
}

/// Whether anything can be verified by it: a CA of any version, or one that vouches for itself only, as brokers' own
/// certificates may that are trusted one by one.
fn issues(at: At, certificate: &X509Certificate) -> Result<(), Error> {
    let ca = certificate.version() == X509Version::V1 || certificate.is_ca();
    match ca || certificate.subject() == certificate.issuer() {
        true => Ok(()),
        false => Err(at.wrong(format!(
            "a certificate that is no CA's ({}), so that it vouches for nobody",
            certificate.subject()
        ))),
    }
}

pub fn system_roots() -> Result<RootCertStore, Error> {
    let loaded = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(loaded.certs);
    let system = Path::new("the system's roots");
    match added {
        0 => Err(At::new("cluster.tls.ca_file", system, Holds::SystemRoots).wrong("none")),
        _ => Ok(roots),
    }
}

pub fn revoked(at: At, pem: &[u8]) -> Result<Vec<CertificateRevocationListDer<'static>>, Error> {
    let found: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(pem).collect();
    match found {
        Ok(lists) if !lists.is_empty() => Ok(lists),
        Ok(_) => Err(at.wrong("no PEM revocation list in it")),
        Err(error) => Err(at.wrong(format!("PEM that is none ({error})"))),
    }
}
