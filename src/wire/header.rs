//! The size prefix and the request header, as soon as they are there.
//!
//! `[size i32] [api_key i16] [api_version i16] [correlation_id i32] [client_id NULLABLE_STRING] [tags, header v2 only]`
//! (`RequestHeader.json`; client_id is never compact). Of an API that is not understood only the first twelve bytes are
//! looked at, so that what we do not know can pass. Does not know which versions are flexible: the caller says.

use super::api::ApiKey;
use super::varint;
use std::ops::Range;

/// Bytes of the size prefix; the size does not count itself.
pub const SIZE_LEN: usize = 4;
/// Size prefix, api_key, api_version, correlation_id: what every request of every version begins with.
pub const START_LEN: usize = 12;
/// Where the correlation_id of a request lies.
pub const CORRELATION_ID: Range<usize> = 8..START_LEN;
/// Size prefix and correlation_id: what every response begins with.
pub const RESPONSE_START_LEN: usize = 8;

/// The first twelve bytes of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Start {
    /// As claimed by the peer: anything, also negative.
    pub size: i32,
    pub api_key: ApiKey,
    pub api_version: i16,
    pub correlation_id: i32,
}

/// Reads the start of a request frame; `None` while there are fewer than [`START_LEN`] bytes.
pub fn start(frame: &[u8]) -> Option<Start> {
    let bytes: &[u8; START_LEN] = frame.first_chunk()?;
    Some(Start {
        size: i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]),
        api_key: ApiKey(i16::from_be_bytes([bytes[4], bytes[5]])),
        api_version: i16::from_be_bytes([bytes[6], bytes[7]]),
        correlation_id: i32::from_be_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]),
    })
}

/// Size and correlation id of a response frame; `None` while there are fewer than [`RESPONSE_START_LEN`] bytes.
pub fn response_start(frame: &[u8]) -> Option<(i32, i32)> {
    let bytes: &[u8; RESPONSE_START_LEN] = frame.first_chunk()?;
    let size = i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    Some((
        size,
        i32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
    ))
}

/// Whether what stands in front of both frames is the same: a look that spares a longer one.
pub fn same_size(first: &[u8], others: &[u8]) -> bool {
    first
        .first_chunk::<SIZE_LEN>()
        .is_some_and(|size| others.starts_with(size))
}

/// The size that a ClientHello of TLS shows when it is read as a size prefix: content type 22, version 3.x.
pub fn looks_like_tls(size: i32) -> bool {
    size >> 16 == 0x1603
}

/// What a look at bytes that may not all be there yet came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Look<T> {
    Ready(T),
    /// That many bytes from the start of the frame are needed to look again.
    Need(usize),
    Malformed(&'static str),
}

/// Where the parts of a request header lie, counted from the size prefix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// `None`: null.
    pub client_id: Option<(usize, usize)>,
    pub body_at: usize,
}

/// Reads the rest of a request header. `frame` starts at the size prefix, `frame_len` is what it will be in the end
/// (prefix included): nothing is asked for beyond it.
pub fn header(frame: &[u8], frame_len: usize, flexible: bool) -> Look<Header> {
    // What follows belongs to the next frame.
    let frame = &frame[..frame.len().min(frame_len)];
    let need = |end: usize| match end > frame_len {
        true => Look::Malformed("request header runs past the end of its frame"),
        false => Look::Need(end),
    };
    let at = START_LEN;
    let Some(length) = frame.get(at..at + 2) else {
        return need(at + 2);
    };
    let length = i16::from_be_bytes([length[0], length[1]]);
    let at = at + 2;
    let (client_id, at) = match length {
        -1 => (None, at),
        0.. => (Some((at, at + length as usize)), at + length as usize),
        _ => return Look::Malformed("client_id of negative length"),
    };
    if frame.len() < at || at > frame_len {
        return need(at);
    }
    match flexible {
        false => Look::Ready(Header {
            client_id,
            body_at: at,
        }),
        true => match skip_tags(frame, at, frame_len) {
            Look::Ready(body_at) => Look::Ready(Header { client_id, body_at }),
            Look::Need(n) => Look::Need(n),
            Look::Malformed(why) => Look::Malformed(why),
        },
    }
}

/// A whole frame of a head, which begins with a size prefix, and a body of another length than before.
pub fn frame_of(head: &[u8], body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(head.len() + body.len());
    frame.extend_from_slice(head);
    frame.extend_from_slice(body);
    let size = (frame.len() - SIZE_LEN) as u32;
    frame[..SIZE_LEN].copy_from_slice(&size.to_be_bytes());
    frame
}

/// Skips a tag section that starts at `at`: its end.
pub fn skip_tags(frame: &[u8], at: usize, frame_len: usize) -> Look<usize> {
    let mut at = at;
    let mut fields = match varint::at(frame, at, frame_len) {
        Look::Ready((fields, width)) => {
            at += width;
            fields
        }
        Look::Need(n) => return Look::Need(n),
        Look::Malformed(why) => return Look::Malformed(why),
    };
    // Each tagged field takes at least two bytes, so the loop is bounded by the bytes that are there.
    while fields > 0 {
        for is_size in [false, true] {
            match varint::at(frame, at, frame_len) {
                Look::Ready((value, width)) => {
                    at += width + if is_size { value as usize } else { 0 }
                }
                Look::Need(n) => return Look::Need(n),
                Look::Malformed(why) => return Look::Malformed(why),
            }
        }
        if at > frame_len {
            return Look::Malformed("tagged field runs past the end of its frame");
        }
        fields -= 1;
    }
    match at > frame.len() {
        true => Look::Need(at),
        false => Look::Ready(at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &[u8] = &[
        0, 0, 0, 20, 0, 0, 0, 9, 0, 0, 0, 7, 0, 2, b'm', b'e', 1, 5, 1, 0xaa, 9, 9, 9, 9,
    ];

    #[test]
    fn the_header_is_read_as_soon_as_it_is_there() {
        let start = start(REQUEST).unwrap();
        assert_eq!(
            (
                start.size,
                start.api_key,
                start.api_version,
                start.correlation_id
            ),
            (20, ApiKey(0), 9, 7)
        );
        for end in START_LEN..20 {
            assert!(
                matches!(header(&REQUEST[..end], 24, true), Look::Need(n) if n > end),
                "at {end}"
            );
        }
        assert_eq!(
            header(&REQUEST[..20], 24, true),
            Look::Ready(Header {
                client_id: Some((14, 16)),
                body_at: 20
            })
        );
        assert_eq!(
            header(REQUEST, 24, false),
            Look::Ready(Header {
                client_id: Some((14, 16)),
                body_at: 16
            })
        );
    }

    #[test]
    fn a_header_that_runs_past_its_frame_is_malformed() {
        assert!(matches!(
            header(&REQUEST[..14], 15, true),
            Look::Malformed(_)
        ));
        assert!(matches!(
            header(
                &[0, 0, 0, 12, 0, 0, 0, 9, 0, 0, 0, 7, 0x80, 0, 0, 0],
                16,
                false
            ),
            Look::Malformed(_)
        ));
        let tags = [
            0, 0, 0, 30, 0, 0, 0, 9, 0, 0, 0, 7, 0xff, 0xff, 1, 0, 0xff, 0xff, 0xff, 0xff, 0x0f,
        ];
        assert!(matches!(header(&tags, 34, true), Look::Malformed(_)));
    }

    #[test]
    fn a_client_hello_is_told_from_a_size() {
        assert!(looks_like_tls(i32::from_be_bytes([0x16, 3, 1, 2])));
        assert!(!looks_like_tls(100));
    }
}
