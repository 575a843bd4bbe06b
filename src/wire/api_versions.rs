//! The ApiVersions request: by what name and version a client's library calls itself (`ApiVersionsRequest.json`, KIP-511).
//!
//! `v3+: client_software_name COMPACT_STRING | client_software_version COMPACT_STRING | ... | tags`. Floor 0. Looks at
//! nothing behind the two; a request that does not hold them is nobody's misdeed here, brokers answer it.

use super::reader::Reader;

/// First version that names the library.
pub const SOFTWARE_FROM: i16 = 3;
/// Longer names and versions are no library's, and none is kept.
pub const MAX_SOFTWARE_BYTES: usize = 64;

/// Name and version of the client's library in a request body, as brokers accept them: letters, digits, `-` and `.`,
/// beginning and ending with a letter or a digit.
pub fn client_software(version: i16, body: &[u8]) -> Option<(&str, &str)> {
    if version < SOFTWARE_FROM {
        return None;
    }
    let mut reader = Reader::new(body);
    let name = reader.string(true, "client_software_name").ok()??;
    let version = reader.string(true, "client_software_version").ok()??;
    Some((word(name)?, word(version)?))
}

fn word(bytes: &[u8]) -> Option<&str> {
    let (first, last) = (bytes.first()?, bytes.last()?);
    let inside = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    let sound = bytes.len() <= MAX_SOFTWARE_BYTES
        && first.is_ascii_alphanumeric()
        && last.is_ascii_alphanumeric()
        && bytes.iter().all(inside);
    sound.then(|| std::str::from_utf8(bytes).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_and_version_are_read_from_version_3_on() {
        let body = b"\x11apache-kafka-java\x064.3.1\x00";
        assert_eq!(
            client_software(3, &[&[0x12], &body[1..]].concat()),
            Some(("apache-kafka-java", "4.3.1"))
        );
        assert_eq!(client_software(2, &[&[0x12], &body[1..]].concat()), None);
    }

    #[test]
    fn what_no_broker_would_accept_is_no_name() {
        for name in [
            &b""[..],
            b"-a",
            b"a-",
            b"a b",
            b"a\"b",
            b"\xff\xfe",
            &[b'a'; 65],
        ] {
            let mut body = vec![name.len() as u8 + 1];
            body.extend_from_slice(name);
            body.extend_from_slice(b"\x041.0");
            assert_eq!(client_software(4, &body), None, "{name:?}");
        }
        let cut = [0x12, b'a', b'p'];
        assert_eq!(client_software(3, &cut), None);
        assert_eq!(client_software(3, &[0, 0]), None);
        assert_eq!(client_software(3, &[0xff, 0xff, 0xff, 0xff, 0x0f]), None);
        assert_eq!(client_software(3, &[]), None);
    }
}
