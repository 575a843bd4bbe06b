//! A Kerberos KDC for tests: Apache Kerby's (`tests/kdc`), with keytabs and krb5.conf in a directory of its own. Knows Java's
//! login, not Kafka.

use super::process::{Process, Scratch};
use super::{distribution, eventually, ports};
use std::time::Duration;

const REALM: &str = "HOLDFAST.TEST";
const START_TIMEOUT: Duration = Duration::from_secs(60);

pub struct Kdc {
    // Dropped in this order.
    _process: Process,
    scratch: Scratch,
}

impl Kdc {
    /// Each principal, without its realm, with the keytab that its key is written to; one that is named twice gets another key
    /// the second time, and one without a keytab is taken out again.
    #[track_caller]
    pub fn start(principals: &[(&str, &str)]) -> Kdc {
        let scratch = Scratch::new("kdc");
        let mut java = distribution::kdc_command();
        java.arg(scratch.path());
        java.args([&ports::free().to_string(), REALM]);
        java.args(
            principals
                .iter()
                .map(|(name, file)| format!("{name}={file}")),
        );
        let mut process = Process::start("kdc", scratch.path(), java);
        eventually("the KDC serves", START_TIMEOUT, || {
            if let Some(status) = process.try_wait() {
                panic!("the KDC ended with {status}\n{}", process.tail());
            }
            match process.stdout().contains("serves") {
                true => Ok(()),
                false => Err(process.tail()),
            }
        });
        Kdc {
            _process: process,
            scratch,
        }
    }

    /// By which a JVM knows the realm and where its KDC is.
    pub fn java_option(&self) -> String {
        let file = self.scratch.path().join("krb5.conf");
        format!("-Djava.security.krb5.conf={}", file.display())
    }

    /// `sasl.jaas.config` of who is `principal` by the key of a keytab.
    pub fn jaas(&self, principal: &str, keytab: &str) -> String {
        let keytab = self.scratch.path().join(keytab);
        format!(
            "com.sun.security.auth.module.Krb5LoginModule required useKeyTab=true storeKey=true doNotPrompt=true \
             serviceName=\"kafka\" keyTab=\"{}\" principal=\"{principal}@{REALM}\";",
            keytab.display()
        )
    }
}
