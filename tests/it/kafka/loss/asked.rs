//! What operators and tools ask of a cluster in the experiments, as raw requests; each gives the error code of the one
//! partition or topic that was named.

use crate::support::raw::{Body, Cursor, Raw};

const DELETE_RECORDS: i16 = 21;
const CREATE_PARTITIONS: i16 = 37;
const ELECT_LEADERS: i16 = 43;
const TIMEOUT_MS: i32 = 10_000;

/// ElectLeaders v1 of type 1 (unclean) for partition 0 of `topic`.
pub fn elect_unclean(connection: &mut Raw, topic: &str) -> std::io::Result<i16> {
    let mut body = Body::new();
    body.i8(1)
        .i32(1)
        .string(topic)
        .i32(1)
        .i32(0)
        .i32(TIMEOUT_MS);
    let answer = connection.call(ELECT_LEADERS, 1, &body.0)?;
    let mut cursor = Cursor::new(&answer);
    let (_throttle_time_ms, whole) = (cursor.i32()?, cursor.i16()?);
    let results = cursor.array(false, |c| {
        c.string(false)?;
        c.array(false, |c| Ok((c.i32()?, c.i16()?, c.string(false)?)))
    })?;
    let of_partition = results.iter().flatten().map(|(_, code, _)| *code).next();
    Ok(of_partition.unwrap_or(whole))
}

/// DeleteRecords v1 up to the high watermark of partition 0 of `topic`.
pub fn delete_records(connection: &mut Raw, topic: &str) -> std::io::Result<i16> {
    let mut body = Body::new();
    body.i32(1)
        .string(topic)
        .i32(1)
        .i32(0)
        .i64(-1)
        .i32(TIMEOUT_MS);
    let answer = connection.call(DELETE_RECORDS, 1, &body.0)?;
    let mut cursor = Cursor::new(&answer);
    cursor.i32()?;
    let topics = cursor.array(false, |c| {
        c.string(false)?;
        c.array(false, |c| Ok((c.i32()?, c.i64()?, c.i16()?)))
    })?;
    let mut codes = topics.iter().flatten().map(|(_, _, code)| *code);
    codes.next().ok_or(std::io::ErrorKind::UnexpectedEof.into())
}

/// CreatePartitions v1: `topic` is to have `count` of them.
pub fn grow(connection: &mut Raw, topic: &str, count: i32) -> std::io::Result<i16> {
    let mut body = Body::new();
    body.i32(1).string(topic).i32(count).i32(-1);
    body.i32(TIMEOUT_MS).i8(0);
    let answer = connection.call(CREATE_PARTITIONS, 1, &body.0)?;
    let mut cursor = Cursor::new(&answer);
    cursor.i32()?;
    let topics = cursor.array(false, |c| {
        Ok((c.string(false)?, c.i16()?, c.string(false)?))
    })?;
    let mut codes = topics.iter().map(|(_, code, _)| *code);
    codes.next().ok_or(std::io::ErrorKind::UnexpectedEof.into())
}
