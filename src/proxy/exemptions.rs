//! Exemptions whose date has passed stop working: the policy is published anew without them, and they are reported.
//!
//! The floors that judge have no clock; this is where time meets policy.

use super::Shared;
use super::settings::Live;
use crate::policy::{Exemption, Settings};
use crate::telemetry::Telemetry;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime};

/// How often the clock is looked at: an exemption ends at most this late.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Runs as long as the gateway.
pub async fn expire(shared: Arc<Shared>) {
    loop {
        look(&shared);
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn look(shared: &Shared) {
    let _publishing = shared
        .publishing
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let mut live = Live::clone(&shared.live.load());
    if leave_out_expired(&mut live, &shared.telemetry, SystemTime::now()) {
        live.superseded = shared.drain.child_token();
        shared.publish(live);
    }
}

/// Whether there were some.
pub(super) fn leave_out_expired(live: &mut Live, telemetry: &Telemetry, now: SystemTime) -> bool {
    let Some((policy, expired)) = without_expired(&live.policy, now) else {
        return false;
    };
    for exemption in &expired {
        telemetry.exemption_expired(exemption);
    }
    live.policy = Arc::new(policy);
    true
}

/// The settings without the exemptions that ended before `now`, and those; `None` when there are none.
fn without_expired(settings: &Settings, now: SystemTime) -> Option<(Settings, Vec<Exemption>)> {
    let is_over = |exemption: &Exemption| exemption.expires.is_some_and(|expires| expires <= now);
    let (over, live): (Vec<_>, Vec<_>) = settings.exemptions.iter().cloned().partition(is_over);
    match over.is_empty() {
        true => None,
        false => Some((
            Settings {
                exemptions: live,
                ..settings.clone()
            },
            over,
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Mode, Scenario};

    #[test]
    fn an_exemption_ends_when_its_date_has_passed_and_the_others_stay() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let exemption = |name: &str, expires| Exemption {
            name: name.into(),
            scenarios: vec![Scenario::AcksNone],
            topics: Vec::new(),
            client_ids: Vec::new(),
            groups: Vec::new(),
            principals: Vec::new(),
            owner: "team".into(),
            reason: "migration".into(),
            expires,
        };
        let mut settings = Settings {
            modes: [Mode::Enforce; Scenario::COUNT],
            exemptions: vec![
                exemption("ever", None),
                exemption("later", Some(now + Duration::from_secs(1))),
            ],
            ..Settings::default()
        };
        assert!(without_expired(&settings, now).is_none());
        settings.exemptions.push(exemption("over", Some(now)));
        let (left, over) = without_expired(&settings, now).unwrap();
        assert_eq!(left.exemptions.len(), 2);
        assert_eq!(&*over[0].name, "over");
    }
}
