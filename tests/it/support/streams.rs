//! A StreamsGroupHeartbeat of version 0 (KIP-1071), as a member of a Streams group joins with it, and the answer. Written by
//! hand like `raw.rs`: kafka-protocol does not know it.

use super::raw::{Body, Cursor};
use std::io;

pub const STREAMS_GROUP_HEARTBEAT: i16 = 88;

/// A topic that the brokers are to create: name, replication factor (0: theirs) and configs.
#[derive(Clone, Copy, Debug)]
pub struct Internal<'a>(pub &'a str, pub i16, pub &'a [(&'a str, &'a str)]);

/// One subtopology that reads `source` and has these topics; `None`: the heartbeat brings no topology.
#[derive(Clone, Copy, Debug)]
pub struct Topology<'a> {
    pub source: &'a str,
    pub changelogs: &'a [Internal<'a>],
    pub repartitions: &'a [Internal<'a>],
}

/// The body. The client's tags say what configs of topics would say, too.
pub fn heartbeat(group: &str, member: &str, topology: Option<&Topology<'_>>) -> Vec<u8> {
    let mut body = Body::new();
    body.compact_string(group).compact_string(member);
    // member_epoch, endpoint_information_epoch, instance_id, rack_id, rebalance_timeout_ms
    body.i32(0).i32(0).uvarint(0).uvarint(0).i32(30_000);
    match topology {
        None => drop(body.i8(-1)),
        Some(topology) => {
            body.i8(1).i32(0).array(1, true).compact_string("0");
            // source_topics, source_topic_regex
            body.array(1, true).compact_string(topology.source);
            body.array(0, true);
            internals(&mut body, topology.changelogs, 0);
            // repartition_sink_topics
            body.array(topology.repartitions.len(), true);
            for Internal(name, ..) in topology.repartitions {
                body.compact_string(name);
            }
            internals(&mut body, topology.repartitions, 1);
            // copartition_groups: one, of the source topic and the repartition topics
            body.array(1, true).array(1, true).i16(0).array(0, true);
            body.array(topology.repartitions.len(), true);
            for at in 0..topology.repartitions.len() {
                body.i16(at as i16);
            }
            body.tags().tags().tags();
        }
    }
    // active_tasks, standby_tasks, warmup_tasks, process_id, user_endpoint
    body.array(0, true).array(0, true).array(0, true);
    body.compact_string("process").i8(1);
    body.compact_string("app.internal").i16(-1).tags();
    let tag = ("min.insync.replicas", "1");
    body.array(1, true).compact_string(tag.0);
    body.compact_string(tag.1).tags();
    // task_offsets, task_end_offsets, shutdown_application
    body.uvarint(0).uvarint(0).i8(0).tags();
    body.0
}

fn internals(body: &mut Body, topics: &[Internal<'_>], partitions: i32) {
    body.array(topics.len(), true);
    for Internal(name, factor, configs) in topics {
        body.compact_string(name).i32(partitions).i16(*factor);
        body.array(configs.len(), true);
        for (key, value) in *configs {
            body.compact_string(key).compact_string(value).tags();
        }
        body.tags();
    }
}

/// Error code and text of an answer's body.
pub fn told(body: &[u8]) -> io::Result<(i16, Option<String>)> {
    let mut cursor = Cursor::new(body);
    cursor.i32()?;
    Ok((cursor.i16()?, cursor.string(true)?))
}
