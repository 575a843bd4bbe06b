//! TxnOffsetCommit: `commit_past_end`, `commit_regression`. What it commits holds once its transaction does, so that the ledger
//! learns nothing of it.

use super::offset_commit::{Names, Place, past_end, regression};
use super::{Judge, Open, Verdict, encoded};
use crate::wire::api::ErrorCode;
use crate::wire::edit::Edits;
use crate::wire::offsets::Commit;
use crate::wire::produce::TopicKey;
use kafka_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use kafka_protocol::messages::{TopicName, TxnOffsetCommitResponse};
use kafka_protocol::protocol::StrBytes;

/// First version whose answer may say that the transaction is to be aborted (KIP-890).
const ABORTABLE_FROM: i16 = 4;

pub(super) fn judge(judge: &mut Judge<'_>, version: i16, body: &[u8]) -> Result<Verdict, Open> {
    let commit = Commit::read_in_transaction(version, body).map_err(|_| Open::Malformed)?;
    let group = String::from_utf8_lossy(commit.group);
    let names = Names::learn(judge, &commit, &group)?;
    let code = match version {
        ABORTABLE_FROM.. => ErrorCode::TRANSACTION_ABORTABLE,
        _ => ErrorCode::INVALID_COMMIT_OFFSET_SIZE,
    };
    let refused = past_end(judge, &commit, &group, &names, code)?;
    regression(judge, &commit, &group, &names);
    if refused.is_empty() {
        return Ok(Verdict::Pass);
    }
    let ours = encoded(&answer(&commit, &refused, code), version).ok_or(Open::Malformed)?;
    let mut edits = Edits::default();
    Ok(match commit.take_out(&refused, &mut edits) {
        true => Verdict::Changed {
            body: edits.splice(body),
            ours: Some(ours),
        },
        false => Verdict::Answered(ours),
    })
}

/// Our answer to what was taken out.
fn answer(commit: &Commit<'_>, refused: &[Place], code: ErrorCode) -> TxnOffsetCommitResponse {
    let mut answer = TxnOffsetCommitResponse::default();
    let mut last = None;
    for (at, of) in refused {
        let topic = &commit.topics[*at];
        if last.replace(at) != Some(at)
            && let TopicKey::Name(name) = topic.key
        {
            let name = TopicName(StrBytes::from_string(
                String::from_utf8_lossy(name).into_owned(),
            ));
            let topic = TxnOffsetCommitResponseTopic::default().with_name(name);
            answer.topics.push(topic);
        }
        let partition = TxnOffsetCommitResponsePartition::default()
            .with_partition_index(topic.partitions[*of].index)
            .with_error_code(code.0);
        if let Some(topic) = answer.topics.last_mut() {
            topic.partitions.push(partition);
        }
    }
    answer
}

/// Under the topic that is there, where it is: clients that keep topics in a map would see the second one only.
pub(super) fn put_in(theirs: &mut TxnOffsetCommitResponse, ours: TxnOffsetCommitResponse) {
    for topic in ours.topics {
        let mut there = theirs.topics.iter_mut();
        match there.find(|other| other.name == topic.name) {
            Some(there) => there.partitions.extend(topic.partitions),
            None => theirs.topics.push(topic),
        }
    }
}
