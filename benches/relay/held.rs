//! Which frames are held until their end is here, by preset: asked of the session itself, without a socket. A frame that is held is
//! memory and delay; one that is not goes on while it comes.

use crate::absolute::Figures;
use crate::cases::{SIZES, traffic_name};
use crate::client::{Stream, Traffic};
use crate::frames;
use crate::support::rig::Rig;
use holdfast::policy::{Mode, Preset, Scenario, Settings};

/// What the topic takes, as the null broker says.
const MAX_MESSAGE_BYTES: u32 = 1_048_588;

pub fn shares() -> Vec<Figures> {
    // With topic ids no name would be known here.
    let traffic = [
        Traffic::Produce { acks: -1 },
        Traffic::Produce { acks: 1 },
        Traffic::Produce { acks: 0 },
        Traffic::Fetch { version: 12 },
    ];
    traffic.into_iter().map(row).collect()
}

fn row(traffic: Traffic) -> Figures {
    let presets = ["observe", "default", "strict", "dirty_read"];
    let share = |name: &str| {
        let held = SIZES.iter().filter(|size| {
            let stream = Stream {
                traffic,
                size: **size,
            };
            is_held(&settings(name), stream)
        });
        (name.to_owned(), held.count() as f64)
    };
    Figures {
        what: format!(
            "{}: sizes whose frames are held whole, of the {}",
            traffic_name(traffic),
            SIZES.len()
        ),
        unit: "",
        by_relay: presets.into_iter().map(share).collect(),
        judged: None,
    }
}

fn settings(name: &str) -> Settings {
    let preset = match name {
        "observe" => Preset::Observe,
        "strict" => Preset::Strict,
        _ => Preset::Default,
    };
    let mut modes = Scenario::ALL.map(|scenario| scenario.preset(preset));
    if name == "dirty_read" {
        modes[Scenario::DirtyRead as usize] = Mode::Enforce;
    }
    Settings {
        modes,
        ..Settings::default()
    }
}

/// Whether nothing of it goes on while its last byte is missing.
fn is_held(settings: &Settings, stream: Stream) -> bool {
    let mut rig = Rig::default()
        .topic(frames::TOPIC, Some(MAX_MESSAGE_BYTES))
        .without_broker();
    rig.policy = settings.clone();
    let request = stream.request();
    match stream.traffic {
        Traffic::Fetch { version } => {
            rig.send(&request);
            let answer = frames::fetch_response(version, stream.size);
            rig.answer(&answer[..answer.len() - 1]);
            rig.to_client.is_empty()
        }
        _ => {
            rig.send(&request[..request.len() - 1]);
            rig.to_broker.is_empty()
        }
    }
}
