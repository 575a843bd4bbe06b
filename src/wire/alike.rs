//! Frames that are alike: they begin with the same bytes, but for fields that may differ. What comes of one was found out by
//! reading it; of those that follow it only what differs need be read. A flood of small frames is mostly of this kind, and
//! what one of them costs is some ten instructions for each 16 bytes.

use std::ops::Range;

/// Longer beginnings are not compared.
const MAX_BYTES: usize = 320;
/// As much is compared at a time.
const STEP: usize = 16;

/// How a frame must begin to be like another.
pub struct Template {
    bytes: [u8; MAX_BYTES],
    /// All bits of what must be the same.
    mask: [u8; MAX_BYTES],
    len: usize,
}

impl Template {
    /// The first `len` bytes of `frame`, but for those in `free`. `None`: that is not what it is for, they are too many or too few.
    pub fn new(
        frame: &[u8],
        len: usize,
        free: impl IntoIterator<Item = Range<usize>>,
    ) -> Option<Template> {
        let begins = frame
            .get(..len)
            .filter(|_| (STEP..=MAX_BYTES).contains(&len))?;
        let mut template = Template {
            bytes: [0; MAX_BYTES],
            mask: [0xff; MAX_BYTES],
            len,
        };
        template.bytes[..len].copy_from_slice(begins);
        for range in free {
            template.mask.get_mut(range)?.fill(0);
        }
        Some(template)
    }

    #[inline]
    pub fn fits(&self, frame: &[u8]) -> bool {
        let Some(begins) = frame.get(..self.len) else {
            return false;
        };
        let (bytes, mask) = (&self.bytes[..self.len], &self.mask[..self.len]);
        let mut differs = [0; 2];
        let steps = begins.as_chunks().0.iter();
        let steps = steps.zip(bytes.as_chunks().0).zip(mask.as_chunks().0);
        for ((one, other), mask) in steps {
            add(&mut differs, one, other, mask);
        }
        // What is left, together with some that was compared.
        if let (Some(one), Some(other), Some(mask)) =
            (begins.last_chunk(), bytes.last_chunk(), mask.last_chunk())
        {
            add(&mut differs, one, other, mask);
        }
        differs == [0, 0]
    }
}

/// In two words, which the compiler keeps in one register.
#[inline(always)]
fn add(differs: &mut [u64; 2], one: &[u8; STEP], other: &[u8; STEP], mask: &[u8; STEP]) {
    let (one, other, mask) = (words(one), words(other), words(mask));
    for (at, differs) in differs.iter_mut().enumerate() {
        *differs |= (one[at] ^ other[at]) & mask[at];
    }
}

#[inline(always)]
fn words(bytes: &[u8; STEP]) -> [u64; 2] {
    let (words, _) = bytes.as_chunks();
    [u64::from_ne_bytes(words[0]), u64::from_ne_bytes(words[1])]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_that_is_not_free_must_be_the_same() {
        for len in [16, 17, 31, 32, 61, 128, 319, 320] {
            let frame: Vec<u8> = (0..400).map(|at| at as u8).collect();
            let template = Template::new(&frame, len, [3..5, 9..10]).unwrap();
            for at in 0..frame.len() {
                let mut other = frame.clone();
                other[at] ^= 1;
                let free = (3..5).contains(&at) || at == 9 || at >= len;
                assert_eq!(template.fits(&other), free, "byte {at} of {len}");
            }
            assert!(!template.fits(&frame[..len - 1]));
            assert!(template.fits(&frame[..len]));
        }
    }

    #[test]
    fn what_is_too_long_too_short_or_not_there_makes_none() {
        let frame = [0; 400];
        assert!(Template::new(&frame, 321, []).is_none());
        assert!(Template::new(&frame, 15, []).is_none());
        assert!(Template::new(&frame[..20], 21, []).is_none());
        assert!(Template::new(&frame, 20, [3..5, 319..321]).is_none());
    }
}
