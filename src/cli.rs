//! The command line (roof): what was asked for, and the flags spelled like the keys they override. Starts and prints nothing.

use crate::audit::Severity;
use crate::config::Overrides;
use crate::policy::Scenario;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Kafka's durability gateway: what applications send is not lost, whatever their clients are configured to do.
///
/// Holdfast stands between Kafka clients and brokers. It raises acks=0 and acks=1 to acks=all, raises timeouts that are too
/// short for it, refuses batches that a topic would not take with the right error, and counts all of it on /metrics.
#[derive(Debug, Parser)]
#[command(name = "holdfast", version, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    flags: Flags,
}

impl Cli {
    /// What was asked for. Flags in front of a subcommand are its own; where both are given, the one behind it holds.
    ///
    /// # Errors
    /// A flag stands in front of a subcommand that has none of that name; the text says which.
    pub fn wanted(self) -> Result<Command, String> {
        let flags = self.flags;
        match self.command {
            None => Ok(Command::Run(flags)),
            Some(Command::Run(own)) => Ok(Command::Run(own.or(flags))),
            Some(Command::Check(own)) => Ok(Command::Check(own.or(flags))),
            Some(Command::Audit(own)) => {
                let config = own.config.or(flags.config.clone());
                let bootstrap_server = own.bootstrap_server.or(flags.bootstrap_server.clone());
                let sasl = own.sasl.or(flags.sasl.clone());
                let rest = Flags {
                    config: None,
                    bootstrap_server: None,
                    sasl: SaslFlags::default(),
                    ..flags
                };
                rest.none_for(
                    "audit",
                    "--config, --bootstrap-server, --sasl-…, and behind it --output, --fail-on",
                )?;
                Ok(Command::Audit(AuditFlags {
                    config,
                    bootstrap_server,
                    sasl,
                    ..own
                }))
            }
            Some(report @ Command::Report { .. }) => {
                flags.none_for("report", "behind it --admin, --output")?;
                Ok(report)
            }
            Some(explain @ Command::Explain { .. }) => {
                flags.none_for("explain", "no flag, only a scenario behind it")?;
                Ok(explain)
            }
        }
    }
}

const EXAMPLES: &str = "\
Clients connect to the bootstrap port; the broker with node id n is reached through port broker_port_base + n. Both must be
reachable for clients, and the direct way to the brokers should be closed: otherwise nothing is enforced.

Flags may stand in front of the subcommand or behind it; without one, it is run.

Examples:
  holdfast --bootstrap-server kafka-1:9092,kafka-2:9092
      on this machine only: clients use 127.0.0.1:9092, metrics are on http://127.0.0.1:9901/metrics
  holdfast run --bootstrap-server kafka-1:9092 --bind 0.0.0.0 --advertised-host gateway.example.com --preset observe
      for everyone, changing nothing and counting what would be changed
  holdfast check --config gateway.toml
      judge a file and print the settings in force
  holdfast audit --bootstrap-server kafka-1:9092
      what of the cluster itself loses records, whatever a gateway does; needs no traffic and changes nothing
  holdfast explain acks_none
      what a scenario sees, how records are lost, what is done, what it costs
  holdfast report --admin 127.0.0.1:9901
      what a running gateway has done, and which clients it has seen

Signals: SIGTERM or SIGINT drains and exits 0; a second one ends at once.";

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the gateway (also without a subcommand)
    Run(Flags),
    /// Judge the configuration and print the settings in force as TOML; exit 2 when something is wrong
    Check(Flags),
    /// Print what a running gateway has done and which clients it has seen, from its /report
    Report {
        /// Its admin port, also as http://HOST:PORT
        #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9901")]
        admin: String,
        /// A table for people, or the JSON document as it is
        #[arg(long, value_enum, default_value_t = Output::Table)]
        output: Output,
    },
    /// Look at a cluster for what loses records; needs no traffic and changes nothing
    Audit(AuditFlags),
    /// Print the manual of a scenario, or the list of scenarios
    Explain {
        /// Such as acks_none
        scenario: Option<String>,
    },
}

/// How a report or an audit is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    Table,
    Json,
}

/// Each flag overrides the key of the same name in the file; together with --bootstrap-server they are enough without one.
#[derive(Debug, Default, PartialEq, Args)]
pub struct Flags {
    /// Configuration file (TOML); none is read unless it is named. gateway.toml shows every key
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Some of the cluster's brokers; IPv6 in brackets [cluster.bootstrap_servers]
    #[arg(long, value_name = "HOST:PORT,…", value_delimiter = ',')]
    pub bootstrap_server: Option<Vec<String>>,
    /// Address of the Kafka ports [listener.bind, default 127.0.0.1]
    #[arg(long, value_name = "IP")]
    pub bind: Option<String>,
    /// Port for the clients' bootstrap.servers [listener.bootstrap_port, default 9092]
    #[arg(long, value_name = "PORT", allow_negative_numbers = true)]
    pub bootstrap_port: Option<i64>,
    /// Port of the broker with node id 0 [listener.broker_port_base, default 9100]
    #[arg(long, value_name = "PORT", allow_negative_numbers = true)]
    pub broker_port_base: Option<i64>,
    /// Node ids that get a port, as in 0-9,17 [listener.broker_ids, default 0-9]
    #[arg(long, value_name = "IDS")]
    pub broker_ids: Option<String>,
    /// Host that clients are told for every broker [listener.advertised_host, default: the address bound]
    #[arg(long, value_name = "HOST")]
    pub advertised_host: Option<String>,
    /// Address and port of /metrics, /report, /livez, /readyz [admin.bind, default 127.0.0.1:9901]
    #[arg(long, value_name = "HOST:PORT")]
    pub admin_bind: Option<String>,
    #[command(flatten)]
    pub sasl: SaslFlags,
    /// default: enforce what no working client can notice; observe: change nothing, count everything; strict: enforce
    /// more, as the README's table of scenarios says. A mode in the file still overrides it [policy.preset]
    #[arg(long, value_name = "default|observe|strict")]
    pub preset: Option<String>,
    /// error, warn, info, debug or trace [log.level, default info]
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,
    /// human or json [log.format, default human]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<String>,
}

/// Look at a cluster for what loses records; needs no traffic and changes nothing.
///
/// Reports topics on which acks=all does not help or fails, replicas that are missing or share a rack, brokers' defaults,
/// Kafka's internal topics, and consumer groups that retention has overtaken or is about to. What could not be seen is named.
#[derive(Debug, Args)]
#[command(after_help = AUDIT_HELP)]
pub struct AuditFlags {
    /// Configuration file (TOML) of a gateway: its [cluster] table is used
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Some of the cluster's brokers; IPv6 in brackets [cluster.bootstrap_servers]
    #[arg(long, value_name = "HOST:PORT,…", value_delimiter = ',')]
    pub bootstrap_server: Option<Vec<String>>,
    #[command(flatten)]
    pub sasl: SaslFlags,
    /// For people or for programs
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
    /// The least severity that makes the exit code 1; what is for information never does
    #[arg(long, value_enum, default_value_t = FailOn::Warning)]
    pub fail_on: FailOn,
}

/// How connections to the brokers authenticate; each flag overrides the key of the same name in the file.
#[derive(Clone, Debug, Default, PartialEq, Args)]
pub struct SaslFlags {
    /// How the gateway's own connections authenticate: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER
    /// [cluster.sasl.mechanism]
    #[arg(long, value_name = "MECHANISM")]
    pub sasl_mechanism: Option<String>,
    /// With PLAIN and SCRAM [cluster.sasl.username]
    #[arg(long, value_name = "NAME")]
    pub sasl_username: Option<String>,
    /// Its password; there is no flag for the password itself, as others would see it [cluster.sasl.password_file]
    #[arg(long, value_name = "FILE")]
    pub sasl_password_file: Option<String>,
    /// The bearer token, with OAUTHBEARER [cluster.sasl.token_file]
    #[arg(long, value_name = "FILE")]
    pub sasl_token_file: Option<String>,
}

const AUDIT_HELP: &str = "\
Exit codes:
  0  everything was seen and nothing was found
  1  something was found that is as severe as --fail-on
  2  no audit: no broker answered, or the command line or configuration is wrong;
     or nothing was found and not everything could be seen

The principal needs DESCRIBE and DESCRIBE_CONFIGS on topics, DESCRIBE on groups, DESCRIBE_CONFIGS on the cluster.

Examples:
  holdfast audit --bootstrap-server kafka-1:9092,kafka-2:9092
  holdfast audit --bootstrap-server kafka-1:9094 --sasl-mechanism SCRAM-SHA-512 --sasl-username audit --sasl-password-file pw
  holdfast audit --config gateway.toml --output json --fail-on error > audit.json";

/// Severities that can be asked to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    Warning,
    Error,
}

impl FailOn {
    pub fn severity(self) -> Severity {
        match self {
            FailOn::Warning => Severity::Warning,
            FailOn::Error => Severity::Error,
        }
    }
}

impl AuditFlags {
    /// The flags that `run` has as well.
    pub fn flags(&self) -> Flags {
        Flags {
            config: self.config.clone(),
            bootstrap_server: self.bootstrap_server.clone(),
            sasl: self.sasl.clone(),
            ..Flags::default()
        }
    }
}

impl SaslFlags {
    fn or(self, other: SaslFlags) -> SaslFlags {
        SaslFlags {
            sasl_mechanism: self.sasl_mechanism.or(other.sasl_mechanism),
            sasl_username: self.sasl_username.or(other.sasl_username),
            sasl_password_file: self.sasl_password_file.or(other.sasl_password_file),
            sasl_token_file: self.sasl_token_file.or(other.sasl_token_file),
        }
    }
}

impl Flags {
    /// Those of `other` in place of the ones that were not given.
    fn or(self, other: Flags) -> Flags {
        Flags {
            config: self.config.or(other.config),
            bootstrap_server: self.bootstrap_server.or(other.bootstrap_server),
            bind: self.bind.or(other.bind),
            bootstrap_port: self.bootstrap_port.or(other.bootstrap_port),
            broker_port_base: self.broker_port_base.or(other.broker_port_base),
            broker_ids: self.broker_ids.or(other.broker_ids),
            advertised_host: self.advertised_host.or(other.advertised_host),
            admin_bind: self.admin_bind.or(other.admin_bind),
            sasl: self.sasl.or(other.sasl),
            preset: self.preset.or(other.preset),
            log_level: self.log_level.or(other.log_level),
            log_format: self.log_format.or(other.log_format),
        }
    }

    fn none_for(&self, command: &str, allowed: &str) -> Result<(), String> {
        match *self == Flags::default() {
            true => Ok(()),
            false => Err(format!(
                "a flag in front of {command:?} that it does not have; allowed: {allowed} (holdfast {command} --help)"
            )),
        }
    }

    pub fn overrides(&self) -> Overrides {
        Overrides {
            bootstrap_servers: self.bootstrap_server.clone(),
            bind: self.bind.clone(),
            bootstrap_port: self.bootstrap_port,
            broker_port_base: self.broker_port_base,
            broker_ids: self.broker_ids.clone(),
            advertised_host: self.advertised_host.clone(),
            admin_bind: self.admin_bind.clone(),
            sasl_mechanism: self.sasl.sasl_mechanism.clone(),
            sasl_username: self.sasl.sasl_username.clone(),
            sasl_password_file: self.sasl.sasl_password_file.clone(),
            sasl_token_file: self.sasl.sasl_token_file.clone(),
            preset: self.preset.clone(),
            log_level: self.log_level.clone(),
            log_format: self.log_format.clone(),
        }
    }
}

/// What `holdfast explain` prints.
///
/// # Errors
/// There is no such scenario; the text lists those that there are.
pub fn explain(name: Option<&str>) -> Result<String, String> {
    match name.map(|name| (name, Scenario::from_name(name))) {
        None => Ok(format!(
            "{}\nholdfast explain <scenario> prints its manual.\n",
            scenarios()
        )),
        Some((_, Some(scenario))) => Ok(manual(scenario)),
        Some((name, None)) => Err(format!(
            "no scenario is called {name:?}; there are:\n{}",
            scenarios()
        )),
    }
}

fn scenarios() -> String {
    let line = |scenario: Scenario| format!("  {:<18} {}\n", scenario.name(), title(scenario));
    Scenario::ALL.into_iter().map(line).collect()
}

/// What the scenario is about, from the first line of its manual: `# acks_none: records sent with acks=0`.
pub fn title(scenario: Scenario) -> String {
    let manual = manual(scenario);
    let first = manual.lines().next().unwrap_or_default();
    match first.split_once(": ") {
        Some((_, title)) => title.to_owned(),
        None => first.to_owned(),
    }
}

/// The `//!` of the scenario's file.
pub fn manual(scenario: Scenario) -> String {
    let lines = scenario
        .source()
        .lines()
        .map_while(|line| line.strip_prefix("//!"));
    let text = lines.map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line)));
    text.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_mean_the_same_with_and_without_run() {
        let flags = [
            "--bootstrap-server",
            "a:1,[::1]:2",
            "--bootstrap-port",
            "-1",
        ];
        let bare = Cli::try_parse_from(["holdfast"].iter().chain(&flags)).expect("flags alone");
        let run = Cli::try_parse_from(["holdfast", "run"].iter().chain(&flags)).expect("with run");
        let Some(Command::Run(run)) = run.command else {
            panic!("run was asked for");
        };
        assert_eq!(bare.flags, run);
        assert_eq!(
            run.bootstrap_server,
            Some(vec!["a:1".into(), "[::1]:2".into()])
        );
        assert_eq!(run.overrides().bootstrap_port, Some(-1));
    }

    #[test]
    fn flags_may_stand_in_front_of_a_subcommand_that_has_them() {
        let command = |line: &str| {
            let words = line.split_whitespace();
            Cli::try_parse_from(words).expect("parsed").wanted()
        };
        let check = command("holdfast --config a.toml --bind ::1 check --bind ::2");
        let Ok(Command::Check(flags)) = check else {
            panic!("{check:?}");
        };
        let own = Flags {
            config: Some("a.toml".into()),
            bind: Some("::2".into()),
            ..Flags::default()
        };
        assert_eq!(flags, own);
        let audit =
            command("holdfast --bootstrap-server a:1 --sasl-username me audit --output json");
        let Ok(Command::Audit(flags)) = audit else {
            panic!("{audit:?}");
        };
        assert_eq!(flags.bootstrap_server, Some(vec!["a:1".to_owned()]));
        assert_eq!(flags.sasl.sasl_username.as_deref(), Some("me"));
        for (line, named) in [
            ("holdfast --preset strict report", "--admin"),
            ("holdfast --preset strict audit", "--bootstrap-server"),
            ("holdfast --config a explain acks_none", "a scenario"),
        ] {
            let error = command(line).expect_err("not its flag");
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn every_scenario_explains_itself() {
        for scenario in Scenario::ALL {
            let text = explain(Some(scenario.name())).expect("known");
            assert!(text.contains("What it costs"), "{text}");
            assert!(!text.contains("]("), "a link of rustdoc: {text}");
            assert!(!title(scenario).is_empty());
            assert!(explain(None).expect("the list").contains(scenario.name()));
        }
        assert!(
            explain(Some("acks_nun"))
                .expect_err("unknown")
                .contains("acks_none")
        );
    }
}
