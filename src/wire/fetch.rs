//! A Fetch answer as a stream, on the way to the one field at its very end that names brokers.
//!
//! `node_endpoints` (v16+, KIP-951) is tag 0 of the last tag section, behind all records, when the length has long gone
//! out. Its one-byte tag number is changed to one that nobody uses and its content is blanked: the size stays, and clients
//! skip it. Records are passed over by their length. Versions below 16 name no brokers and need no walk. Does not judge anything.
//!
//! ```text
//! throttle_time_ms i32 | error_code i16 | session_id i32 | COMPACT_ARRAY responses { topic_id UUID | COMPACT_ARRAY partitions {
//!   index i32 | error i16 | high_watermark i64 | last_stable i64 | log_start i64 | COMPACT_NULLABLE_ARRAY aborted { i64 | i64 | tags }
//!   | preferred_read_replica i32 | COMPACT_RECORDS | tags } | tags } | tags                            (FetchResponse.json, v16-18)
//! ```

use super::header::Look;
use super::produce::UNUSED_TAG;
use super::varint;

/// First version whose answers may name broker addresses.
pub const NODE_ENDPOINTS_FROM: i16 = 16;

/// One step of the walk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// The next that many bytes, some of which may not be there yet, go on as they are.
    Pass(u64),
    /// Look again with at least that many bytes in the window.
    Need(usize),
    Malformed(&'static str),
    Done,
}

/// Whose tag section it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Of {
    Header,
    Aborted,
    Partition,
    Topic,
    Answer,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum At {
    Tags(Of),
    Tag(Of, u32),
    /// In the content of `node_endpoints`, that many bytes of it, with that many tags behind it.
    Blank(u64, u32),
    Head,
    Topic,
    Partition,
    Aborted,
    Records,
    Done,
}

/// Walks a Fetch answer from behind its correlation id.
#[derive(Clone, Copy, Debug)]
pub struct Walker {
    at: At,
    left: u64,
    topics: u32,
    partitions: u32,
    aborted: u32,
}

impl Walker {
    /// `left`: bytes from behind the correlation id to the end of the frame.
    pub fn new(left: u64) -> Walker {
        Walker {
            at: At::Tags(Of::Header),
            left,
            topics: 0,
            partitions: 0,
            aborted: 0,
        }
    }

    pub fn left(&self) -> u64 {
        self.left
    }

    /// The next step. `window` begins where the walker stands; the tag number is changed in it.
    pub fn next(&mut self, window: &mut [u8]) -> Step {
        match self.at {
            At::Tags(of) => self.tags(window, of),
            At::Tag(of, left) => self.tag(window, of, left),
            At::Blank(0, left) => {
                self.at = self.behind_tag(Of::Answer, left);
                self.next(window)
            }
            At::Blank(size, left) => {
                let here = window
                    .len()
                    .min(usize::try_from(size).unwrap_or(usize::MAX));
                if here == 0 {
                    return Step::Need(1);
                }
                window[..here].fill(0);
                self.pass(here as u64, At::Blank(size - here as u64, left))
            }
            At::Head => {
                let (count, width) = match self.count(window, 10) {
                    Ok(count) => count,
                    Err(step) => return step,
                };
                self.topics = count;
                self.pass(
                    10 + width as u64,
                    if count == 0 {
                        At::Tags(Of::Answer)
                    } else {
                        At::Topic
                    },
                )
            }
            At::Topic => {
                let (count, width) = match self.count(window, 16) {
                    Ok(count) => count,
                    Err(step) => return step,
                };
                self.topics -= 1;
                self.partitions = count;
                self.pass(
                    16 + width as u64,
                    if count == 0 {
                        At::Tags(Of::Topic)
                    } else {
                        At::Partition
                    },
                )
            }
            At::Partition => {
                // index, error_code, high_watermark, last_stable_offset, log_start_offset
                const FIXED: usize = 4 + 2 + 8 + 8 + 8;
                let (count, width) = match self.nullable_count(window, FIXED) {
                    Ok(count) => count,
                    Err(step) => return step,
                };
                self.partitions -= 1;
                self.aborted = count;
                self.pass(
                    (FIXED + width) as u64,
                    if count == 0 { At::Records } else { At::Aborted },
                )
            }
            At::Aborted => {
                self.aborted -= 1;
                self.pass(16, At::Tags(Of::Aborted))
            }
            At::Records => {
                let (size, width) = match self.nullable_count(window, 4) {
                    Ok(size) => size,
                    Err(step) => return step,
                };
                self.pass(4 + width as u64 + u64::from(size), At::Tags(Of::Partition))
            }
            At::Done => match self.left {
                0 => Step::Done,
                _ => Step::Malformed("bytes behind the end of a Fetch answer"),
            },
        }
    }

    fn tags(&mut self, window: &[u8], of: Of) -> Step {
        match self.varint(window, 0) {
            Ok((0, width)) => self.pass(width as u64, self.behind(of)),
            Ok((count, width)) => self.pass(width as u64, At::Tag(of, count)),
            Err(step) => step,
        }
    }

    fn tag(&mut self, window: &mut [u8], of: Of, left: u32) -> Step {
        let (tag, tag_width) = match self.varint(window, 0) {
            Ok(tag) => tag,
            Err(step) => return step,
        };
        let (size, size_width) = match self.varint(window, tag_width) {
            Ok(size) => size,
            Err(step) => return step,
        };
        if of == Of::Answer && tag == 0 {
            // A tag number of more than one byte would be no 0 that Kafka writes; all its bytes are changed then.
            varint::overwrite(&mut window[..tag_width], u32::from(UNUSED_TAG));
            // Its content is blanked as it comes: no address of a broker leaves the gateway.
            let next = At::Blank(u64::from(size), left - 1);
            return self.pass((tag_width + size_width) as u64, next);
        }
        let next = self.behind_tag(of, left - 1);
        self.pass((tag_width + size_width) as u64 + u64::from(size), next)
    }

    fn behind_tag(&self, of: Of, left: u32) -> At {
        match left {
            0 => self.behind(of),
            left => At::Tag(of, left),
        }
    }

    fn behind(&self, of: Of) -> At {
        match of {
            Of::Header => At::Head,
            Of::Aborted if self.aborted > 0 => At::Aborted,
            Of::Aborted => At::Records,
            Of::Partition if self.partitions > 0 => At::Partition,
            Of::Partition => At::Tags(Of::Topic),
            Of::Topic if self.topics > 0 => At::Topic,
            Of::Topic => At::Tags(Of::Answer),
            Of::Answer => At::Done,
        }
    }

    fn pass(&mut self, len: u64, next: At) -> Step {
        match self.left.checked_sub(len) {
            Some(left) => {
                self.left = left;
                self.at = next;
                Step::Pass(len)
            }
            None => Step::Malformed("Fetch answer runs past the end of its frame"),
        }
    }

    fn count(&self, window: &[u8], at: usize) -> Result<(u32, usize), Step> {
        let (count, width) = self.varint(window, at)?;
        Ok((
            count
                .checked_sub(1)
                .ok_or(Step::Malformed("array is null"))?,
            width,
        ))
    }

    fn nullable_count(&self, window: &[u8], at: usize) -> Result<(u32, usize), Step> {
        let (count, width) = self.varint(window, at)?;
        Ok((count.saturating_sub(1), width))
    }

    fn varint(&self, window: &[u8], at: usize) -> Result<(u32, usize), Step> {
        let limit = usize::try_from(self.left).unwrap_or(usize::MAX);
        match varint::at(window, at, limit) {
            Look::Ready(found) => Ok(found),
            Look::Need(n) if n as u64 > self.left => Err(Step::Malformed(
                "Fetch answer runs past the end of its frame",
            )),
            Look::Need(n) => Err(Step::Need(n)),
            Look::Malformed(why) => Err(Step::Malformed(why)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_endpoints_leave_as_zeros_under_a_tag_that_nobody_uses_however_they_come() {
        // Header tags, throttle_time_ms, error_code, session_id, no topics, two tags: node_endpoints and another.
        let answer = [
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0, 4, 1, 2, 3, 4, 1, 1, 9,
        ];
        let mut expected = answer;
        expected[13] = UNUSED_TAG;
        expected[15..19].fill(0);
        for step in 1..=answer.len() {
            let mut bytes = answer;
            let mut walker = Walker::new(bytes.len() as u64);
            let (mut at, mut end) = (0, 0);
            loop {
                match walker.next(&mut bytes[at..end]) {
                    Step::Pass(n) => at += n as usize,
                    Step::Need(n) => end = (at + n.max(step)).min(answer.len()),
                    Step::Done => break,
                    Step::Malformed(why) => panic!("{why}"),
                }
                end = end.max(at);
            }
            assert_eq!((bytes, at), (expected, answer.len()), "{step} at a time");
        }
    }
}
