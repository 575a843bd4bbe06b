//! One value: its range, its form, and what is said of it when it is wrong (roof).

use super::Checker;
use crate::cluster::{IdSet, NODE_ID};
use crate::config::error::{Place, Problem};
use crate::config::file::{At, Found, Number, Text, Truth};
use crate::config::keys::{Allowed, Default, Key};
use crate::policy::Mode;
use crate::proxy::settings::HostPort;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// Single values.
impl Checker<'_> {
    pub(super) fn number(&mut self, key: &Key, found: &Number) -> i64 {
        self.optional(key, found).unwrap_or(key.default_number())
    }

    /// `None` when nothing, or something wrong, stands there.
    pub(super) fn optional(&mut self, key: &Key, found: &Number) -> Option<i64> {
        let found = found.as_ref()?;
        let fits = match key.allowed {
            Allowed::Range(min, max, _) => (min..=max).contains(&found.value),
            _ => false,
        };
        if !fits {
            self.not_allowed(key, &key.path(), &found.at, &found.value);
        }
        fits.then_some(found.value)
    }

    // The ranges in `keys.rs` make the next two conversions exact.
    pub(super) fn size(&mut self, key: &Key, found: &Number) -> usize {
        self.number(key, found) as usize
    }

    pub(super) fn port(&mut self, key: &Key, found: &Number) -> u16 {
        self.number(key, found) as u16
    }

    pub(super) fn millis(&mut self, key: &Key, found: &Number) -> Duration {
        Duration::from_millis(self.number(key, found) as u64)
    }

    /// One of the words allowed; the default (or "") when nothing or something wrong stands there.
    pub(super) fn choice(&mut self, key: &Key, found: &Text) -> &'static str {
        let (Allowed::OneOf(words), Some(found)) = (&key.allowed, found) else {
            return key.default_text();
        };
        match words.iter().find(|word| **word == found.value) {
            Some(word) => word,
            None => {
                self.not_allowed(key, &key.path(), &found.at, &Quoted(&found.value));
                key.default_text()
            }
        }
    }

    pub(super) fn parsed<T>(
        &mut self,
        key: &Key,
        found: &Text,
        parse: fn(&str) -> Option<T>,
    ) -> Option<T> {
        let Some(found) = found else {
            return match key.default {
                Default::Text(text) => parse(text),
                _ => None,
            };
        };
        let value = parse(&found.value);
        if value.is_none() {
            self.not_allowed(key, &key.path(), &found.at, &Quoted(&found.value));
        }
        value
    }

    pub(super) fn value_of<'t>(&self, found: &'t Text) -> Option<&'t str> {
        found.as_ref().map(|found| found.value.as_str())
    }

    pub(super) fn not_allowed(&mut self, key: &Key, path: &str, at: &At, value: &dyn fmt::Display) {
        self.wrong(
            path,
            Some(at),
            format!("found {value}; allowed: {}", key.allowed),
        );
    }

    pub(super) fn wrong(&mut self, path: &str, at: Option<&At>, text: String) {
        // What is missing, or not what it should be, only because it could not be read has been reported.
        let reported = match at {
            Some(_) => self.unread,
            None => self.problems.len(),
        };
        let mut reported = self.problems.iter().take(reported);
        if reported.any(|problem| problem.key == path) {
            return;
        }
        let place = match at {
            Some(At::Span(span)) => self.source.place(span),
            Some(At::Flag(flag)) => Place::Flag(flag),
            None => Place::Nowhere,
        };
        self.problems.push(Problem {
            place,
            key: path.to_owned(),
            text,
        });
    }
}

pub(super) fn path(found: &Text) -> Option<PathBuf> {
    found.as_ref().map(|found| PathBuf::from(&found.value))
}

pub(super) fn mode_of(name: &str) -> Option<Mode> {
    Mode::ALL.into_iter().find(|mode| mode.name() == name)
}

/// Nothing that parses as a truth value is wrong.
pub(super) fn truth(key: &Key, found: &Truth) -> bool {
    match (found, &key.default) {
        (Some(found), _) => found.value,
        (None, Default::Truth(default)) => *default,
        (None, _) => false,
    }
}

pub(super) struct Quoted<'a>(pub(super) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

pub(super) fn place_of<T>(found: &Option<Found<T>>) -> Option<&At> {
    found.as_ref().map(|found| &found.at)
}

/// A name or an address, without port, scheme or brackets.
pub(super) fn host(text: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let name = !text.is_empty() && text.len() <= 255 && text.chars().all(plain);
    (name || text.parse::<IpAddr>().is_ok()).then(|| text.to_owned())
}

/// A host that can be connected to, perhaps with a place for a node id.
pub(super) fn host_pattern(text: &str) -> Option<String> {
    let everywhere = text.parse().is_ok_and(|ip: IpAddr| ip.is_unspecified());
    let host = host(&text.replace(NODE_ID, "2147483647")).filter(|_| !everywhere);
    host.map(|_| text.to_owned())
}

/// A name that can stand in a ClientHello: no IP address.
pub(super) fn name(text: &str) -> Option<String> {
    let name = host(text).filter(|_| text.parse::<IpAddr>().is_err())?;
    (!name.ends_with('.')).then_some(name)
}

/// A name for each broker.
pub(super) fn name_pattern(text: &str) -> Option<String> {
    let filled = text.replace(NODE_ID, "2147483647");
    let fits = text.matches(NODE_ID).count() == 1 && name(&filled).is_some();
    fits.then(|| text.to_owned())
}

/// `host:port`, `[::1]:port`.
pub(super) fn host_port(text: &str) -> Option<HostPort> {
    let (host_part, port) = text.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port > 0)?;
    let host = match host_part
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        Some(inside) => inside.parse::<std::net::Ipv6Addr>().ok()?.to_string(),
        None => host(host_part).filter(|host| !host.contains(':'))?,
    };
    Some(HostPort { host, port })
}

/// `0-9,17`: not empty, not negative, at most as many ids as ports are reasonable to bind.
pub(super) fn broker_ids(text: &str) -> Option<IdSet> {
    let id = |text: &str| text.trim().parse::<u16>().ok().map(i32::from);
    let ranges = text.split(',').map(|part| match part.split_once('-') {
        Some((first, last)) => Some((id(first)?, id(last)?)).filter(|(first, last)| first <= last),
        None => id(part).map(|id| (id, id)),
    });
    let ids = IdSet::from_ranges(ranges.collect::<Option<Vec<_>>>()?);
    (1..=1000).contains(&ids.len()).then_some(ids)
}

/// The first moment after a day such as `2027-01-31`, UTC.
pub(super) fn end_of_day(text: &str) -> Option<SystemTime> {
    let date: toml::value::Datetime = text.parse().ok()?;
    let date = date
        .date
        .filter(|_| date.time.is_none() && date.offset.is_none())?;
    let days = days_since_1970(
        i64::from(date.year),
        i64::from(date.month),
        i64::from(date.day),
    ) + 1;
    let seconds = u64::try_from(days).ok()?.checked_mul(86_400)?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// Proleptic Gregorian calendar, counted in years that begin in March, so that the leap day is the last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = match month > 2 {
        true => (year, month - 3),
        false => (year - 1, month + 9),
    };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    365 * year + leap_days + (153 * month + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_take_a_port_and_brackets_for_ipv6() {
        let show = |text| host_port(text).map(|server| server.to_string());
        assert_eq!(show("kafka-1:9092").as_deref(), Some("kafka-1:9092"));
        assert_eq!(show("[::1]:9092").as_deref(), Some("[::1]:9092"));
        for wrong in [
            "kafka-1",
            "kafka-1:",
            "kafka-1:0",
            "kafka-1:70000",
            "::1:9092",
            "http://a:1",
            ":9092",
            "a b:1",
        ] {
            assert_eq!(show(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn broker_ids_are_ranges_within_reason() {
        assert_eq!(
            broker_ids("17, 0-9").map(|ids| ids.to_string()).as_deref(),
            Some("0-9,17")
        );
        for wrong in ["", "9-0", "-1", "1-", "a", "1,,2", "0-1000"] {
            assert_eq!(broker_ids(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_exemption_works_until_its_day_is_over() {
        let seconds = |text| {
            end_of_day(text).map(|end| {
                end.duration_since(SystemTime::UNIX_EPOCH)
                    .unwrap()
                    .as_secs()
            })
        };
        assert_eq!(seconds("1970-01-01"), Some(86_400));
        assert_eq!(seconds("2027-01-31"), Some(1_801_440_000)); // date -u -d 2027-02-01 +%s
        assert_eq!(seconds("2028-02-29"), Some(1_835_481_600)); // date -u -d 2028-03-01 +%s
        for wrong in [
            "2027-02-30",
            "2027-13-01",
            "31.01.2027",
            "2027-01-31T10:00:00Z",
            "10:00:00",
            "",
        ] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }
}
