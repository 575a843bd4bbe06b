//! AlterConfigs and IncrementalAlterConfigs: `weakening_config`.

use super::{Judge, Judgement, Of, Open, told};
use crate::cluster::TopicFacts;
use crate::policy::Scenario;
use crate::policy::weakening_config::{self as rule, Change, Changes};
use crate::wire::api::ErrorCode;
use kafka_protocol::messages::alter_configs_request::AlterConfigsResource as Whole;
use kafka_protocol::messages::alter_configs_response::AlterConfigsResourceResponse as WholeResult;
use kafka_protocol::messages::incremental_alter_configs_request::AlterConfigsResource as Incremental;
use kafka_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse as IncrementalResult;
use kafka_protocol::messages::{
    AlterConfigsRequest, AlterConfigsResponse, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
};
use kafka_protocol::protocol::StrBytes;
use std::collections::HashMap;
use std::sync::Arc;

const SCENARIO: Scenario = Scenario::WeakeningConfig;
const CODE: ErrorCode = ErrorCode::POLICY_VIOLATION;

pub(super) fn incremental(
    judge: &mut Judge<'_>,
    request: &mut IncrementalAlterConfigsRequest,
    _version: i16,
) -> Result<Judgement<IncrementalAlterConfigsResponse>, Open> {
    let refused = refused(judge, &mut request.resources)?;
    let results = refused.into_iter().map(|(resource, text)| {
        IncrementalResult::default()
            .with_error_code(CODE.0)
            .with_error_message(told(text))
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name)
    });
    let answer = IncrementalAlterConfigsResponse::default().with_responses(results.collect());
    let (any_refused, left) = (!answer.responses.is_empty(), !request.resources.is_empty());
    Ok(Judgement::of_items(false, any_refused, left, answer))
}

pub(super) fn whole(
    judge: &mut Judge<'_>,
    request: &mut AlterConfigsRequest,
    _version: i16,
) -> Result<Judgement<AlterConfigsResponse>, Open> {
    let refused = refused(judge, &mut request.resources)?;
    let results = refused.into_iter().map(|(resource, text)| {
        WholeResult::default()
            .with_error_code(CODE.0)
            .with_error_message(told(text))
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name)
    });
    let answer = AlterConfigsResponse::default().with_responses(results.collect());
    let (any_refused, left) = (!answer.responses.is_empty(), !request.resources.is_empty());
    Ok(Judgement::of_items(false, any_refused, left, answer))
}

/// One resource of a request of either kind.
trait Resource: Changes {
    fn kind(&self) -> i8;
    fn name(&self) -> &StrBytes;

    fn of(&self) -> Of<'_> {
        match self.kind() {
            rule::TOPIC => Of::topic(self.name()),
            rule::GROUP => Of::group(self.name()),
            _ => Of::default(),
        }
    }
}

impl Resource for Incremental {
    fn kind(&self) -> i8 {
        self.resource_type
    }

    fn name(&self) -> &StrBytes {
        &self.resource_name
    }
}

impl Changes for Incremental {
    fn of(&self, key: &str) -> impl Iterator<Item = Change<'_>> {
        let configs = self.configs.iter();
        let named = configs.filter(move |config| config.name.as_str() == key);
        named.map(|config| Change::incremental(config.config_operation, config.value.as_deref()))
    }
}

impl Resource for Whole {
    fn kind(&self) -> i8 {
        self.resource_type
    }

    fn name(&self) -> &StrBytes {
        &self.resource_name
    }
}

/// What it does not name is taken back.
impl Changes for Whole {
    fn of(&self, key: &str) -> impl Iterator<Item = Change<'_>> {
        let configs = self.configs.iter();
        let named = configs.filter(move |config| config.name.as_str() == key);
        let mut set = named
            .map(|config| Change::Set(config.value.as_deref()))
            .peekable();
        let taken_back = set.peek().is_none().then_some(Change::TakeBack);
        set.chain(taken_back)
    }
}

/// Takes out what is refused, with what is told of it.
fn refused<R: Resource>(
    judge: &mut Judge<'_>,
    resources: &mut Vec<R>,
) -> Result<Vec<(R, String)>, Open> {
    let mut found = Vec::new();
    for resource in resources.iter() {
        let today = today(judge, resource)?;
        let today = today.as_ref().and_then(|facts| facts.configs.as_deref());
        let text = rule::judge(judge.env.policy, resource.kind(), resource, today);
        found.push(text.filter(|_| judge.refuses(SCENARIO, CODE, Resource::of(resource))));
    }
    let mut refused = Vec::new();
    let all = std::mem::take(resources);
    let named = |resource: &R| (resource.kind(), resource.name().clone());
    let texts = all.iter().zip(found);
    let texts: HashMap<_, _> = texts
        .filter_map(|(resource, text)| Some((named(resource), text?)))
        .collect();
    // Of a resource that stands twice a broker changes nothing; what is left of it alone would be changed.
    for resource in all {
        match texts.get(&named(&resource)).cloned() {
            None => resources.push(resource),
            Some(text) => refused.push((resource, text)),
        }
    }
    Ok(refused)
}

/// What the topic has today, where that decides.
fn today(judge: &mut Judge<'_>, resource: &impl Resource) -> Result<Option<Arc<TopicFacts>>, Open> {
    match rule::rests_on_today(resource.kind(), resource) {
        true => judge.today(SCENARIO, resource.name()),
        false => Ok(None),
    }
}
