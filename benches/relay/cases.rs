//! What is measured, by which metrics, and which targets hold for them. One case is measured on all relays in turn.

use crate::client::{Burst, Client, Crowd, Stream, Traffic};
use crate::peers::{self, COPY, HAPROXY, HAPROXY_SPLICE, NGINX};
use crate::relay::Relay;
use crate::stats::{median, quantile};
use std::io;
use std::time::{Duration, Instant};

/// How long one relay carries one kind of traffic before the next has its turn. Many short turns, not few long ones: what
/// else the machine does then falls on all of them.
const SLOT: Duration = Duration::from_millis(80);
/// Of requests at a rate, or of many connections: their fewer requests need longer until their cost shows.
const LONG_SLOT: Duration = Duration::from_millis(250);
/// Of requests of Produce and answers to Fetch.
pub const SIZES: [usize; 6] = [196, 1 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20];
const ROUND_TRIPS: usize = 1_000;
pub const SMALL: usize = 1 << 10;
/// 5 000 requests per second.
const PACED_CONNECTIONS: usize = 8;
const PACE: Duration = Duration::from_micros(1_600);

pub const PRODUCE: Traffic = Traffic::Produce { acks: -1 };
pub const FETCH: Traffic = Traffic::Fetch { version: 16 };

#[derive(Clone, Copy)]
pub enum Case {
    PingPong(Traffic),
    /// A moderate rate of small requests.
    Paced(Traffic),
    /// So many connections that never rest.
    Busy(usize),
    Stream(Stream),
}

/// One figure of a case.
#[derive(Clone, Copy, PartialEq)]
pub struct Metric {
    pub name: &'static str,
    pub unit: &'static str,
    pub digits: usize,
    /// Whether it is a cost of the relay's processes: then the direct way has none.
    pub of_processes: bool,
}

const CPU_PER_GB: Metric = Metric {
    name: "CPU",
    unit: "s/GB",
    digits: 3,
    of_processes: true,
};
const CPU_PER_REQUEST: Metric = Metric {
    name: "CPU",
    unit: "µs/request",
    digits: 1,
    of_processes: true,
};
const THROUGHPUT: Metric = Metric {
    name: "throughput",
    unit: "GB/s",
    digits: 3,
    of_processes: false,
};
const REQUESTS: Metric = Metric {
    name: "throughput",
    unit: "requests/s",
    digits: 0,
    of_processes: false,
};
const P50: Metric = Metric {
    name: "p50",
    unit: "µs",
    digits: 1,
    of_processes: false,
};
const P99: Metric = Metric {
    name: "p99",
    unit: "µs",
    digits: 1,
    of_processes: false,
};

/// At most so many times what the cheapest of these took, in the same rounds.
#[derive(Clone, Copy)]
pub struct Target {
    pub limit: f64,
    pub beside: &'static [&'static str],
    /// Hoped for: shown, and no failure when it is missed.
    pub stretch: bool,
}

const BLIND: &[&str] = &[COPY, NGINX, HAPROXY, HAPROXY_SPLICE];
const HAPROXIES: &[&str] = &[HAPROXY, HAPROXY_SPLICE];

/// In the order in which they are measured.
pub fn all(quick: bool) -> Vec<Case> {
    let sizes: &[usize] = match quick {
        true => &[1 << 10, 64 << 10, 1 << 20],
        false => &SIZES,
    };
    let traffic: &[Traffic] = match quick {
        true => &[PRODUCE, FETCH, Traffic::Varied { fetch: false }],
        false => &[
            PRODUCE,
            Traffic::Produce { acks: 1 },
            Traffic::Produce { acks: 0 },
            FETCH,
            Traffic::Fetch { version: 12 },
            Traffic::Varied { fetch: false },
            Traffic::Varied { fetch: true },
        ],
    };
    let mut cases = vec![Case::PingPong(PRODUCE), Case::Paced(PRODUCE)];
    if !quick {
        cases.extend([Case::PingPong(FETCH), Case::Paced(FETCH)]);
    }
    cases.extend([Case::Busy(64), Case::Busy(1_000)]);
    for traffic in traffic {
        let streams = sizes.iter().map(|size| Stream {
            traffic: *traffic,
            size: *size,
        });
        cases.extend(streams.map(Case::Stream));
    }
    let mixed = Stream {
        traffic: Traffic::Mixed,
        size: 0,
    };
    cases.push(Case::Stream(mixed));
    cases
}

impl Case {
    pub fn name(self) -> String {
        match self {
            Case::PingPong(traffic) => format!("round trip {}", small(traffic)),
            Case::Paced(traffic) => format!("5 000 requests/s {}", small(traffic)),
            Case::Busy(connections) => {
                format!("{connections} busy connections, {}", small(PRODUCE))
            }
            Case::Stream(Stream {
                traffic: Traffic::Mixed,
                ..
            }) => "mixed: produce acks=-1 and fetch v16, 196 B to 256 KiB".to_owned(),
            Case::Stream(Stream { traffic, size }) => {
                format!("{} {}", traffic_name(traffic), size_name(size))
            }
        }
    }

    /// The first one is what the relay costs.
    pub fn metrics(self) -> &'static [Metric] {
        match self {
            Case::PingPong(_) => &[P50, P99, CPU_PER_REQUEST],
            Case::Paced(_) => &[CPU_PER_REQUEST],
            Case::Busy(_) => &[CPU_PER_REQUEST, REQUESTS],
            Case::Stream(_) => &[CPU_PER_GB, THROUGHPUT],
        }
    }

    /// What the default preset may take.
    pub fn targets(self, metric: Metric) -> Vec<Target> {
        let target = |limit, beside| Target {
            limit,
            beside,
            stretch: false,
        };
        let stretch = |limit| Target {
            limit,
            beside: &[NGINX],
            stretch: true,
        };
        match (self, metric) {
            (Case::PingPong(_), P50) => vec![target(1.05, HAPROXIES)],
            (Case::PingPong(_), P99) => vec![target(1.15, HAPROXIES)],
            (Case::Paced(_), CPU_PER_REQUEST) => vec![target(1.10, &[COPY])],
            (Case::Busy(_), CPU_PER_REQUEST) => vec![target(1.10, HAPROXIES)],
            // The broker's answers and the window of absorbed requests are what acks=all costs, not what the relay does; and
            // behind the others the broker does not answer at all.
            (Case::Stream(stream), CPU_PER_GB)
                if stream.traffic == (Traffic::Produce { acks: 0 }) =>
            {
                Vec::new()
            }
            (Case::Stream(Stream { size, traffic }), CPU_PER_GB) => match (size, traffic) {
                (_, Traffic::Mixed) => vec![target(1.00, BLIND)],
                (0..=SMALL, _) => vec![target(1.25, &[COPY])],
                (_, Traffic::Fetch { .. } | Traffic::Varied { fetch: true }) => {
                    vec![target(1.00, BLIND), stretch(0.70)]
                }
                _ => vec![target(1.00, BLIND), stretch(0.85)],
            },
            _ => Vec::new(),
        }
    }

    /// What is the same for all relays and rounds.
    pub fn prepare(self) -> Prepared {
        let stream = match self {
            Case::PingPong(traffic) | Case::Paced(traffic) => Stream {
                traffic,
                size: SMALL,
            },
            Case::Busy(_) => Stream {
                traffic: PRODUCE,
                size: SMALL,
            },
            Case::Stream(stream) => {
                return Prepared {
                    case: self,
                    frame: Vec::new(),
                    burst: Some(Burst::of(stream)),
                };
            }
        };
        Prepared {
            case: self,
            frame: stream.request(),
            burst: None,
        }
    }
}

pub struct Prepared {
    case: Case,
    frame: Vec<u8>,
    burst: Option<Burst>,
}

impl Prepared {
    /// How often the relay does it in one slot: at its own rate, because one that answers every frame may be far slower.
    pub fn repeats(&self, relay: &Relay) -> io::Result<usize> {
        match self.case {
            Case::PingPong(_) => Ok(ROUND_TRIPS),
            Case::Paced(_) => Ok((LONG_SLOT.as_micros() / PACE.as_micros()) as usize),
            Case::Busy(connections) => {
                let mut crowd = Crowd::connect(&[relay.address], connections)?;
                crowd.turns(&self.frame, 1)?;
                fitting(LONG_SLOT, |turns| {
                    let begun = Instant::now();
                    crowd.turns(&self.frame, turns)?;
                    Ok(begun.elapsed())
                })
            }
            Case::Stream(_) => {
                let mut client = Client::connect(relay.address)?;
                fitting(SLOT, |bursts| client.run(self.burst(), bursts))
            }
        }
    }

    /// The metrics, in their order.
    pub fn measure(&self, relay: &Relay, repeats: usize) -> io::Result<Vec<f64>> {
        match self.case {
            Case::PingPong(_) => {
                let mut client = Client::connect(relay.address)?;
                client.ping_pong(&self.frame, repeats / 10)?;
                let before = rested_cpu(relay)?;
                let trips = client.ping_pong(&self.frame, repeats)?;
                let cpu = rested_cpu_since(relay, before)?;
                let per_request = cpu / repeats as f64 * 1e6;
                Ok(vec![median(&trips), quantile(&trips, 0.99), per_request])
            }
            Case::Paced(_) => {
                let mut crowd = Crowd::connect(&[relay.address], PACED_CONNECTIONS)?;
                crowd.turns(&self.frame, 10)?;
                let before = rested_cpu(relay)?;
                let requests = crowd.paced(&self.frame, PACE, repeats)?;
                Ok(vec![
                    rested_cpu_since(relay, before)? / requests as f64 * 1e6,
                ])
            }
            Case::Busy(connections) => {
                let mut crowd = Crowd::connect(&[relay.address], connections)?;
                crowd.turns(&self.frame, 1)?;
                let before = rested_cpu(relay)?;
                let begun = Instant::now();
                let requests = crowd.turns(&self.frame, repeats)? as f64;
                let took = begun.elapsed().as_secs_f64();
                let cpu = rested_cpu_since(relay, before)?;
                Ok(vec![cpu / requests * 1e6, requests / took])
            }
            Case::Stream(_) => {
                let mut client = Client::connect(relay.address)?;
                client.run(self.burst(), repeats / 20 + 1)?;
                let before = rested_cpu(relay)?;
                let took = client.run(self.burst(), repeats)?;
                let gb = (repeats * self.burst().payload_bytes) as f64 / 1e9;
                let cpu = rested_cpu_since(relay, before)?;
                Ok(vec![cpu / gb, gb / took.as_secs_f64()])
            }
        }
    }

    fn burst(&self) -> &Burst {
        self.burst.as_ref().expect("a stream has one")
    }
}

/// How often something is to be done to take about `slot`.
pub fn fitting(
    slot: Duration,
    mut run: impl FnMut(usize) -> io::Result<Duration>,
) -> io::Result<usize> {
    let mut times = 1;
    loop {
        let took = run(times)?;
        if took * 4 >= slot {
            let fit = times as f64 * slot.as_secs_f64() / took.as_secs_f64();
            return Ok(fit as usize + 1);
        }
        times *= 2;
    }
}

pub fn rested_cpu(relay: &Relay) -> io::Result<f64> {
    peers::rest();
    relay.cpu_seconds()
}

pub fn rested_cpu_since(relay: &Relay, before: f64) -> io::Result<f64> {
    peers::rest();
    relay.cpu_seconds_since(before)
}

fn small(traffic: Traffic) -> String {
    format!("{} {}", traffic_name(traffic), size_name(SMALL))
}

pub fn traffic_name(traffic: Traffic) -> String {
    match traffic {
        Traffic::Produce { acks } => format!("produce acks={acks}"),
        Traffic::Fetch { version } => format!("fetch v{version}"),
        Traffic::Varied { fetch: false } => "varied produce acks=-1".to_owned(),
        Traffic::Varied { fetch: true } => "varied fetch v16".to_owned(),
        Traffic::Mixed => "mixed".to_owned(),
    }
}

pub fn size_name(size: usize) -> String {
    match size {
        0..1024 => format!("{size} B"),
        1024..0x10_0000 => format!("{} KiB", size >> 10),
        _ => format!("{} MiB", size >> 20),
    }
}
