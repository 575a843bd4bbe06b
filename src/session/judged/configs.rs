//! AlterConfigs and IncrementalAlterConfigs: `weakening_config`.

use super::{Judge, Judgement, Of, Open, told};
use crate::policy::{Scenario, weakening_config as rule};
use crate::wire::api::ErrorCode;
use kafka_protocol::messages::alter_configs_response::AlterConfigsResourceResponse as WholeResult;
use kafka_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::{
    AlterConfigsRequest, AlterConfigsResponse, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
};

const CODE: ErrorCode = ErrorCode::POLICY_VIOLATION;

pub(super) fn incremental(
    judge: &mut Judge<'_>,
    request: &mut IncrementalAlterConfigsRequest,
    _version: i16,
) -> Result<Judgement<IncrementalAlterConfigsResponse>, Open> {
    let mut refused = IncrementalAlterConfigsResponse::default();
    request.resources.retain(|resource| {
        let changes = resource.configs.iter().map(|config| {
            let value = config.value.as_deref();
            (config.name.as_str(), config.config_operation, value)
        });
        let found = rule::incremental(judge.env.policy, resource.resource_type, changes);
        let of = of(resource.resource_type, &resource.resource_name);
        match found.filter(|_| judge.refuses(Scenario::WeakeningConfig, CODE, of)) {
            None => true,
            Some(text) => {
                let result = AlterConfigsResourceResponse::default()
                    .with_error_code(CODE.0)
                    .with_error_message(told(text))
                    .with_resource_type(resource.resource_type)
                    .with_resource_name(resource.resource_name.clone());
                refused.responses.push(result);
                false
            }
        }
    });
    let (any_refused, left) = (!refused.responses.is_empty(), !request.resources.is_empty());
    Ok(Judgement::of_items(false, any_refused, left, refused))
}

pub(super) fn whole(
    judge: &mut Judge<'_>,
    request: &mut AlterConfigsRequest,
    _version: i16,
) -> Result<Judgement<AlterConfigsResponse>, Open> {
    let mut refused = AlterConfigsResponse::default();
    request.resources.retain(|resource| {
        let configs = resource.configs.iter();
        let configs = configs.map(|config| (config.name.as_str(), config.value.as_deref()));
        let found = rule::whole(judge.env.policy, resource.resource_type, configs);
        let of = of(resource.resource_type, &resource.resource_name);
        match found.filter(|_| judge.refuses(Scenario::WeakeningConfig, CODE, of)) {
            None => true,
            Some(text) => {
                let result = WholeResult::default()
                    .with_error_code(CODE.0)
                    .with_error_message(told(text))
                    .with_resource_type(resource.resource_type)
                    .with_resource_name(resource.resource_name.clone());
                refused.responses.push(result);
                false
            }
        }
    });
    let (any_refused, left) = (!refused.responses.is_empty(), !request.resources.is_empty());
    Ok(Judgement::of_items(false, any_refused, left, refused))
}

fn of(resource_type: i8, name: &str) -> Of<'_> {
    match resource_type {
        rule::TOPIC => Of::topic(name),
        rule::GROUP => Of::group(name),
        _ => Of::default(),
    }
}
