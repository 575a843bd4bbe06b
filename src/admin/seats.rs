//! Who is connected to the admin port, the oldest first (floor 6). There are always enough seats: the newest gets that of the
//! oldest, of its own address where that has too many. A scrape takes milliseconds; what stays, drips, or does not read is what
//! goes, and who holds many seats takes them from itself.

use super::{MAX_CONNECTIONS, MAX_FROM_ADDRESS};
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

#[derive(Default)]
pub(super) struct Seats(Mutex<Taken>);

#[derive(Default)]
struct Taken {
    seated: VecDeque<Seated>,
    /// Of the last one.
    number: u64,
}

struct Seated {
    number: u64,
    address: IpAddr,
    given_away: CancellationToken,
}

/// One connection's; free again when it is dropped.
pub(super) struct Seat {
    seats: Arc<Seats>,
    number: u64,
    given_away: CancellationToken,
}

impl Seats {
    pub(super) fn take(seats: &Arc<Seats>, address: IpAddr) -> Seat {
        let address = address.to_canonical();
        let given_away = CancellationToken::new();
        let mut taken = seats.lock();
        if let Some(seated) = taken.in_the_way_of(address) {
            seated.given_away.cancel();
        }
        taken.number += 1;
        let number = taken.number;
        taken.seated.push_back(Seated {
            number,
            address,
            given_away: given_away.clone(),
        });
        Seat {
            seats: seats.clone(),
            number,
            given_away,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Who has to go for one more of `address`.
    fn in_the_way_of(&mut self, address: IpAddr) -> Option<Seated> {
        let of_it = |seated: &Seated| seated.address == address;
        let count = self.seated.iter().filter(|seated| of_it(seated)).count();
        if count >= MAX_FROM_ADDRESS {
            let oldest = self.seated.iter().position(of_it)?;
            return self.seated.remove(oldest);
        }
        match self.seated.len() >= MAX_CONNECTIONS {
            true => self.seated.pop_front(),
            false => None,
        }
    }
}

impl Seat {
    /// When another one has it.
    pub(super) fn given_away(&self) -> WaitForCancellationFuture<'_> {
        self.given_away.cancelled()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.lock();
        taken.seated.retain(|seated| seated.number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn address(last: usize) -> IpAddr {
        IpAddr::from([10, 0, 0, u8::try_from(last).unwrap()])
    }

    fn went(seats: &[Seat]) -> Vec<usize> {
        let gone = |seat: &Seat| seat.given_away.is_cancelled();
        let gone = seats.iter().enumerate().filter(|(_, seat)| gone(seat));
        gone.map(|(position, _)| position).collect()
    }

    #[test]
    fn an_address_with_too_many_gives_up_its_own_oldest_and_no_other_does() {
        let seats = Arc::default();
        let other = Seats::take(&seats, address(1));
        let mut taken: Vec<_> = (0..MAX_FROM_ADDRESS + 2)
            .map(|_| Seats::take(&seats, address(2)))
            .collect();
        assert_eq!(went(&taken), [0, 1]);
        assert!(went(&[other]).is_empty());
        // One that leaves makes room, also when it is the same address by another name.
        taken.pop();
        let mapped = IpAddr::from(Ipv4Addr::new(10, 0, 0, 2).to_ipv6_mapped());
        taken.push(Seats::take(&seats, mapped));
        assert_eq!(went(&taken), [0, 1]);
        taken.push(Seats::take(&seats, mapped));
        assert_eq!(went(&taken), [0, 1, 2]);
    }

    #[test]
    fn when_all_seats_are_taken_the_oldest_of_all_goes() {
        let seats = Arc::default();
        let taken: Vec<_> = (0..MAX_CONNECTIONS + 3)
            .map(|number| Seats::take(&seats, address(number)))
            .collect();
        assert_eq!(went(&taken), [0, 1, 2]);
        assert_eq!(seats.lock().seated.len(), MAX_CONNECTIONS);
        drop(taken);
        assert_eq!(seats.lock().seated.len(), 0);
    }
}
