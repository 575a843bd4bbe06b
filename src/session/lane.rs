//! A lane: bytes on their way from one peer to the other, in one buffer, with a plan of what becomes of them.
//!
//! ```text
//!            plan: Forward 40 | Skip 60 | Own "answer" | Forward 8
//!          |<------------------ planned ------------------>|<---- fresh ---->|<- room ->|
//!        start                                           judged             end
//! ```
//!
//! The driver fills `room` from one socket and writes the plan to the other; the session looks at `fresh`, edits it in
//! place and plans it. Forwarded bytes are never copied. Bytes that nobody looks at may pass elsewhere; they have their place in
//! the plan. Storage is lent by the driver; a lane without bytes needs none.

use super::storage::Storage;
use bytes::Bytes;
use std::collections::VecDeque;
use std::io::IoSlice;

/// What becomes of the next planned bytes.
#[derive(Debug)]
enum Piece {
    /// As many bytes of the buffer go on.
    Forward(usize),
    /// As many bytes of the buffer go nowhere.
    Skip(usize),
    /// Bytes of our own go out in this place. Rare, so boxed: each lane keeps room for one piece.
    Own(Box<Bytes>),
    /// As many bytes that the driver holds elsewhere.
    Elsewhere(usize),
}

/// See the module.
#[derive(Debug, Default)]
pub struct Lane {
    storage: Storage,
    start: usize,
    judged: usize,
    end: usize,
    plan: VecDeque<Piece>,
    planned_bytes: u64,
    written_bytes: u64,
}

impl Lane {
    /// Bytes not yet judged.
    pub fn fresh(&mut self) -> &mut [u8] {
        &mut self.storage[self.judged..self.end]
    }

    /// The `n` bytes in front of them, if they are what was planned last and go on; and the fresh ones.
    pub fn forwarded_and_fresh(&mut self, n: usize) -> Option<(&[u8], &mut [u8])> {
        let forwarded = matches!(self.plan.back(), Some(Piece::Forward(len)) if *len >= n);
        let from = self.judged.checked_sub(n).filter(|_| forwarded)?;
        let (before, fresh) = self.storage[from..self.end].split_at_mut(n);
        Some((before, fresh))
    }

    pub fn fresh_len(&self) -> usize {
        self.end - self.judged
    }

    /// The next `n` fresh bytes go on; `n` is cut to what is there.
    pub fn forward(&mut self, n: usize) {
        let n = n.min(self.fresh_len());
        if n == 0 {
            return;
        }
        self.judged += n;
        self.planned_bytes += n as u64;
        match self.plan.back_mut() {
            Some(Piece::Forward(len)) => *len += n,
            _ => self.add(Piece::Forward(n)),
        }
    }

    /// The next `n` fresh bytes go nowhere; `n` is cut to what is there.
    pub fn skip(&mut self, n: usize) {
        let n = n.min(self.fresh_len());
        if n == 0 {
            return;
        }
        self.judged += n;
        match self.plan.back_mut() {
            // Nothing is waiting in front of them: they are gone at once.
            None => self.start = self.judged,
            Some(Piece::Skip(len)) => *len += n,
            Some(_) => self.add(Piece::Skip(n)),
        }
    }

    /// Bytes of our own go out behind what has been planned so far.
    pub fn insert(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.planned_bytes += bytes.len() as u64;
            self.add(Piece::Own(Box::new(bytes)));
        }
    }

    /// `n` bytes that the lane has not seen go out behind what has been planned so far; the driver holds them.
    pub fn bypass(&mut self, n: usize) {
        if n > 0 {
            self.planned_bytes += n as u64;
            self.add(Piece::Elsewhere(n));
        }
    }

    /// Whether what is to be written next is what the driver holds elsewhere.
    pub fn output_is_elsewhere(&self) -> bool {
        matches!(self.plan.front(), Some(Piece::Elsewhere(_)))
    }

    /// Most lanes never have more than one: room for one is what they begin with.
    fn add(&mut self, piece: Piece) {
        if self.plan.capacity() == 0 {
            self.plan.reserve_exact(1);
        }
        self.plan.push_back(piece);
    }

    /// Takes `n` bytes out of the fresh ones, from `at` on. What follows them moves up; at the end nothing moves.
    pub fn cut(&mut self, at: usize, n: usize) {
        let from = self.judged + at;
        let n = n.min(self.end.saturating_sub(from));
        self.storage.copy_within(from + n..self.end, from);
        self.end -= n;
    }

    /// Everything planned or fresh is forgotten; what was already written stays written.
    pub fn clear(&mut self) {
        (self.start, self.judged, self.end) = (0, 0, 0);
        self.plan.clear();
        self.planned_bytes = self.written_bytes;
    }

    /// What is planned and not yet written is forgotten; fresh bytes stay.
    pub fn clear_plan(&mut self) {
        self.start = self.judged;
        self.plan.clear();
        self.planned_bytes = self.written_bytes;
    }

    /// Bytes planned to go out since the beginning: where in the outgoing stream the next planned byte will lie.
    pub fn planned_bytes(&self) -> u64 {
        self.planned_bytes
    }

    /// Bytes that went out since the beginning.
    pub fn written_bytes(&self) -> u64 {
        self.written_bytes
    }

    pub fn has_output(&self) -> bool {
        self.planned_bytes > self.written_bytes
    }

    /// Bytes planned and not yet written.
    pub fn output_len(&self) -> u64 {
        self.planned_bytes - self.written_bytes
    }

    /// How many of them are bytes of our own.
    pub fn own_len(&self) -> u64 {
        let own = self.plan.iter().map(|piece| match piece {
            Piece::Own(bytes) => bytes.len() as u64,
            Piece::Forward(_) | Piece::Skip(_) | Piece::Elsewhere(_) => 0,
        });
        own.sum()
    }

    /// Pieces planned and not yet written: each takes memory, however few bytes it is.
    pub fn pieces(&self) -> usize {
        self.plan.len()
    }

    /// Neither planned nor fresh bytes.
    pub fn is_empty(&self) -> bool {
        self.start == self.end && self.plan.is_empty()
    }

    /// Fills `slices` with what is to be written next, up to what is held elsewhere: how many of them are used.
    pub fn output<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let (mut used, mut at) = (0, self.start);
        for piece in &self.plan {
            if used == slices.len() {
                break;
            }
            match piece {
                Piece::Forward(len) => {
                    slices[used] = IoSlice::new(&self.storage[at..at + len]);
                    used += 1;
                    at += len;
                }
                Piece::Skip(len) => at += len,
                Piece::Own(bytes) => {
                    slices[used] = IoSlice::new(bytes);
                    used += 1;
                }
                Piece::Elsewhere(_) => break,
            }
        }
        used
    }

    /// `n` bytes of [`Lane::output`] were written.
    pub fn wrote(&mut self, n: usize) {
        self.written_bytes += n as u64;
        let mut left = n;
        while let Some(piece) = self.plan.front_mut() {
            match piece {
                Piece::Skip(len) => self.start += *len,
                _ if left == 0 => break,
                Piece::Forward(len) if *len > left => {
                    *len -= left;
                    self.start += left;
                    break;
                }
                Piece::Forward(len) => {
                    self.start += *len;
                    left -= *len;
                }
                Piece::Own(bytes) if bytes.len() > left => {
                    bytes::Buf::advance(&mut **bytes, left);
                    break;
                }
                Piece::Own(bytes) => left -= bytes.len(),
                Piece::Elsewhere(len) if *len > left => {
                    *len -= left;
                    break;
                }
                Piece::Elsewhere(len) => left -= *len,
            }
            self.plan.pop_front();
        }
        if self.start == self.end {
            (self.start, self.judged, self.end) = (0, 0, 0);
        }
    }

    /// Where the driver reads to. Moves what is there to the front when it stands in the way and nothing is planned
    /// (moving is cheap then: at most a header that is not all there).
    pub fn room(&mut self) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.judged, self.end) = (0, 0, 0);
        } else if self.start > 0
            && self.plan.is_empty()
            && self.storage.len() - self.end < self.storage.len() / 2
        {
            self.storage.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.judged -= self.start;
            self.start = 0;
        }
        &mut self.storage[self.end..]
    }

    /// `n` bytes of [`Lane::room`] were filled.
    pub fn filled(&mut self, n: usize) {
        self.end += n;
    }

    pub fn capacity(&self) -> usize {
        self.storage.len()
    }

    /// Changes the storage, keeping what is there, which must fit: the old storage.
    pub fn replace_storage(&mut self, mut storage: Storage) -> Storage {
        let len = self.end - self.start;
        storage[..len].copy_from_slice(&self.storage[self.start..self.end]);
        self.judged -= self.start;
        (self.start, self.end) = (0, len);
        std::mem::replace(&mut self.storage, storage)
    }

    /// Makes the storage at least `len` long.
    pub fn grow_storage(&mut self, len: usize) {
        self.storage.grow(len);
    }

    /// Bytes that the storage must hold now.
    pub fn held_bytes(&self) -> usize {
        self.end - self.start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(bytes: &[u8]) -> Lane {
        let mut lane = Lane::default();
        lane.replace_storage(Storage::new(16));
        lane.room()[..bytes.len()].copy_from_slice(bytes);
        lane.filled(bytes.len());
        lane
    }

    fn written(lane: &mut Lane, step: usize) -> Vec<u8> {
        let mut out = Vec::new();
        while lane.has_output() {
            let mut slices = [IoSlice::new(&[]); 4];
            let used = lane.output(&mut slices);
            let all: Vec<u8> = slices[..used]
                .iter()
                .flat_map(|slice| slice.to_vec())
                .collect();
            let n = all.len().min(step);
            out.extend(&all[..n]);
            lane.wrote(n);
        }
        out
    }

    #[test]
    fn what_is_planned_goes_out_in_order_at_any_step() {
        for step in 1..8 {
            let mut lane = lane(b"abcdefgh");
            lane.skip(1);
            lane.forward(2);
            lane.skip(2);
            lane.insert(Bytes::from_static(b"--"));
            lane.forward(3);
            assert_eq!(written(&mut lane, step), b"bc--fgh");
            assert!(lane.is_empty());
            assert_eq!(lane.written_bytes(), 7);
        }
    }

    #[test]
    fn a_cut_moves_up_what_follows_it() {
        let mut lane = lane(b"abcdefgh");
        lane.cut(2, 3);
        lane.forward(8);
        assert_eq!(written(&mut lane, 9), b"abfgh");
    }

    #[test]
    fn skipped_bytes_at_the_end_leave_nothing_behind() {
        let mut lane = lane(b"abcd");
        lane.forward(2);
        lane.skip(2);
        assert_eq!(written(&mut lane, 1), b"ab");
        assert!(lane.is_empty());
        let mut lane = super::tests::lane(b"abcd");
        lane.skip(4);
        assert!(lane.is_empty() && !lane.has_output());
    }
}
