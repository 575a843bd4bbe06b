//! The header of the PROXY protocol, version 2 ("The PROXY protocol", section 2.2): what a load balancer says of the client before
//! the client's first byte.
//!
//! Floor 0. Never allocates; a length is bounded before anything is read by it. Version 1, which is a line of text, is refused.

use core::net::{IpAddr, SocketAddr};

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
const VERSION_1: &[u8] = b"PROXY ";
/// Signature, version and command, family and protocol, length.
const FIXED_BYTES: usize = 16;
/// Addresses (at most 216 bytes) and what load balancers add to them.
const MAX_LENGTH: usize = 536;
/// No header that is read is longer.
pub const MAX_BYTES: usize = FIXED_BYTES + MAX_LENGTH;

/// What the first bytes of a connection say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// The header goes on; never beyond this many bytes in all, as far as is known.
    More(usize),
    /// It ends here. The client's address, or `None` where the peer itself is meant or its address is of another kind.
    Whole(Option<SocketAddr>),
}

/// Why there is no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("no header of the PROXY protocol")]
    Missing,
    #[error("a header of version 1 of the PROXY protocol, allowed is version 2")]
    Version1,
    #[error("version and command {0:#04x}, allowed are 0x20 and 0x21")]
    Command(u8),
    #[error("{0} bytes of addresses and more, allowed are 0 to {MAX_LENGTH}")]
    TooLong(u16),
    #[error("{found} bytes of addresses and more, where addresses alone take {needed}")]
    TooShort { found: usize, needed: usize },
}

impl Error {
    /// One of `telemetry::PROXY_CAUSES`.
    pub fn cause(self) -> &'static str {
        match self {
            Error::Missing => "missing",
            Error::Version1 => "version_1",
            Error::TooLong(_) => "too_long",
            Error::Command(_) | Error::TooShort { .. } => "malformed",
        }
    }
}

/// Reads what has come of a header; `bytes` never hold more than the last [`Header::More`] allowed.
pub fn parse(bytes: &[u8]) -> Result<Header, Error> {
    let begun = bytes.len().min(SIGNATURE.len());
    if bytes[..begun] != SIGNATURE[..begun] {
        let line = bytes.len().min(VERSION_1.len());
        return match bytes[..line] == VERSION_1[..line] {
            true if line == VERSION_1.len() => Err(Error::Version1),
            true => Ok(Header::More(FIXED_BYTES)),
            false => Err(Error::Missing),
        };
    }
    let Some((fixed, rest)) = bytes.split_first_chunk::<FIXED_BYTES>() else {
        return Ok(Header::More(FIXED_BYTES));
    };
    let [.., command, family, high, low] = *fixed;
    let length = u16::from_be_bytes([high, low]);
    let is_local = match command {
        0x20 => true,
        0x21 => false,
        other => return Err(Error::Command(other)),
    };
    let whole = usize::from(length);
    if whole > MAX_LENGTH {
        return Err(Error::TooLong(length));
    }
    if rest.len() < whole {
        return Ok(Header::More(FIXED_BYTES + whole));
    }
    Ok(Header::Whole(match (is_local, family) {
        (false, 0x11) => Some(source::<4>(&rest[..whole])?),
        (false, 0x21) => Some(source::<16>(&rest[..whole])?),
        _ => None,
    }))
}

/// Source and destination, then the port of each.
fn source<const N: usize>(addresses: &[u8]) -> Result<SocketAddr, Error>
where
    IpAddr: From<[u8; N]>,
{
    let short = Error::TooShort {
        found: addresses.len(),
        needed: 2 * N + 4,
    };
    let (ip, rest) = addresses.split_first_chunk::<N>().ok_or(short)?;
    let (_, ports) = rest.split_first_chunk::<N>().ok_or(short)?;
    let (port, rest) = ports.split_first_chunk::<2>().ok_or(short)?;
    if rest.len() < 2 {
        return Err(short);
    }
    Ok(SocketAddr::new(
        IpAddr::from(*ip),
        u16::from_be_bytes(*port),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(command: u8, family: u8, length: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([command, family]);
        bytes.extend(length.to_be_bytes());
        bytes.extend(body);
        bytes
    }

    fn v4() -> Vec<u8> {
        let body = [
            192, 0, 2, 7, 198, 51, 100, 1, 0x12, 0x34, 0x23, 0x84, 4, 0, 1, 0,
        ];
        header(0x21, 0x11, 16, &body)
    }

    fn v6() -> Vec<u8> {
        let mut body = [0; 36];
        body[15] = 9;
        body[33] = 80;
        header(0x21, 0x21, 36, &body)
    }

    #[test]
    fn every_prefix_of_a_header_asks_for_more_and_never_for_a_byte_behind_it() {
        for whole in [v4(), v6(), header(0x20, 0, 0, &[])] {
            for len in 0..whole.len() {
                let Ok(Header::More(most)) = parse(&whole[..len]) else {
                    panic!("{len}: {:?}", parse(&whole[..len]));
                };
                assert!((len + 1..=whole.len()).contains(&most), "{len}: {most}");
            }
            assert!(matches!(parse(&whole), Ok(Header::Whole(_))));
        }
    }

    #[test]
    fn the_source_is_the_client_and_what_follows_the_addresses_is_passed_over() {
        let is = |text: &str| Ok(Header::Whole(Some(text.parse().unwrap())));
        assert_eq!(parse(&v4()), is("192.0.2.7:4660"));
        assert_eq!(parse(&v6()), is("[::9]:80"));
    }

    #[test]
    fn a_local_connection_and_other_families_keep_the_peers_address() {
        let body = [7; 216];
        for (command, family) in [(0x20, 0x11), (0x21, 0), (0x21, 0x31), (0x21, 0x12)] {
            let bytes = header(command, family, 216, &body);
            assert_eq!(parse(&bytes), Ok(Header::Whole(None)), "{family}");
        }
    }

    #[test]
    fn what_is_no_header_of_version_2_is_refused_at_its_first_wrong_byte() {
        assert_eq!(parse(b"\x16\x03\x01"), Err(Error::Missing));
        assert_eq!(parse(b"\0"), Err(Error::Missing));
        assert_eq!(parse(b"PROXZ"), Err(Error::Missing));
        assert_eq!(parse(b"\r\n\r\n\0\r\nQUIX"), Err(Error::Missing));
        assert_eq!(parse(b"PRO"), Ok(Header::More(16)));
        assert_eq!(parse(b"PROXY TCP4"), Err(Error::Version1));
        for command in [0x00, 0x11, 0x22, 0x31] {
            let bytes = header(command, 0x11, 12, &[]);
            assert_eq!(parse(&bytes), Err(Error::Command(command)));
        }
    }

    #[test]
    fn lengths_beyond_the_bound_or_below_the_addresses_are_refused() {
        let length = |family, length: u16| parse(&header(0x21, family, length, &[1; 600]));
        assert_eq!(length(0x11, 537), Err(Error::TooLong(537)));
        assert_eq!(length(0x11, u16::MAX), Err(Error::TooLong(u16::MAX)));
        assert!(length(0x11, 536).is_ok());
        for (family, needed) in [(0x11, 12), (0x21, 36)] {
            for found in 0..needed {
                let short = Error::TooShort { found, needed };
                assert_eq!(length(family, found as u16), Err(short));
            }
            assert!(length(family, needed as u16).is_ok());
        }
    }
}
