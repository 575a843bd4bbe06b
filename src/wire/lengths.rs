//! Lengths and names at a place in a window of bytes that may still grow, in the two ways Kafka writes them: fixed, or as
//! varints (compact). For messages that are walked while they come (`fetch.rs`, `fetch_request.rs`).

use super::header::Look;
use super::produce::TopicKey;
use super::reader::MAX_STRING;
use super::varint;

/// Why nothing was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Short {
    /// At least that many bytes must be in the window.
    Need(usize),
    Malformed(&'static str),
}

/// How lengths are written, and how many bytes there are from the window's beginning to the end of the frame.
#[derive(Clone, Copy, Debug)]
pub struct Lengths {
    pub compact: bool,
    pub left: u64,
}

impl Lengths {
    /// Count of an array, or length of bytes, with the width of it; `None`: null.
    pub fn count(self, window: &[u8], at: usize) -> Result<(Option<u32>, usize), Short> {
        if self.compact {
            let (count, width) = self.varint(window, at)?;
            return Ok((count.checked_sub(1), width));
        }
        let count = i32::from_be_bytes(*self.chunk::<4>(window, at)?);
        match u32::try_from(count) {
            Ok(count) => Ok((Some(count), 4)),
            Err(_) if count == -1 => Ok((None, 4)),
            Err(_) => Err(Short::Malformed("length is negative")),
        }
    }

    /// The topic, by its name or its id, and where it ends.
    pub fn topic(
        self,
        window: &[u8],
        at: usize,
        by_id: bool,
    ) -> Result<(TopicKey<'_>, usize), Short> {
        if by_id {
            let id = *self.chunk::<16>(window, at)?;
            return Ok((TopicKey::Id(id), at + 16));
        }
        let (length, width) = match self.compact {
            true => self.count(window, at)?,
            false => {
                let length = i16::from_be_bytes(*self.chunk::<2>(window, at)?);
                (u32::try_from(length).ok(), 2)
            }
        };
        let length = length.ok_or(Short::Malformed("topic name is null"))?;
        if length as usize > MAX_STRING {
            return Err(Short::Malformed(
                "topic name is longer than a string can be",
            ));
        }
        let start = at + width;
        let end = start.saturating_add(length as usize);
        let name = window.get(start..end).ok_or_else(|| self.need(end))?;
        Ok((TopicKey::Name(name), end))
    }

    pub fn varint(self, window: &[u8], at: usize) -> Result<(u32, usize), Short> {
        let limit = usize::try_from(self.left).unwrap_or(usize::MAX);
        match varint::at(window, at, limit) {
            Look::Ready(found) => Ok(found),
            Look::Need(n) => Err(self.need(n)),
            Look::Malformed(why) => Err(Short::Malformed(why)),
        }
    }

    pub fn chunk<const N: usize>(self, window: &[u8], at: usize) -> Result<&[u8; N], Short> {
        let chunk = window.get(at..).and_then(<[u8]>::first_chunk);
        chunk.ok_or_else(|| self.need(at + N))
    }

    fn need(self, n: usize) -> Short {
        match n as u64 > self.left {
            true => Short::Malformed("runs past the end of its frame"),
            false => Short::Need(n),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIXED: Lengths = Lengths {
        compact: false,
        left: 100,
    };
    const COMPACT: Lengths = Lengths {
        compact: true,
        left: 100,
    };

    #[test]
    fn a_count_is_read_both_ways_and_null_is_none() {
        assert_eq!(FIXED.count(&[9, 0, 0, 1, 4], 1), Ok((Some(260), 4)));
        assert_eq!(FIXED.count(&[255; 4], 0), Ok((None, 4)));
        assert_eq!(
            FIXED.count(&[255, 255, 255, 254], 0),
            Err(Short::Malformed("length is negative"))
        );
        assert_eq!(COMPACT.count(&[9, 4], 1), Ok((Some(3), 1)));
        assert_eq!(COMPACT.count(&[0], 0), Ok((None, 1)));
    }

    #[test]
    fn more_is_asked_for_up_to_the_end_of_the_frame_and_not_beyond() {
        assert_eq!(FIXED.topic(&[0, 5, b'a'], 0, false), Err(Short::Need(7)));
        assert_eq!(
            FIXED.topic(&[0, 2, b'a', b'b'], 0, false),
            Ok((TopicKey::Name(b"ab"), 4))
        );
        let short = Lengths { left: 6, ..FIXED };
        assert!(matches!(
            short.topic(&[0, 5, b'a'], 0, false),
            Err(Short::Malformed(_))
        ));
        assert_eq!(COMPACT.topic(&[7; 15], 0, true), Err(Short::Need(16)));
    }
}
