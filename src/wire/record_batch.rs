//! The head of what lies in `records`: a RecordBatch v2 header (61 bytes) or the outer entry of an old message set.
//!
//! Only fixed-width fields are read, in place; records are never decompressed, decoded or copied
//! (`DefaultRecordBatch.java`, `AbstractLegacyRecordBatch.java`).

use std::ops::Range;

/// baseOffset and batchLength (magic 2), or offset and size (magic 0/1): what every entry begins with.
pub const ENTRY_OVERHEAD: u64 = 12;
/// Up to and including recordCount.
pub const BATCH_HEADER_LEN: usize = 61;
/// Up to and including the magic byte: as much as is needed to know how to go on.
pub const MAGIC_END: usize = 17;

/// Of the header of a batch (magic 2), what no [`Entry`] depends on: baseOffset, partitionLeaderEpoch, crc, lastOffsetDelta to
/// maxTimestamp, producerEpoch and baseSequence. maxTimestamp is told, and has a place of its own.
pub const FREE_OF_BATCH: [Range<usize>; 5] = [0..8, 12..16, 17..21, 23..43, 51..57];
pub const MAX_TIMESTAMP_AT: usize = 35;
const ATTRIBUTES_AT: usize = 21;
/// Of the attributes; 0 is no compression.
const CODEC: u8 = 7;
/// A record with nothing in it, each field of one byte: length, attributes, both deltas, key, value, headers.
const LEAST_RECORD_BYTES: u64 = 7;
/// How much a compressed byte can stand for: a run of zstd, 128 KiB in four.
const MOST_EXPANSION: u64 = 32 * 1024;
const LAST_OFFSET_DELTA_AT: usize = 23;

/// One entry of a `records` field, as its head shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// 12 + batchLength: what a broker compares with `max.message.bytes`.
    pub size: u64,
    pub magic: i8,
    /// recordCount of a v2 batch, or how many it can hold if that is less; 1 for an entry of an old message set, which may
    /// hold a compressed set.
    pub records: u32,
    /// Whether `records` is the number that the batch tells, rather than of entries or of what has room.
    pub exact: bool,
    /// −1 where the batch has none.
    pub producer_id: i64,
    /// Unix time in ms; −1 where the header has none.
    pub max_timestamp: i64,
}

/// Reads the entry at the start of `bytes`, of which `records_left` bytes remain in its field. `Err(n)`: n bytes are
/// needed. `Ok(None)`: what remains is no whole entry; a broker trims it (`trimInvalidBytes`) or refuses the batch.
#[inline]
pub fn entry(bytes: &[u8], records_left: u64) -> Result<Option<Entry>, usize> {
    if records_left < MAGIC_END as u64 {
        return Ok(None);
    }
    let Some(head) = bytes.first_chunk::<MAGIC_END>() else {
        return Err(MAGIC_END);
    };
    let length = i32::from_be_bytes([head[8], head[9], head[10], head[11]]);
    let Ok(length) = u64::try_from(length) else {
        return Ok(None);
    };
    let size = ENTRY_OVERHEAD + length;
    let magic = head[16] as i8;
    if size > records_left || size < MAGIC_END as u64 {
        return Ok(None);
    }
    if magic < 2 {
        return Ok(Some(Entry {
            size,
            magic,
            records: 1,
            exact: false,
            producer_id: -1,
            max_timestamp: -1,
        }));
    }
    if size < BATCH_HEADER_LEN as u64 {
        return Ok(None);
    }
    let Some(batch) = bytes.first_chunk::<BATCH_HEADER_LEN>() else {
        return Err(BATCH_HEADER_LEN);
    };
    let told = u32::try_from(i32_at(batch, 57)).unwrap_or(0);
    let records = told.min(most_records(size, batch[ATTRIBUTES_AT + 1] & CODEC != 0));
    Ok(Some(Entry {
        size,
        magic,
        records,
        exact: records == told,
        producer_id: i64_at(batch, 43),
        max_timestamp: i64_at(batch, MAX_TIMESTAMP_AT),
    }))
}

/// More than have room in a batch of that many bytes, no client is believed to have sent; a broker refuses such a batch.
#[inline]
fn most_records(size: u64, compressed: bool) -> u32 {
    let bytes = size - BATCH_HEADER_LEN as u64;
    let expansion = if compressed { MOST_EXPANSION } else { 1 };
    // An empty one that claims to have records is still told of.
    let most = (bytes.saturating_mul(expansion) / LEAST_RECORD_BYTES).max(1);
    u32::try_from(most).unwrap_or(u32::MAX)
}

/// The offset behind a batch (magic 2) whose head is here up to lastOffsetDelta.
#[inline]
pub fn end(head: &[u8]) -> i64 {
    let delta = i64::from(i32_at(head, LAST_OFFSET_DELTA_AT));
    i64_at(head, 0).saturating_add(delta).saturating_add(1)
}

/// A number of a batch's head that is here (0 where it is not); copied byte by byte it would cost a multiple.
#[inline]
pub fn i32_at(head: &[u8], at: usize) -> i32 {
    let bytes = head.get(at..).and_then(<[u8]>::first_chunk);
    bytes.map_or(0, |bytes| i32::from_be_bytes(*bytes))
}

#[inline]
pub fn i64_at(head: &[u8], at: usize) -> i64 {
    let bytes = head.get(at..).and_then(<[u8]>::first_chunk);
    bytes.map_or(0, |bytes| i64::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(length: i32, magic: u8, count: i32) -> Vec<u8> {
        let mut bytes = vec![0; 8];
        bytes.extend(length.to_be_bytes());
        bytes.extend([0, 0, 0, 0, magic]);
        bytes.resize(57, 0);
        bytes.extend(count.to_be_bytes());
        bytes
    }

    #[test]
    fn a_batch_tells_its_size_and_count() {
        let bytes = batch(49 + 21, 2, 3);
        for end in 0..BATCH_HEADER_LEN {
            assert!(entry(&bytes[..end], 82).is_err_and(|need| need > end));
        }
        let entry = entry(&bytes, 82).unwrap().unwrap();
        assert_eq!((entry.size, entry.records, entry.exact), (82, 3, true));
    }

    #[test]
    fn a_batch_that_claims_more_records_than_have_room_is_not_believed() {
        for (bytes_of_records, codec, told, expected) in [
            (21, 0, 3, 3),
            (21, 0, 4, 3),
            (17, 0, i32::MAX, 2),
            (17, 4, 79_579, 79_579),
            (17, 4, i32::MAX, 79_579),
            (0, 0, 5, 1),
            (0, 0, 0, 0),
            (i32::MAX - 49, 1, i32::MAX, i32::MAX as u32),
        ] {
            let mut bytes = batch(49 + bytes_of_records, 2, told);
            bytes[ATTRIBUTES_AT + 1] = codec;
            let entry = entry(&bytes, u64::MAX).unwrap().unwrap();
            let exact = u32::try_from(told) == Ok(expected);
            assert_eq!(
                (entry.records, entry.exact),
                (expected, exact),
                "{told} in {bytes_of_records}"
            );
        }
    }

    #[test]
    fn an_old_message_is_counted_as_one_and_marked() {
        let entry = entry(&batch(30, 1, 0)[..17], 100).unwrap().unwrap();
        assert_eq!(
            (entry.size, entry.magic, entry.records, entry.exact),
            (42, 1, 1, false)
        );
    }

    #[test]
    fn what_is_no_whole_entry_is_none() {
        assert_eq!(entry(&batch(50, 2, 1), 61), Ok(None));
        assert_eq!(entry(&batch(-1, 2, 1), 61), Ok(None));
        assert_eq!(entry(&batch(10, 2, 1), 61), Ok(None));
        assert_eq!(entry(&[], 0), Ok(None));
    }

    #[test]
    fn numbers_are_read_with_their_sign() {
        let mut head = [0; BATCH_HEADER_LEN];
        head[..8].copy_from_slice(&(-2_i64).to_be_bytes());
        assert_eq!(i64_at(&head, 0), -2);
        head[..8].copy_from_slice(&0x1_8000_0000_i64.to_be_bytes());
        assert_eq!(i64_at(&head, 0), 0x1_8000_0000);
    }
}
