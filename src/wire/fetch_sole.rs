//! The common Fetch answer, read in one look: whole, of one partition, without an error, and nothing in it that names brokers.
//! Every other one is walked (`fetch.rs`), which comes to the same.

use super::alike::Template;
use super::fetch::{
    ATTRIBUTES_END, Batches, FLEXIBLE_FROM, PREFERRED_REPLICA_FROM, TOPIC_ID_FROM, TRANSACTIONAL,
    Walker,
};
use super::fetch_request::SESSIONS_FROM;
use super::header::{self, Look, RESPONSE_START_LEN, SIZE_LEN};
use super::produce::TopicKey;
use super::record_batch::{self, BATCH_HEADER_LEN, ENTRY_OVERHEAD, MAGIC_END, i32_at};
use super::varint;
use std::ops::Range;

/// What such an answer says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sole<'a> {
    pub key: TopicKey<'a>,
    pub index: i32,
    /// Where it lies in the frame; last_stable_offset stands behind it.
    pub high_watermark_at: usize,
    pub high_watermark: i64,
    pub log_start_offset: i64,
    /// Where its records lie in the frame.
    pub records: Range<usize>,
}

impl Sole<'_> {
    /// Walks the records, from their beginning on.
    pub fn walker(&self, version: i16, batches: Batches) -> Walker {
        Walker::of_records(version, self.records.len(), self.high_watermark, batches)
    }
}

/// Looks at a whole frame; `None`: it is of another kind.
pub fn sole(frame: &[u8], version: i16) -> Option<Sole<'_>> {
    // Few clients are left that speak older ones.
    if version < SESSIONS_FROM {
        return None;
    }
    let flexible = version >= FLEXIBLE_FROM;
    let one: &[u8] = if flexible { &[2] } else { &[0, 0, 0, 1] };
    let mut rest = frame.get(RESPONSE_START_LEN..)?;
    if flexible {
        rest = rest.strip_prefix(&[0])?;
    }
    // throttle_time_ms, error_code, session_id
    let (&[_, _, _, _, 0, 0, _, _, _, _], behind) = rest.split_first_chunk::<10>()? else {
        return None;
    };
    let (key, behind) = topic(behind.strip_prefix(one)?, version)?;
    let behind = behind.strip_prefix(one)?;
    let (index, behind) = behind.split_first_chunk::<4>()?;
    let behind = behind.strip_prefix(&[0, 0])?;
    let high_watermark_at = frame.len() - behind.len();
    let (high_watermark, behind) = behind.split_first_chunk::<8>()?;
    let (_last_stable_offset, behind) = behind.split_first_chunk::<8>()?;
    let (log_start_offset, behind) = behind.split_first_chunk::<8>()?;
    // No aborted transactions: null or none.
    let mut behind = match flexible {
        true => match behind {
            [0 | 1, behind @ ..] => behind,
            _ => return None,
        },
        false => match behind {
            [0xff, 0xff, 0xff, 0xff, behind @ ..] | [0, 0, 0, 0, behind @ ..] => behind,
            _ => return None,
        },
    };
    if version >= PREFERRED_REPLICA_FROM {
        (_, behind) = behind.split_first_chunk::<4>()?;
    }
    let (size, behind) = match flexible {
        true => match varint::at(behind, 0, behind.len()) {
            Look::Ready((size, width)) => (size.checked_sub(1)?, &behind[width..]),
            _ => return None,
        },
        false => {
            let (size, behind) = behind.split_first_chunk()?;
            (u32::from_be_bytes(*size), behind)
        }
    };
    // Behind the records: tags of the partition, of the topic and of the answer.
    let tags: &[u8] = if flexible { &[0, 0, 0] } else { &[] };
    let (_, tail) = behind.split_at_checked(usize::try_from(size).ok()?)?;
    let end = frame.len() - tail.len();
    (tail == tags).then(|| Sole {
        key,
        index: i32::from_be_bytes(*index),
        high_watermark_at,
        high_watermark: i64::from_be_bytes(*high_watermark),
        log_start_offset: i64::from_be_bytes(*log_start_offset),
        records: end - size as usize..end,
    })
}

/// The offset behind the records, if they are one batch of no transaction.
pub fn sole_batch_end(records: &[u8]) -> Option<i64> {
    let sole = records.len() >= BATCH_HEADER_LEN
        && i64::from(i32_at(records, 8)) + ENTRY_OVERHEAD as i64 == records.len() as i64
        && records[MAGIC_END - 1] == 2
        && records[ATTRIBUTES_END - 1] & TRANSACTIONAL == 0;
    sole.then(|| record_batch::end(records))
}

/// How many answers, `most` at the most, follow one that is [`sole`] and differ from it in nothing but where the log ends, in their
/// only batch, of no transaction, and in their correlation id, each one more than the one before; and the highest offset that
/// stands behind these batches, −1 where there are none. The last two tell where both lie in it.
pub fn alike(
    first: &[u8],
    others: &[u8],
    (high_watermark_at, records): (usize, Range<usize>),
    most: u32,
) -> (u32, i64) {
    if !header::same_size(first, others) {
        return (0, -1);
    }
    let at = records.start;
    let batch = first.get(records.clone()).unwrap_or_default();
    // Of the batch its length, magic and attributes are what they were in the first.
    let free = [
        SIZE_LEN..RESPONSE_START_LEN,
        high_watermark_at..high_watermark_at + 16,
        at..at + 8,
        at + 12..at + 16,
        at + 17..at + 21,
    ];
    let template = Template::new(first, at + ATTRIBUTES_END, free);
    let template = template.filter(|_| sole_batch_end(batch).is_some());
    let (Some(template), Some((_, mut correlation_id))) = (template, header::response_start(first))
    else {
        return (0, -1);
    };
    let (mut answers, mut end) = (0, -1);
    for other in others.chunks_exact(first.len()).take(most as usize) {
        correlation_id = correlation_id.wrapping_add(1);
        let alike = template.fits(other)
            && i32_at(other, SIZE_LEN) == correlation_id
            && other[records.end..] == first[records.end..];
        if !alike {
            break;
        }
        end = end.max(record_batch::end(&other[at..]));
        answers += 1;
    }
    (answers, end)
}

/// A topic, and what stands behind it.
fn topic(from: &[u8], version: i16) -> Option<(TopicKey<'_>, &[u8])> {
    if version >= TOPIC_ID_FROM {
        let (id, behind) = from.split_first_chunk()?;
        return Some((TopicKey::Id(*id), behind));
    }
    let (length, behind) = match (version >= FLEXIBLE_FROM, from) {
        (true, [length @ 1..0x80, behind @ ..]) => (usize::from(*length) - 1, behind),
        (false, [0, length, behind @ ..]) => (usize::from(*length), behind),
        _ => return None,
    };
    let (name, behind) = behind.split_at_checked(length)?;
    Some((TopicKey::Name(name), behind))
}
