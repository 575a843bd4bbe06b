//! UpdateFeatures, UnregisterBroker and RemoveRaftVoter: `cluster_downgrade`.

use super::{Judge, Judgement, Of, Open, told};
use crate::policy::{Scenario, cluster_downgrade as rule};
use crate::wire::api::ErrorCode;
use kafka_protocol::messages::{
    RemoveRaftVoterRequest, RemoveRaftVoterResponse, UnregisterBrokerRequest,
    UnregisterBrokerResponse, UpdateFeaturesRequest, UpdateFeaturesResponse,
};

const CODE: ErrorCode = ErrorCode::POLICY_VIOLATION;
const NO_REMOVAL: &str = "no removal, but by a client that is exempt";

/// Features are updated all together or not at all.
pub(super) fn features(
    judge: &mut Judge<'_>,
    request: &mut UpdateFeaturesRequest,
    _version: i16,
) -> Result<Judgement<UpdateFeaturesResponse>, Open> {
    let mut updates = request.feature_updates.iter();
    let unsafe_one =
        updates.find(|update| rule::judge(update.upgrade_type, update.allow_downgrade));
    let Some(update) = unsafe_one.filter(|_| refuses(judge)) else {
        return Ok(Judgement::Unchanged);
    };
    let text = rule::text(
        &format!("an unsafe downgrade of {}", update.feature),
        "upgrades and safe downgrades",
    );
    let answer = UpdateFeaturesResponse::default().with_error_code(CODE.0);
    Ok(Judgement::Refused(answer.with_error_message(told(text))))
}

pub(super) fn broker(
    judge: &mut Judge<'_>,
    request: &mut UnregisterBrokerRequest,
    _version: i16,
) -> Result<Judgement<UnregisterBrokerResponse>, Open> {
    if !refuses(judge) {
        return Ok(Judgement::Unchanged);
    }
    let text = rule::text(
        &format!("the removal of broker {}", request.broker_id.0),
        NO_REMOVAL,
    );
    let answer = UnregisterBrokerResponse::default().with_error_code(CODE.0);
    Ok(Judgement::Refused(answer.with_error_message(told(text))))
}

pub(super) fn voter(
    judge: &mut Judge<'_>,
    request: &mut RemoveRaftVoterRequest,
    _version: i16,
) -> Result<Judgement<RemoveRaftVoterResponse>, Open> {
    if !refuses(judge) {
        return Ok(Judgement::Unchanged);
    }
    let text = rule::text(
        &format!("the removal of voter {}", request.voter_id),
        NO_REMOVAL,
    );
    let answer = RemoveRaftVoterResponse::default().with_error_code(CODE.0);
    Ok(Judgement::Refused(answer.with_error_message(told(text))))
}

fn refuses(judge: &mut Judge<'_>) -> bool {
    judge.refuses(Scenario::ClusterDowngrade, CODE, Of::default())
}
