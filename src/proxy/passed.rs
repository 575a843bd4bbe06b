//! Listening sockets that whoever started this process holds, too (systemd's socket activation: `LISTEN_FDS`, `LISTEN_PID`): they
//! outlive it, so that a restart refuses no connect. What comes while nobody accepts waits in them.
//!
//! They are told apart by their local address, which must be the configured one to the letter; `LISTEN_FDNAMES` is not looked at.
//! Kafka's ports are passed all or none: one that is bound here would refuse connects for the length of every restart, and that
//! is what passing is to end. One that belongs to no port would take connections that nobody ever accepts. Floor 5.

use listenfd::ListenFd;
use socket2::SockRef;
use std::fmt::Display;
use std::io;
use std::net::{SocketAddr, TcpListener};

/// Those that nobody has taken yet.
#[derive(Debug, Default)]
pub struct Passed(Vec<(SocketAddr, TcpListener)>);

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "socket {number} of those passed (LISTEN_FDS) cannot be used: {source}; allowed: listening TCP sockets"
    )]
    Unusable { number: usize, source: io::Error },
    #[error(
        "a socket was passed (LISTEN_FDS) for {0}, where no port is configured; allowed: listener.bind with each Kafka port, and admin.bind"
    )]
    Unclaimed(SocketAddr),
    #[error(
        "sockets were passed (LISTEN_FDS), but none for {}; pass those of all Kafka ports, or of none",
        listed(.0)
    )]
    Missing(Vec<SocketAddr>),
}

impl Passed {
    /// To be called once, while there is one thread: the variables are taken out of the environment.
    ///
    /// # Errors
    /// What was passed is not what can be accepted from.
    pub fn from_environment() -> Result<Passed, Error> {
        let mut passed = ListenFd::from_env();
        let mut usable = Vec::new();
        for position in 0..passed.len() {
            match take(&mut passed, position) {
                Ok(Some(listener)) => usable.push(listener),
                Ok(None) => {}
                Err(source) => {
                    return Err(Error::Unusable {
                        number: position + 1,
                        source,
                    });
                }
            }
        }
        Ok(Passed(usable))
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// That of exactly this address.
    pub fn take(&mut self, address: SocketAddr) -> Option<TcpListener> {
        let found = self.0.iter().position(|(passed, _)| *passed == address)?;
        Some(self.0.swap_remove(found).1)
    }

    /// One for each of these addresses, in their order, or none at all.
    ///
    /// # Errors
    /// There are some and not others.
    pub fn take_all(&mut self, addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, Error> {
        let (mut taken, mut missing) = (Vec::new(), Vec::new());
        for address in addresses {
            match self.take(*address) {
                Some(listener) => taken.push(listener),
                None => missing.push(*address),
            }
        }
        match taken.is_empty() || missing.is_empty() {
            true => Ok(taken),
            false => Err(Error::Missing(missing)),
        }
    }

    /// Once everybody has taken theirs.
    ///
    /// # Errors
    /// There is one left.
    pub fn done(self) -> Result<(), Error> {
        match self.0.first() {
            Some((address, _)) => Err(Error::Unclaimed(*address)),
            None => Ok(()),
        }
    }
}

fn take(passed: &mut ListenFd, position: usize) -> io::Result<Option<(SocketAddr, TcpListener)>> {
    let Some(listener) = passed.take_tcp_listener(position)? else {
        return Ok(None);
    };
    if !SockRef::from(&listener).is_listener()? {
        return Err(io::Error::other("it does not listen"));
    }
    listener.set_nonblocking(true)?;
    Ok(Some((listener.local_addr()?, listener)))
}

/// The first few.
fn listed(addresses: &[impl Display]) -> String {
    const SHOWN: usize = 5;
    let shown = addresses.iter().take(SHOWN).map(ToString::to_string);
    let shown = shown.collect::<Vec<_>>().join(", ");
    match addresses.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(ports: usize) -> (Passed, Vec<SocketAddr>) {
        let listeners: Vec<_> = (0..ports)
            .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
            .map(|listener| (listener.local_addr().unwrap(), listener))
            .collect();
        let addresses = listeners.iter().map(|(address, _)| *address).collect();
        (Passed(listeners), addresses)
    }

    #[test]
    fn each_goes_to_its_address_and_all_or_none_of_kafkas_ports_are_passed() {
        let (mut some, addresses) = passed(3);
        let taken = some.take_all(&[addresses[2], addresses[0]]).unwrap();
        let taken: Vec<_> = taken.iter().map(|l| l.local_addr().unwrap()).collect();
        assert_eq!(taken, [addresses[2], addresses[0]]);
        let error = some.done().unwrap_err().to_string();
        assert!(
            error.contains(&format!("for {}, where", addresses[1])),
            "{error}"
        );

        let (mut some, addresses) = passed(1);
        let mut wanted: Vec<SocketAddr> =
            (1..=7).map(|port| ([127, 0, 0, 1], port).into()).collect();
        assert!(some.take_all(&wanted).unwrap().is_empty());
        wanted.push(addresses[0]);
        let error = some.take_all(&wanted).unwrap_err().to_string();
        assert!(
            error.contains("127.0.0.1:4, 127.0.0.1:5 and 2 more; pass those of all"),
            "{error}"
        );
    }
}
