//! The program (roof): flags -> settings -> run -> exit code. The only place where errors are printed.
//!
//! Exit codes: 0 done (also after a drain), 1 it could not start or go on, or nobody reports, 2 the command line or the configuration is
//! wrong, 130 ended at once by a second signal. Those of `audit` are its own: `cli.rs`.

use clap::Parser;
use holdfast::audit;
use holdfast::cli::{self, AuditFlags, Cli, Command, Flags, Output};
use holdfast::config::{self, Settings};
use holdfast::proxy;
use holdfast::proxy::watch::authenticate::{Refusal, read_secret};
use holdfast::reload::{Loaded, Origin};
use holdfast::report;
use holdfast::run::{self, Ended};
use std::io::Write;
use std::process::ExitCode;
use std::time::SystemTime;

/// By glibc's malloc 26 KiB of a connection with TLS stay behind frames of 1 MiB, by this 13; CPU is the same, and a process
/// that has just started has 17 MiB instead of 9.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.wanted() {
        Err(text) => Err((2, text)),
        Ok(command) => carry_out(command),
    };
    match outcome {
        Ok(code) => code,
        Err((code, text)) => {
            eprintln!("holdfast: {text}");
            ExitCode::from(code)
        }
    }
}

fn carry_out(command: Command) -> Outcome {
    match command {
        Command::Run(flags) => load(&flags, For::Running).and_then(run),
        Command::Check(flags) => {
            load(&flags, For::Checking).and_then(|Loaded { settings, .. }| {
                for expired in config::expired(&settings, SystemTime::now()) {
                    eprintln!("holdfast: {expired}");
                }
                for warning in config::warnings(&settings) {
                    eprintln!("holdfast: warning: {warning}");
                }
                print(&config::effective(&settings))?;
                // The file may yet come, so the settings are sound; but now nobody would be let in.
                match secret_refused(&settings) {
                    Some(refusal) => Err((2, refusal.to_string())),
                    None => Ok(ExitCode::SUCCESS),
                }
            })
        }
        Command::Report { admin, output } => report::fetch(&admin)
            .and_then(|json| match output {
                Output::Json => Ok(json),
                Output::Table => report::table(&json),
            })
            .map_err(|text| (1, text))
            .and_then(|text| print(&text)),
        Command::Audit(flags) => {
            settings(&flags.flags()).and_then(|settings| audit(&flags, &settings))
        }
        Command::Explain { scenario } => cli::explain(scenario.as_deref())
            .map_err(|text| (2, text))
            .and_then(|text| print(&text)),
    }
}

type Outcome = Result<ExitCode, (u8, String)>;

fn run(loaded: Loaded) -> Outcome {
    match run::run(loaded) {
        Ok(Ended::Drained) => Ok(ExitCode::SUCCESS),
        Ok(Ended::AtOnce) => Err((
            130,
            "ended at once by a second signal; connections were cut".into(),
        )),
        Err(error) => Err((1, error.to_string())),
    }
}

fn audit(flags: &AuditFlags, settings: &Settings) -> Outcome {
    let report =
        audit::run(&settings.proxy.cluster).map_err(|error| (2, format!("audit: {error}")))?;
    print(&match flags.output {
        Output::Table => audit::human(&report),
        Output::Json => audit::json(&report),
    })?;
    Ok(ExitCode::from(report.exit_code(flags.fail_on.severity())))
}

fn settings(flags: &Flags) -> Result<Settings, (u8, String)> {
    load(flags, For::Running).map(|loaded| loaded.settings)
}

/// What the settings are wanted for.
#[derive(PartialEq)]
enum For {
    Running,
    /// All that is wrong is to be told at once, what may change by itself included.
    Checking,
}

fn secret_refused(settings: &Settings) -> Option<Refusal> {
    let sasl = settings.proxy.cluster.sasl.as_deref();
    sasl.and_then(|sasl| read_secret(sasl).err())
}

fn load(flags: &Flags, wanted: For) -> Result<Loaded, (u8, String)> {
    let origin = Origin {
        path: flags.config.clone(),
        overrides: flags.overrides(),
    };
    let text = origin.read().map_err(|error| (2, error))?;
    let loaded = origin.load(&text).and_then(|settings| {
        proxy::load_tls(&settings.proxy).map_err(|errors| {
            let nowhere = |key: &str, text: String| config::Problem {
                place: config::Place::Nowhere,
                key: key.to_owned(),
                text,
            };
            let files = errors
                .0
                .iter()
                .map(|error| nowhere(error.key, error.told()));
            let checks = wanted == For::Checking;
            let secret = checks.then(|| secret_refused(&settings)).flatten();
            let secret = secret.map(|refusal| match refusal {
                Refusal::Secret { key, reason } => nowhere(key, reason),
                other => nowhere("cluster.sasl", other.to_string()),
            });
            config::Error(files.chain(secret).collect())
        })?;
        Ok(settings)
    });
    let settings = loaded.map_err(|error| {
        let problems = error.0.len();
        let noun = if problems == 1 { "problem" } else { "problems" };
        (
            2,
            format!("{problems} {noun} with the configuration\n{error}"),
        )
    })?;
    Ok(Loaded {
        settings,
        origin,
        text,
    })
}

/// A reader that has gone (`holdfast explain | head`) is no error.
fn print(text: &str) -> Outcome {
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}
