//! Memory that sockets are read into.
//!
//! Where it begins matters: Linux copies what was received by `rep movsb`, and on AMD's Zen 3 that is sixteen times slower where
//! the bytes go to a place in a page 1 to 31 bytes after the place in their page that they come from. Large sends begin on page
//! boundaries, and what `malloc` maps begins sixteen bytes behind one. So storage of a page or more begins on a boundary.

use std::ops::{Deref, DerefMut};

const PAGE: usize = 4096;

/// See the module. Zeroed when made.
///
/// Either less than a page, from the first byte on, or a page more than asked for, from the boundary on: never anything between.
#[derive(Debug, Default)]
pub struct Storage(Vec<u8>);

impl Storage {
    pub fn new(len: usize) -> Storage {
        Storage(vec![0; len + slack(len)])
    }

    /// Makes it at least `len` long; what is there stays.
    pub fn grow(&mut self, len: usize) {
        let held = self.usable();
        if len <= held {
            return;
        }
        let before = self.start();
        self.0.resize(len + slack(len), 0);
        // It may have moved, and its boundary with it.
        let after = self.start();
        if after != before {
            self.0.copy_within(before..before + held, after);
        }
    }

    fn usable(&self) -> usize {
        match self.is_aligned() {
            true => self.0.len() - PAGE,
            false => self.0.len(),
        }
    }

    fn is_aligned(&self) -> bool {
        self.0.len() >= 2 * PAGE
    }

    fn start(&self) -> usize {
        match self.is_aligned() {
            true => self.0.as_ptr().align_offset(PAGE),
            false => 0,
        }
    }
}

/// What is needed beside `len` bytes to begin on a boundary.
fn slack(len: usize) -> usize {
    match len >= PAGE {
        true => PAGE,
        false => 0,
    }
}

impl Deref for Storage {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let start = self.start();
        &self.0[start..start + self.usable()]
    }
}

impl DerefMut for Storage {
    fn deref_mut(&mut self) -> &mut [u8] {
        let (start, len) = (self.start(), self.usable());
        &mut self.0[start..start + len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_as_long_as_asked_and_begins_on_a_page() {
        for len in [0, 1, PAGE - 1, PAGE, PAGE + 1, 64 << 10, 256 << 10] {
            let storage = Storage::new(len);
            assert_eq!(storage.len(), len);
            assert!(storage.iter().all(|byte| *byte == 0));
            assert!(len < PAGE || storage.as_ptr().align_offset(PAGE) == 0);
        }
    }

    #[test]
    fn what_is_there_stays_when_it_grows() {
        let mut storage = Storage::new(3);
        storage.copy_from_slice(b"abc");
        for len in [2, 10, PAGE - 1, PAGE, 3 * PAGE, 300 << 10, 5 << 20] {
            storage.grow(len);
            assert_eq!(storage.len(), len.max(3));
            assert_eq!(&storage[..3], b"abc");
            assert!(len < PAGE || storage.as_ptr().align_offset(PAGE) == 0);
        }
        let bytes: Vec<u8> = (0..5 << 20).map(|i| (i % 251) as u8).collect();
        storage.copy_from_slice(&bytes);
        storage.grow(50 << 20);
        assert!(storage[..5 << 20] == bytes[..]);
    }
}
