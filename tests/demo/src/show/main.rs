//! The demo itself: a cluster, Holdfast in front of it, clients in front of that, and the numbers of all three side by side.
//!
//! Started by the launcher (`../main.rs`), which has built Holdfast into the same folder. Ends by itself after `--seconds`, or
//! on the first signal; a second signal does not wait for the numbers to agree. Exit status 0: they agree; 1: they do not;
//! 2: the demo could not run.

mod clients;
mod cluster;
mod gateway;

use clap::Parser;
use clients::Clients;
use cluster::Cluster;
use gateway::Gateway;
use holdfast_demo::flags::Flags;
use holdfast_demo::numbers::Numbers;
use holdfast_demo::screen::{self, Scene};
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const TICK: Duration = Duration::from_millis(100);
/// How long the numbers may take to agree once the producers have ended.
const SETTLE: Duration = Duration::from_secs(15);

fn main() -> ExitCode {
    let flags = Flags::parse();
    let signals = count_signals();
    match run(&flags, &signals) {
        Ok(disagreements) if disagreements.is_empty() => ExitCode::SUCCESS,
        Ok(disagreements) => {
            for each in disagreements {
                eprintln!("holdfast-demo: the numbers disagree: {each}");
            }
            ExitCode::from(1)
        }
        Err(message) => {
            eprintln!("holdfast-demo: {message}");
            ExitCode::from(2)
        }
    }
}

fn run(flags: &Flags, signals: &AtomicU32) -> Result<Vec<String>, String> {
    // Dropped from last to first: clients, Holdfast, cluster.
    let cluster = Cluster::start(flags.bootstrap_server.as_deref())?;
    let mut gateway = Gateway::start(&cluster)?;
    let mut screen = Screen::new(Scene {
        real_cluster: flags.bootstrap_server.clone(),
        holdfast: gateway.bootstrap(),
        metrics_url: gateway.metrics_url(),
    });
    let mut clients = Clients::start(&gateway.bootstrap(), &cluster.topic)?;

    let end = flags.seconds.map(Duration::from_secs);
    while signals.load(Ordering::Relaxed) == 0 && end.is_none_or(|end| screen.begun.elapsed() < end)
    {
        thread::sleep(TICK);
        gateway.must_live()?;
        screen.show(|| numbers(&clients, &gateway));
    }
    clients.end_producers();
    let disagreements = settle(&clients, &mut gateway, &mut screen, signals)?;
    drop(clients);
    if disagreements.is_empty() {
        println!("the numbers agree");
    }
    gateway.stop()?;
    Ok(disagreements)
}

/// Waits until the consumer has caught up and Holdfast's books are closed.
fn settle(
    clients: &Clients,
    gateway: &mut Gateway,
    screen: &mut Screen,
    signals: &AtomicU32,
) -> Result<Vec<String>, String> {
    let (begun, signalled) = (Instant::now(), signals.load(Ordering::Relaxed));
    loop {
        gateway.must_live()?;
        let numbers = numbers(clients, gateway)?;
        let disagreements = numbers.disagreements();
        let enough = begun.elapsed() > SETTLE || signals.load(Ordering::Relaxed) > signalled;
        if disagreements.is_empty() || enough {
            screen.draw(&numbers);
            return Ok(disagreements);
        }
        thread::sleep(TICK);
    }
}

fn numbers(clients: &Clients, gateway: &Gateway) -> Result<Numbers, String> {
    // The consumer is asked last: what it has read, Holdfast has passed on before.
    let holdfast = gateway.numbers()?;
    Ok(Numbers {
        holdfast,
        ..clients.numbers()
    })
}

/// A table that is drawn over itself on a terminal, one line per second elsewhere.
struct Screen {
    scene: Scene,
    begun: Instant,
    live: bool,
    drawn: Option<Instant>,
    height: usize,
}

impl Screen {
    fn new(scene: Scene) -> Screen {
        let live = io::stdout().is_terminal();
        if !live {
            println!(
                "Holdfast {}, metrics: {}",
                scene.holdfast, scene.metrics_url
            );
            screen::legend(&scene)
                .iter()
                .for_each(|line| println!("{line}"));
        }
        Screen {
            scene,
            begun: Instant::now(),
            live,
            drawn: None,
            height: 0,
        }
    }

    /// Draws when it is time to. Numbers that cannot be had are those of the next time: whether Holdfast lives is asked
    /// elsewhere.
    fn show(&mut self, numbers: impl FnOnce() -> Result<Numbers, String>) {
        let period = Duration::from_millis(if self.live { 250 } else { 1_000 });
        if self.drawn.is_some_and(|at| at.elapsed() < period) {
            return;
        }
        if let Ok(numbers) = numbers() {
            self.draw(&numbers);
        }
    }

    fn draw(&mut self, numbers: &Numbers) {
        let seconds = self.begun.elapsed().as_secs();
        let mut text = String::new();
        if self.live {
            let lines = screen::table(&self.scene, numbers, seconds);
            if self.height > 0 {
                text += &format!("\x1b[{}A\x1b[J", self.height);
            }
            self.height = lines.len();
            lines.iter().for_each(|line| text += &format!("{line}\n"));
        } else {
            text = screen::line(numbers, seconds) + "\n";
        }
        self.drawn = Some(Instant::now());
        // A closed pipe ends the output, not the demo: its exit status is still worth something.
        let _ = io::stdout().write_all(text.as_bytes());
        let _ = io::stdout().flush();
    }
}

/// Counts SIGINT, SIGTERM and SIGHUP instead of dying by them: Holdfast and the temporary files have to go first.
fn count_signals() -> Arc<AtomicU32> {
    let count = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&count);
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime for signals");
        runtime.block_on(async {
            use tokio::signal::unix::{SignalKind, signal};
            let mut interrupt = signal(SignalKind::interrupt()).expect("SIGINT");
            let mut terminate = signal(SignalKind::terminate()).expect("SIGTERM");
            let mut hangup = signal(SignalKind::hangup()).expect("SIGHUP");
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                    _ = hangup.recv() => {}
                }
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
    });
    count
}
