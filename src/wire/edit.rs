//! Edits to a body: which ranges are replaced by which bytes, spliced in one pass, or patched where they lie when no width changes.
//!
//! Floor 0. Knows nothing of messages; `endpoints.rs` and `versions.rs` say what is to be edited.

use super::reader::MAX_STRING;
use super::varint;
use std::ops::Range;

/// A list of replacements of one body. Replaced ranges must not overlap, except that a later `forget` drops some.
#[derive(Clone, Debug, Default)]
pub struct Edits {
    list: Vec<Edit>,
    /// The bytes of all replacements, one after the other: one allocation, not one per edit.
    bytes: Vec<u8>,
}

#[derive(Clone, Debug)]
struct Edit {
    range: Range<usize>,
    replacement: Range<usize>,
}

/// A place in the list of edits to come back to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Mark {
    edits: usize,
    bytes: usize,
}

impl Edits {
    /// Replaces `range` of the body with `bytes`; an empty replacement removes it.
    pub fn replace(&mut self, range: Range<usize>, bytes: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.list.push(Edit {
            range,
            replacement: start..self.bytes.len(),
        });
    }

    /// Replaces `range` with a STRING or COMPACT_STRING. Longer than an INT16 can say is cut there; configuration forbids it.
    pub fn replace_string(&mut self, range: Range<usize>, text: &str, compact: bool) {
        let text = text.as_bytes();
        let text = &text[..text.len().min(MAX_STRING)];
        let start = self.bytes.len();
        match (compact, u16::try_from(text.len())) {
            (false, Ok(length)) => self.bytes.extend_from_slice(&length.to_be_bytes()),
            (true, Ok(length)) => varint::push(&mut self.bytes, u32::from(length) + 1),
            (_, Err(_)) => {}
        }
        self.bytes.extend_from_slice(text);
        self.list.push(Edit {
            range,
            replacement: start..self.bytes.len(),
        });
    }

    /// Replaces `range` with the count of an ARRAY or COMPACT_ARRAY. Lowered, or raised by what is put in, so it fits.
    pub fn replace_count(&mut self, range: Range<usize>, count: usize, compact: bool) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let start = self.bytes.len();
        match compact {
            true => varint::push(&mut self.bytes, count.saturating_add(1)),
            false => self.bytes.extend_from_slice(&count.to_be_bytes()),
        }
        self.list.push(Edit {
            range,
            replacement: start..self.bytes.len(),
        });
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub fn mark(&self) -> Mark {
        Mark {
            edits: self.list.len(),
            bytes: self.bytes.len(),
        }
    }

    /// Drops the edits made since `mark`, because the element that they were in goes as a whole.
    pub fn forget(&mut self, mark: Mark) {
        self.list.truncate(mark.edits);
        self.bytes.truncate(mark.bytes);
    }

    /// The body with the edits made. Patched where it lies when no width changes, else copied once.
    pub fn apply(mut self, mut body: Vec<u8>) -> Vec<u8> {
        if self.patch(&mut body) {
            return body;
        }
        self.splice(&body)
    }

    /// Makes the edits in place when no width changes; else leaves `body` as it is and returns false.
    pub fn patch(&self, body: &mut [u8]) -> bool {
        let same_width = |edit: &Edit| {
            edit.range.len() == edit.replacement.len() && body.get(edit.range.clone()).is_some()
        };
        if !self.list.iter().all(same_width) {
            return false;
        }
        for edit in &self.list {
            body[edit.range.clone()].copy_from_slice(&self.bytes[edit.replacement.clone()]);
        }
        true
    }

    /// A new body with the edits made, written front to back in one pass.
    pub fn splice(&mut self, body: &[u8]) -> Vec<u8> {
        self.list.sort_by_key(|edit| edit.range.start);
        let mut spliced = Vec::with_capacity(body.len() + self.bytes.len());
        let mut copied = 0;
        for edit in &self.list {
            debug_assert!(copied <= edit.range.start, "edits overlap at {copied}");
            spliced.extend_from_slice(body.get(copied..edit.range.start).unwrap_or_default());
            spliced.extend_from_slice(&self.bytes[edit.replacement.clone()]);
            copied = copied.max(edit.range.end);
        }
        spliced.extend_from_slice(body.get(copied..).unwrap_or_default());
        spliced
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_spliced_in_the_order_of_the_body_whatever_the_order_they_were_found_in() {
        let mut edits = Edits::default();
        edits.replace(4..6, b"");
        edits.replace(0..1, b"AA");
        edits.replace(6..6, b"+");
        assert_eq!(edits.apply(b"abcdefgh".to_vec()), b"AAbcd+gh");
    }

    #[test]
    fn edits_of_the_same_width_are_patched_where_they_lie() {
        let mut edits = Edits::default();
        edits.replace(1..3, b"XY");
        let mut body = *b"abcd";
        assert!(edits.patch(&mut body));
        assert_eq!(&body, b"aXYd");
        edits.replace(0..1, b"");
        assert!(!edits.patch(&mut body));
    }

    #[test]
    fn a_forgotten_edit_leaves_no_trace() {
        let mut edits = Edits::default();
        edits.replace(0..1, b"A");
        let mark = edits.mark();
        edits.replace(1..2, b"BBB");
        edits.forget(mark);
        edits.replace(2..3, b"CC");
        assert_eq!(edits.apply(b"abcd".to_vec()), b"AbCCd");
    }

    #[test]
    fn lengths_and_counts_take_the_form_of_the_version() {
        let mut edits = Edits::default();
        edits.replace_string(0..0, "hi", false);
        edits.replace_string(1..1, "hi", true);
        edits.replace_count(2..2, 2, false);
        edits.replace_count(3..3, 200, true);
        let expected = [
            &[0, 2][..],
            b"hi",
            b"a",
            &[3],
            b"hi",
            b"b",
            &[0, 0, 0, 2],
            b"c",
            &[0xc9, 1],
        ];
        assert_eq!(edits.apply(b"abc".to_vec()), expected.concat());
    }
}
