//! # unclean_election: a leader without all acknowledged records
//!
//! ## What it sees
//! An ElectLeaders request with `election_type` 1 (UNCLEAN, KIP-460), as `kafka-leader-election.sh --election-type unclean`
//! sends it.
//!
//! ## How records are lost
//! The replica that is elected need not be in sync. What it does not have was acknowledged, also with acks=all, and is
//! thrown away by every replica that follows it. A run with three replicas lost 5 000 of 5 100 acknowledged records.
//!
//! ## What the gateway does
//! It answers POLICY_VIOLATION for every partition asked for, and where the request names none, which means all, for the
//! request as a whole. Nothing of it goes to the broker. Preferred elections (type 0) pass.
//!
//! ## What it costs
//! A partition whose in-sync replicas are all gone stays without a leader until one of them is back.
//!
//! ## When to turn it off
//! When those replicas are gone for good and what is left is better than nothing: exempt the operator's client id, or the
//! topic, until tomorrow.

/// `ElectLeadersRequest.json`: 0 is a preferred election, 1 an unclean one.
const UNCLEAN: i8 = 1;

/// Whether the scenario is there.
pub fn judge(election_type: i8) -> bool {
    election_type == UNCLEAN
}

/// What the operator is told.
pub fn text() -> String {
    "unclean_election: election type 1 (UNCLEAN) may lose acknowledged records, allowed: 0 (PREFERRED); refused by the gateway"
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_unclean_election_is_found() {
        assert!(judge(1));
        assert!(!judge(0));
    }
}
