//! Where clients find each broker: at Holdfast. Node ids stay what they are; host and port are ours.

use std::borrow::Cow;
use std::fmt;

/// The configured set of broker ids, ascending and without overlap: `0-9,17`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdSet(Vec<(i32, i32)>);

impl IdSet {
    /// Inclusive ranges in any order; overlapping and touching ones are joined. Empty or reversed ranges are left out.
    pub fn from_ranges(ranges: impl IntoIterator<Item = (i32, i32)>) -> IdSet {
        let mut ranges: Vec<_> = ranges
            .into_iter()
            .filter(|(first, last)| first <= last)
            .collect();
        ranges.sort_unstable();
        let mut joined: Vec<(i32, i32)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match joined.last_mut() {
                Some(previous) if first <= previous.1.saturating_add(1) => {
                    previous.1 = previous.1.max(last)
                }
                _ => joined.push((first, last)),
            }
        }
        IdSet(joined)
    }

    pub fn contains(&self, id: i32) -> bool {
        self.0
            .iter()
            .any(|(first, last)| (*first..=*last).contains(&id))
    }

    pub fn iter(&self) -> impl Iterator<Item = i32> + '_ {
        self.0.iter().flat_map(|(first, last)| *first..=*last)
    }

    /// How many ids there are.
    pub fn len(&self) -> usize {
        self.0
            .iter()
            .map(|(first, last)| (i64::from(*last) - i64::from(*first) + 1) as usize)
            .sum()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn last(&self) -> Option<i32> {
        self.0.last().map(|(_, last)| *last)
    }
}

impl fmt::Display for IdSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (first, last)) in self.0.iter().enumerate() {
            let comma = if position == 0 { "" } else { "," };
            match first == last {
                true => write!(f, "{comma}{first}")?,
                false => write!(f, "{comma}{first}-{last}")?,
            }
        }
        Ok(())
    }
}

/// What clients are told for every id of the set: `host`, and `port`, or `port_base + node_id` without one.
#[derive(Clone, Debug)]
pub struct Advertised {
    /// [`NODE_ID`] in it stands for the broker's node id.
    pub host: String,
    pub port_base: u16,
    /// Of every broker; only where each has a host of its own.
    pub port: Option<u16>,
    pub ids: IdSet,
}

/// Stands for a broker's node id in a host.
pub const NODE_ID: &str = "{id}";

impl Advertised {
    /// The endpoint of a broker, or `None` for one outside the set, which must not be shown to any client.
    pub fn endpoint(&self, node_id: i32) -> Option<(Cow<'_, str>, u16)> {
        if !self.ids.contains(node_id) {
            return None;
        }
        let port = match self.port {
            Some(port) => port,
            None => u16::try_from(i32::from(self.port_base).checked_add(node_id)?).ok()?,
        };
        let host = match self.host.contains(NODE_ID) {
            true => Cow::Owned(self.host.replace(NODE_ID, &node_id.to_string())),
            false => Cow::Borrowed(self.host.as_str()),
        };
        Some((host, port))
    }
}

impl crate::wire::endpoints::Endpoints for Advertised {
    fn endpoint(&self, node_id: i32) -> Option<(Cow<'_, str>, u16)> {
        Advertised::endpoint(self, node_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_joined_and_print_as_they_are_configured() {
        let ids = IdSet::from_ranges([(17, 17), (0, 4), (5, 9)]);
        assert_eq!(ids.to_string(), "0-9,17");
        assert_eq!(ids.len(), 11);
        assert!(ids.contains(17) && !ids.contains(10));
    }

    #[test]
    fn a_broker_outside_the_set_has_no_endpoint() {
        let advertised = Advertised {
            host: "gateway".into(),
            port_base: 9100,
            port: None,
            ids: IdSet::from_ranges([(1, 3)]),
        };
        assert_eq!(advertised.endpoint(2), Some(("gateway".into(), 9102)));
        assert_eq!(advertised.endpoint(4), None);
    }

    #[test]
    fn a_host_with_a_place_for_the_node_id_is_another_one_for_each_broker() {
        let advertised = Advertised {
            host: "broker-{id}.kafka".into(),
            port_base: 9100,
            port: Some(9092),
            ids: IdSet::from_ranges([(1, 30)]),
        };
        let told = |id: i32| advertised.endpoint(id);
        assert_eq!(told(2), Some(("broker-2.kafka".into(), 9092)));
        assert_eq!(told(30), Some(("broker-30.kafka".into(), 9092)));
        assert_eq!(told(31), None);
    }
}
