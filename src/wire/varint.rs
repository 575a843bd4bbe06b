//! Kafka's UVARINT (seven bits a byte, least first, five bytes at most) in a window of bytes that may still grow.

use super::header::Look;

/// Value and width of the varint at `at`. Asks for one byte more at a time, never beyond `frame_len`.
#[inline]
pub fn at(frame: &[u8], at: usize, frame_len: usize) -> Look<(u32, usize)> {
    let mut value = 0u32;
    for width in 0..5 {
        let Some(&byte) = frame.get(at + width) else {
            return match at + width >= frame_len {
                true => Look::Malformed("varint runs past the end of its frame"),
                false => Look::Need(at + width + 1),
            };
        };
        if width == 4 && byte > 0x0f {
            return Look::Malformed("varint above 32 bits");
        }
        value |= u32::from(byte & 0x7f) << (7 * width);
        if byte & 0x80 == 0 {
            return Look::Ready((value, width + 1));
        }
    }
    Look::Malformed("varint longer than five bytes")
}

/// Writes `value` over the varint that fills `place`, at that very width: padding with continuation bits keeps the
/// length, and Kafka's reader (`ByteUtils.readUnsignedVarint`) takes a varint that is longer than it need be.
/// The value must not need more bytes than there are; a smaller one than before never does.
pub fn overwrite(place: &mut [u8], value: u32) {
    let mut rest = value;
    let last = place.len().saturating_sub(1);
    for (position, byte) in place.iter_mut().enumerate() {
        let more = if position == last { 0 } else { 0x80 };
        *byte = (rest & 0x7f) as u8 | more;
        rest >>= 7;
    }
    debug_assert_eq!(rest, 0, "a varint was given too little room");
}

/// Appends `value` in as few bytes as it needs.
pub fn push(out: &mut Vec<u8>, value: u32) {
    let mut rest = value;
    while rest >= 0x80 {
        out.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pushed_is_read_and_every_prefix_asks_for_more() {
        for value in [0, 1, 127, 128, 300, 16_383, 16_384, 1 << 28, u32::MAX] {
            let mut bytes = Vec::new();
            push(&mut bytes, value);
            assert_eq!(at(&bytes, 0, 100), Look::Ready((value, bytes.len())));
            for end in 0..bytes.len() {
                assert_eq!(at(&bytes[..end], 0, 100), Look::Need(end + 1));
                assert!(matches!(at(&bytes[..end], 0, end), Look::Malformed(_)));
            }
        }
    }

    #[test]
    fn a_smaller_value_fits_the_old_width() {
        let mut bytes = [0x80, 0x01];
        overwrite(&mut bytes, 127);
        assert_eq!(at(&bytes, 0, 2), Look::Ready((127, 2)));
    }

    #[test]
    fn more_than_32_bits_is_malformed() {
        assert!(matches!(at(&[0xff; 8], 0, 8), Look::Malformed(_)));
        assert!(matches!(
            at(&[0xff, 0xff, 0xff, 0xff, 0x1f], 0, 8),
            Look::Malformed(_)
        ));
    }
}
