//! A cluster whose listeners speak TLS, with what is asked of it direct and through Holdfast: certificates in files, Java
//! and librdkafka set to them, and what Holdfast counts.

use crate::support::certificates::{Ca, Identity};
use crate::support::clients::java_login;
use crate::support::eventually;
use crate::support::holdfast::{Holdfast, Metrics, Options};
use crate::support::kafka::{ClientListener, Cluster, Spec, Version, java_client_command, unique};
use crate::support::kerberos::Kdc;
use crate::support::process::{self, Output, Process, Scratch};
use crate::support::rdk;
use rcgen::date_time_ymd;
use std::collections::BTreeSet;
use std::process::Command;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

pub(super) const USER: (&str, &str) = ("alice", "alice-secret");
pub(super) const OWN: (&str, &str) = ("holdfast", "holdfast-secret");
pub(super) const SOON: Duration = Duration::from_secs(60);

/// One cluster for all tests here, as long as one of them runs: nothing of it is stopped.
pub(super) struct Place {
    pub(super) cluster: Cluster,
    pub(super) ca: Ca,
    pub(super) client_ca: Ca,
    /// What the JVMs of its clients are to know.
    java_option: Option<String>,
    folder: Scratch,
}

impl Place {
    pub(super) fn shared() -> Arc<Place> {
        static PLACE: Mutex<Weak<Place>> = Mutex::new(Weak::new());
        let mut place = PLACE.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(there) = place.upgrade() {
            return there;
        }
        let made = Arc::new(Place::start());
        *place = Arc::downgrade(&made);
        made
    }

    fn start() -> Place {
        process::require("kcat", "kcat");
        process::require("openssl", "openssl");
        let (ca, client_ca) = (Ca::new("brokers' CA"), Ca::new("clients' CA"));
        let expired = ca.sign(&["localhost"], |params| {
            params.not_after = date_time_ymd(2020, 1, 1);
        });
        let ssl = |name, identity: &Identity| ClientListener::plaintext(name).tls(identity);
        let sasl = |name| {
            let mechanisms = ["PLAIN", "SCRAM-SHA-512", "OAUTHBEARER"];
            ClientListener::sasl_plaintext(name, &mechanisms, &[USER, OWN]).tls(&ca.localhost())
        };
        let spec = Spec::new(Version::V4_3_1)
            .listener(sasl("SECURED"))
            .listener(sasl("BOTH").clients_of(&client_ca))
            .listener(ssl("MUTUAL", &ca.localhost()).clients_of(&client_ca))
            .listener(ssl("EXPIRED", &expired))
            .listener(ssl("STRANGER", &Ca::new("another CA").localhost()))
            .listener(ssl("MISNAMED", &ca.sign(&["elsewhere.test"], |_| {})));
        Place::of(spec, ca, client_ca)
    }

    /// Brokers that know their clients by Kerberos, on one listener for each name: the service principal of that host.
    pub(super) fn kerberos(kdc: &Kdc, listeners: &[(&str, &str)]) -> Place {
        let ca = Ca::new("brokers' CA");
        let spec = Spec::new(Version::V4_3_1).java_option(&kdc.java_option());
        let spec = listeners.iter().fold(spec, |spec, (name, host)| {
            let jaas = kdc.jaas(&format!("kafka/{host}"), "brokers.keytab");
            let listener = ClientListener::sasl_plaintext(name, &[], &[]).gssapi(&jaas);
            spec.listener(listener.tls(&ca.localhost()))
        });
        let mut place = Place::of(spec, ca, Ca::new("clients' CA"));
        place.java_option = Some(kdc.java_option());
        place
    }

    fn of(spec: Spec, ca: Ca, client_ca: Ca) -> Place {
        let place = Place {
            cluster: Cluster::start(spec),
            ca,
            client_ca,
            java_option: None,
            folder: Scratch::new("tls"),
        };
        place.file("ca.pem", &place.ca.pem);
        place.file("client-ca.pem", &place.client_ca.pem);
        place.identity("gateway", &place.ca.localhost());
        place.identity("client", &place.client_ca.sign(&[], |_| {}));
        place
    }

    pub(super) fn file(&self, name: &str, text: &str) -> String {
        // As Kubernetes swaps files: a reader sees the old one or the new one.
        let (file, new) = (self.path(name), self.path(&unique("new")));
        std::fs::write(&new, text).expect("a file in the scratch directory");
        std::fs::rename(new, &file).expect("a file in the scratch directory");
        file
    }

    pub(super) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// `name.crt`, `name.key`, and `name.pem` with both.
    pub(super) fn identity(&self, name: &str, identity: &Identity) {
        let both = format!("{}{}", identity.key, identity.certificate);
        self.file(&format!("{name}.pem"), &both);
        self.file(&format!("{name}.key"), &identity.key);
        self.file(&format!("{name}.crt"), &identity.certificate);
    }

    /// `[listener.tls]` with an identity written before, and `more` keys.
    pub(super) fn listener(&self, name: &str, more: &str) -> String {
        format!(
            "[listener]\nadvertised_host = \"localhost\"\n[listener.tls]\ncertificate_file = \"{}\"\nprivate_key_file = \"{}\"\n{more}\n",
            self.path(&format!("{name}.crt")),
            self.path(&format!("{name}.key")),
        )
    }

    pub(super) fn towards(&self, more: &str) -> String {
        format!(
            "[cluster]\nconnect_timeout_ms = 5000\n[cluster.tls]\nenabled = true\nca_file = \"{}\"\n{more}\n",
            self.path("ca.pem")
        )
    }

    /// `[cluster.tls]` with a client certificate written before.
    pub(super) fn towards_as(&self, name: &str) -> String {
        self.towards(&format!(
            "certificate_file = \"{}\"\nprivate_key_file = \"{}\"",
            self.path(&format!("{name}.crt")),
            self.path(&format!("{name}.key")),
        ))
    }

    /// In front of a listener of the brokers.
    pub(super) fn holdfast(&self, listener: &str, config: &str) -> Options {
        Options::new(&self.bootstrap(listener)).config(config)
    }

    /// Ready, by TLS and SCRAM with the brokers and by TLS with clients.
    pub(super) fn secured(&self) -> Holdfast {
        let config = self.listener("gateway", "") + &self.towards("") + &own_login();
        Holdfast::start_with(self.holdfast("SECURED", &config))
    }

    pub(super) fn bootstrap(&self, listener: &str) -> String {
        by_name(&self.cluster.bootstrap_of(listener))
    }

    pub(super) fn topic(&self, name: &str) -> String {
        let topic = unique(name);
        self.cluster.create_topic(&topic, 3, 3, &[]);
        topic
    }

    /// How this build's librdkafka, which is new, logs in by TLS.
    pub(super) fn rdk_login(
        &self,
        Login(mechanism, password): Login,
    ) -> Vec<(&'static str, String)> {
        [
            ("security.protocol", "SASL_SSL"),
            ("sasl.mechanisms", mechanism),
            ("sasl.username", USER.0),
            ("sasl.password", password),
            ("ssl.ca.location", &self.path("ca.pem")),
        ]
        .map(|(key, value)| (key, value.to_owned()))
        .into()
    }

    /// A hundred records by it.
    pub(super) fn rdk(&self, bootstrap: &str, login: Login, acks: &str, topic: &str) -> rdk::Told {
        let settings = self.rdk_login(login);
        let acks = rdk::Settings::acks(acks);
        let settings = settings
            .iter()
            .fold(acks, |all, (key, value)| all.set(key, value));
        rdk::produce_ids(bootstrap, topic, 0..100, 100, &settings)
    }

    #[track_caller]
    pub(super) fn wait_stored(&self, topic: &str, expected: &BTreeSet<u64>) {
        eventually("all is stored, once", SOON, || {
            let stored = self.cluster.read_all(topic);
            match rdk::ids(&stored) == *expected && stored.len() == expected.len() {
                true => Ok(()),
                false => Err(format!("{} of {}", stored.len(), expected.len())),
            }
        });
    }

    /// Settings of a Java client by name.
    pub(super) fn java(&self, login: Option<Login>) -> Vec<String> {
        let mut settings = vec![
            "ssl.truststore.type=PEM".to_owned(),
            format!("ssl.truststore.location={}", self.path("ca.pem")),
            format!(
                "security.protocol={}",
                if login.is_some() { "SASL_SSL" } else { "SSL" }
            ),
        ];
        if let Some(Login(mechanism, password)) = login {
            settings.extend(java_login(mechanism, (USER.0, password)));
        }
        settings
    }

    #[track_caller]
    pub(super) fn run_java(
        &self,
        class: &str,
        bootstrap: &str,
        topic: &str,
        settings: &[String],
        more: &[&str],
    ) -> Output {
        let mut args = vec!["--bootstrap-server", bootstrap, "--topic", topic];
        args.extend(more);
        settings
            .iter()
            .for_each(|setting| args.extend(["--set", setting]));
        let mut command = java_client_command(Version::V4_3_1, class, &args);
        if let Some(option) = &self.java_option {
            command.env("JAVA_TOOL_OPTIONS", option);
        }
        process::run(class, command, b"", 2 * SOON)
    }

    /// A properties file of a Java tool.
    pub(super) fn java_file(&self, settings: &[String]) -> String {
        self.file(&unique("client.properties"), &(settings.join("\n") + "\n"))
    }

    /// kcat with `more`, fed with `input`.
    pub(super) fn kcat(
        &self,
        bootstrap: &str,
        login: Option<Login>,
        more: &[&str],
        input: &str,
    ) -> Output {
        self.run_kcat(Command::new("kcat"), bootstrap, login, more, input)
    }

    /// The same where names lead to the addresses of a hosts file.
    pub(super) fn kcat_by_name(
        &self,
        hosts: &str,
        bootstrap: &str,
        more: &[&str],
        input: &str,
    ) -> Output {
        let mut unshare = Command::new("unshare");
        let script = "mount --bind \"$0\" /etc/hosts && exec kcat \"$@\"";
        unshare.args(["--map-root-user", "--mount", "sh", "-c", script, hosts]);
        self.run_kcat(unshare, bootstrap, None, more, input)
    }

    fn run_kcat(
        &self,
        mut kcat: Command,
        bootstrap: &str,
        login: Option<Login>,
        more: &[&str],
        input: &str,
    ) -> Output {
        // Cargo puts the librdkafka of this build there, which has no TLS; kcat is to find its own.
        kcat.env_remove("LD_LIBRARY_PATH");
        kcat.args(["-b", bootstrap, "-m", "10", "-X"]);
        kcat.arg(format!("ssl.ca.location={}", self.path("ca.pem")));
        kcat.args(["-X", "ssl.endpoint.identification.algorithm=https"]);
        match login {
            None => kcat.args(["-X", "security.protocol=SSL"]),
            Some(Login("OAUTHBEARER", _)) => kcat.args([
                "-X",
                "security.protocol=SASL_SSL",
                "-X",
                "sasl.mechanism=OAUTHBEARER",
                "-X",
                "enable.sasl.oauthbearer.unsecure.jwt=true",
                "-X",
                &format!("sasl.oauthbearer.config=principal={}", USER.0),
            ]),
            Some(Login(mechanism, password)) => kcat.args([
                "-X",
                "security.protocol=SASL_SSL",
                "-X",
                &format!("sasl.mechanism={mechanism}"),
                "-X",
                &format!("sasl.username={}", USER.0),
                "-X",
                &format!("sasl.password={password}"),
            ]),
        };
        kcat.args(more);
        process::run("kcat", kcat, input.as_bytes(), SOON)
    }

    pub(super) fn own_identity(&self, name: &str) -> [String; 4] {
        [
            "-X".to_owned(),
            format!(
                "ssl.certificate.location={}",
                self.path(&format!("{name}.crt"))
            ),
            "-X".to_owned(),
            format!("ssl.key.location={}", self.path(&format!("{name}.key"))),
        ]
    }

    /// Whether kcat gets the list of brokers, and the words by which librdkafka says why it did not.
    pub(super) fn lists(
        &self,
        bootstrap: &str,
        login: Option<Login>,
        more: &[&str],
    ) -> Result<(), String> {
        let output = self.kcat(bootstrap, login, &[&["-L"], more].concat(), "");
        match output.status.success() {
            true => Ok(()),
            false => Err(output.stderr),
        }
    }
}

/// Mechanism and password.
#[derive(Clone, Copy, Debug)]
pub(super) struct Login(pub(super) &'static str, pub(super) &'static str);

pub(super) const LOGINS: [Login; 2] = [Login("SCRAM-SHA-512", USER.1), Login("PLAIN", USER.1)];

/// `[cluster.sasl]`
pub(super) fn own_login() -> String {
    format!(
        "[cluster.sasl]\nmechanism = \"SCRAM-SHA-512\"\nusername = \"{}\"\npassword = \"{}\"\n",
        OWN.0, OWN.1
    )
}

/// The certificates are for it.
pub(super) fn by_name(bootstrap: &str) -> String {
    bootstrap.replace("127.0.0.1", "localhost")
}

/// 0 also as long as it does not yet say anything.
pub(super) fn value(holdfast: &Holdfast, family: &str, labels: &[(&str, &str)]) -> f64 {
    match holdfast.get("/metrics") {
        Ok((200, text)) => Metrics::parse(&text).value_or_zero(family, labels),
        _ => 0.0,
    }
}

#[track_caller]
pub(super) fn wait_count(
    holdfast: &Holdfast,
    family: &str,
    labels: &[(&str, &str)],
    at_least: f64,
) {
    eventually(&format!("{family} {labels:?}"), SOON, || {
        match value(holdfast, family, labels) {
            found if found >= at_least => Ok(()),
            found => Err(format!("{found} of {at_least}\n{}", holdfast.log())),
        }
    });
}

pub(super) const HANDSHAKES: &str = "holdfast_tls_handshake_failures_total";

#[track_caller]
pub(super) fn wait_failed(holdfast: &Holdfast, side: &str, cause: &str) {
    wait_count(
        holdfast,
        HANDSHAKES,
        &[("side", side), ("cause", cause)],
        1.0,
    );
}

/// All records of acks=0 requests, wherever they ended.
pub(super) fn counted(holdfast: &Holdfast) -> f64 {
    value(holdfast, "holdfast_acks0_records_total", &[])
}

#[track_caller]
pub(super) fn wait_all_counted(holdfast: &Holdfast, before: f64, sent: u64) {
    eventually("each record is counted", SOON, || {
        match counted(holdfast) - before {
            count if count == sent as f64 => Ok(()),
            count => Err(format!("{count} of {sent}")),
        }
    });
}

pub(super) fn ways(
    place: &Place,
    holdfast: &Holdfast,
    listener: &str,
) -> [(&'static str, String); 2] {
    [
        ("direct", place.bootstrap(listener)),
        ("through", by_name(&holdfast.bootstrap())),
    ]
}

pub(super) fn hundred() -> BTreeSet<u64> {
    (0..100).collect()
}

/// A hundred records for kcat, their ids as keys.
pub(super) fn keyed_lines() -> String {
    (0..100).map(|id| format!("{id}:value\n")).collect()
}

/// Writes as fast as it can, tries nothing twice, and gives up within seconds.
pub(super) fn producer_without_retries(
    place: &Place,
    holdfast: &Holdfast,
    topic: &str,
    acks: &str,
    scratch: &Scratch,
) -> Process {
    let mut settings = place.java(Some(LOGINS[0]));
    for setting in [
        acks,
        "enable.idempotence=false",
        "retries=0",
        "delivery.timeout.ms=8000",
        "request.timeout.ms=4000",
        "max.block.ms=10000",
        // Nothing that is sent waits for room: it is told of by its own time.
        "buffer.memory=67108864",
    ] {
        settings.push(setting.to_owned());
    }
    let bootstrap = by_name(&holdfast.bootstrap());
    let mut args = vec!["--bootstrap-server", &bootstrap, "--topic", topic];
    args.extend(["--records", "20000", "--value-bytes", "2000"]);
    settings
        .iter()
        .for_each(|setting| args.extend(["--set", setting]));
    let command = java_client_command(Version::V4_3_1, "IdempotentProducer", &args);
    Process::start("drained", scratch.path(), command)
}
