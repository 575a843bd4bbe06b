//! Where clients find each broker: at Holdfast. Node ids stay what they are; host and port are ours.

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

/// What clients are told: `host`, and `port_base + node_id` for every id of the set.
#[derive(Clone, Debug)]
pub struct Advertised {
    pub host: String,
    pub port_base: u16,
    pub ids: IdSet,
}

impl Advertised {
    /// The endpoint of a broker, or `None` for one outside the set, which must not be shown to any client.
    pub fn endpoint(&self, node_id: i32) -> Option<(&str, u16)> {
        if !self.ids.contains(node_id) {
            return None;
        }
        let port = u16::try_from(i32::from(self.port_base).checked_add(node_id)?).ok()?;
        Some((&self.host, port))
    }
}

impl crate::wire::endpoints::Endpoints for Advertised {
    fn endpoint(&self, node_id: i32) -> Option<(&str, u16)> {
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
            ids: IdSet::from_ranges([(1, 3)]),
        };
        assert_eq!(advertised.endpoint(2), Some(("gateway", 9102)));
        assert_eq!(advertised.endpoint(4), None);
    }
}
