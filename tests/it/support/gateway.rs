//! Holdfast as a library in the test's own process, for what only its events show: which request ended how. The binary
//! is in `holdfast.rs`; everything that can be seen from outside is tested there.

use super::ports;
use holdfast::config::{self, Overrides};
use holdfast::proxy;
use holdfast::session::event::Event;
use holdfast::telemetry::{Readiness, Telemetry};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

pub struct Gateway {
    runtime: Option<Runtime>,
    shutdown: CancellationToken,
    telemetry: Arc<Telemetry>,
    bootstrap_port: u16,
    broker_port_base: u16,
}

impl Gateway {
    /// In front of `bootstrap_servers` with broker ids 1 to 3, under a gateway.toml of this text; every event goes to `tap`.
    #[track_caller]
    pub fn start(
        bootstrap_servers: &str,
        toml: &str,
        tap: impl Fn(&Event) + Send + Sync + 'static,
    ) -> Gateway {
        let (bootstrap_port, broker_port_base) = (ports::free(), ports::base(10));
        let overrides = Overrides {
            bootstrap_servers: Some(bootstrap_servers.split(',').map(str::to_owned).collect()),
            bootstrap_port: Some(bootstrap_port.into()),
            broker_port_base: Some(broker_port_base.into()),
            broker_ids: Some("1-3".to_owned()),
            ..Overrides::default()
        };
        let settings = config::load("gateway.toml", toml, &overrides, &|_| None).expect("settings");
        let telemetry = Telemetry::new(&settings.telemetry, &settings.proxy.policy);
        telemetry.set_tap(Box::new(tap));
        let runtime = Runtime::new().expect("a runtime");
        let shutdown = CancellationToken::new();
        runtime.spawn(proxy::run(
            settings.proxy,
            telemetry.clone(),
            shutdown.clone(),
        ));
        let gateway = Gateway {
            runtime: Some(runtime),
            shutdown,
            telemetry,
            bootstrap_port,
            broker_port_base,
        };
        super::eventually("the gateway is ready", Duration::from_secs(30), || {
            match gateway.telemetry.readiness() == Readiness::Ready {
                true => Ok(()),
                false => Err("not ready".to_owned()),
            }
        });
        gateway
    }

    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.bootstrap_port)
    }

    pub fn broker_addr(&self, node_id: u16) -> String {
        format!("127.0.0.1:{}", self.broker_port_base + node_id)
    }

    /// The sum of a counter over all series with these labels.
    pub fn sum(&self, family: &str, labels: &[(&str, &str)]) -> u64 {
        self.telemetry.sum(family, labels)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.shutdown.cancel();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(1));
        }
    }
}
