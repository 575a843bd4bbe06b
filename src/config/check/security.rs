//! `[listener.tls]`, `[cluster.tls]` and `[cluster.sasl]` (roof). What files hold is judged when they are read.

use super::Checker;
use super::values::{Quoted, path, place_of, truth};
use crate::config::file::{self, At, Text};
use crate::config::keys::{self, Key};
use crate::proxy::settings::{Credentials, Password, Sasl, Secret};
use crate::proxy::tls::{
    ClientAuth, ClusterFiles, ClusterTls, ListenerFiles, ListenerTls, MinVersion,
};
use crate::wire::sasl::Mechanism;
use std::path::PathBuf;
use std::sync::Arc;

impl Checker<'_> {
    /// What the files hold is judged when they are read, by `proxy::tls`.
    pub(super) fn listener_tls(&mut self, file: &file::ListenerTls) -> Option<Arc<ListenerTls>> {
        let client_auth = match self.choice(&keys::TLS_CLIENT_AUTH, &file.client_auth) {
            "required" => ClientAuth::Required,
            "requested" => ClientAuth::Requested,
            _ => ClientAuth::None,
        };
        let min_version = min_version(self.choice(&keys::TLS_MIN_VERSION, &file.min_version));
        let client_ca = path(&file.client_ca_file);
        let crls = file.client_crl_files.as_ref();
        let identity = self.identity(
            (&keys::TLS_CERTIFICATE, &file.certificate_file),
            (&keys::TLS_KEY, &file.private_key_file),
        );
        if client_auth != ClientAuth::None && client_ca.is_none() {
            let text = format!(
                "found nothing; allowed: {}, as client_auth is \"{}\"",
                keys::TLS_CLIENT_CA.allowed,
                client_auth.name()
            );
            self.wrong(
                &keys::TLS_CLIENT_CA.path(),
                place_of(&file.client_auth),
                text,
            );
        }
        if client_auth == ClientAuth::None {
            for (key, at) in [
                (&keys::TLS_CLIENT_CA, place_of(&file.client_ca_file)),
                (&keys::TLS_CLIENT_CRLS, place_of(&file.client_crl_files)),
            ] {
                if at.is_some() {
                    let text = "found a value while client_auth is \"none\", which asks nobody for a certificate; allowed: nothing, or client_auth = \"requested\" or \"required\"";
                    self.wrong(&key.path(), at, text.into());
                }
            }
        }
        let Some((certificate, private_key)) = identity else {
            if client_auth != ClientAuth::None && file.certificate_file.is_none() {
                let text = format!(
                    "found nothing; allowed: {}, as client_auth is \"{}\"",
                    keys::TLS_CERTIFICATE.allowed,
                    client_auth.name()
                );
                self.wrong(
                    &keys::TLS_CERTIFICATE.path(),
                    place_of(&file.client_auth),
                    text,
                );
            }
            return None;
        };
        Some(Arc::new(ListenerTls::new(ListenerFiles {
            certificate,
            private_key,
            client_auth,
            client_ca,
            client_crls: crls.map_or_else(Vec::new, |list| {
                list.value.iter().map(PathBuf::from).collect()
            }),
            min_version,
        })))
    }

    pub(super) fn cluster_tls(&mut self, file: &file::ClusterTls) -> Option<Arc<ClusterTls>> {
        let min_version = min_version(self.choice(&keys::BROKER_MIN_VERSION, &file.min_version));
        let identity = self.identity(
            (&keys::BROKER_CERTIFICATE, &file.certificate_file),
            (&keys::BROKER_KEY, &file.private_key_file),
        );
        if !truth(&keys::BROKER_TLS, &file.enabled) {
            for (key, found) in [
                (&keys::BROKER_CA, &file.ca_file),
                (&keys::BROKER_CERTIFICATE, &file.certificate_file),
            ] {
                if found.is_some() {
                    let text = "found a value while cluster.tls.enabled is false; allowed: nothing, or enabled = true";
                    self.wrong(&key.path(), place_of(found), text.into());
                }
            }
            return None;
        }
        Some(Arc::new(ClusterTls::new(ClusterFiles {
            ca: path(&file.ca_file),
            identity,
            min_version,
        })))
    }

    /// A certificate and its key: both, or none.
    fn identity(
        &mut self,
        certificate: (&Key, &Text),
        key: (&Key, &Text),
    ) -> Option<(PathBuf, PathBuf)> {
        for ((missing, none), (given, found)) in [(certificate, key), (key, certificate)] {
            if none.is_none() && found.is_some() {
                let text = format!(
                    "found nothing; allowed: {}, as {} is given",
                    missing.allowed, given.name
                );
                self.wrong(&missing.path(), place_of(found), text);
            }
        }
        Some((path(certificate.1)?, path(key.1)?))
    }

    /// `None`: nothing is configured, or something is wrong.
    pub(super) fn sasl(&mut self, file: &file::Sasl) -> Option<Sasl> {
        let given = [
            (&keys::SASL_USERNAME, place_of(&file.username)),
            (&keys::SASL_PASSWORD, place_of(&file.password)),
            (&keys::SASL_PASSWORD_FILE, place_of(&file.password_file)),
            (&keys::SASL_TOKEN_FILE, place_of(&file.token_file)),
        ];
        let mechanism = self.choice(&keys::SASL_MECHANISM, &file.mechanism);
        let Some(mechanism) = Mechanism::from_name(mechanism) else {
            // Of a mechanism that is wrong has been told.
            if file.mechanism.is_none()
                && let Some((key, at)) = given.into_iter().find(|(_, at)| at.is_some())
            {
                let (key, allowed) = (key.path(), &keys::SASL_MECHANISM.allowed);
                let text = format!("found nothing beside {key}; allowed: {allowed}");
                self.wrong(&keys::SASL_MECHANISM.path(), at, text);
            }
            return None;
        };
        let at = place_of(&file.mechanism);
        let name = mechanism.name();
        for (key, at) in given {
            let of_tokens = std::ptr::eq(key, &keys::SASL_TOKEN_FILE);
            if at.is_some() && of_tokens != (mechanism == Mechanism::OAuthBearer) {
                let text = format!("found beside mechanism = \"{name}\"; allowed: nothing");
                self.wrong(&key.path(), at, text);
            }
        }
        let credentials = match mechanism {
            Mechanism::OAuthBearer => Credentials::Token {
                file: self.needed(&keys::SASL_TOKEN_FILE, &file.token_file, at)?,
            },
            _ => {
                let username: Option<String> =
                    self.needed(&keys::SASL_USERNAME, &file.username, at);
                let password = self.password(file, at);
                Credentials::Password {
                    username: username?,
                    password: password?,
                }
            }
        };
        Some(Sasl {
            mechanism,
            credentials,
        })
    }

    fn password(&mut self, file: &file::Sasl, at: Option<&At>) -> Option<Password> {
        let key = &keys::SASL_PASSWORD;
        match (&file.password, &file.password_file) {
            (Some(_), Some(second)) => {
                let text = "found beside cluster.sasl.password; allowed: one of them";
                self.wrong(
                    &keys::SASL_PASSWORD_FILE.path(),
                    Some(&second.at),
                    text.into(),
                );
                None
            }
            (Some(found), None) => {
                let secret = found.value.reveal();
                let fits = (1..=4096).contains(&secret.len()) && !secret.contains('\0');
                if !fits {
                    let shown = format!("a text of {} bytes", secret.len());
                    self.not_allowed(key, &key.path(), &found.at, &shown);
                }
                fits.then(|| Password::Given(Secret::clone(&found.value)))
            }
            (None, Some(_)) => {
                let path = self.needed(&keys::SASL_PASSWORD_FILE, &file.password_file, at)?;
                Some(Password::File(path))
            }
            (None, None) => {
                let text = "found nothing, and no password_file; allowed: one of them";
                self.wrong(&key.path(), at, text.into());
                None
            }
        }
    }

    /// A text that the mechanism at `at` cannot do without.
    fn needed<T: From<String>>(&mut self, key: &Key, found: &Text, at: Option<&At>) -> Option<T> {
        let Some(found) = found else {
            let text = format!("found nothing; allowed: {}", key.allowed);
            self.wrong(&key.path(), at, text);
            return None;
        };
        let value = &found.value;
        // Paths may be as long as the system allows; names have Kafka's STRING to fit in.
        let most = if key.name == "username" { 255 } else { 4096 };
        let fits = (1..=most).contains(&value.len()) && !value.contains('\0');
        if !fits {
            self.not_allowed(key, &key.path(), &found.at, &Quoted(value));
        }
        fits.then(|| T::from(value.clone()))
    }
}

fn min_version(name: &str) -> MinVersion {
    match name {
        "TLSv1.3" => MinVersion::Tls13,
        _ => MinVersion::Tls12,
    }
}
