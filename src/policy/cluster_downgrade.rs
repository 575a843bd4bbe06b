//! # cluster_downgrade: the cluster loses metadata, a broker or a voter
//!
//! ## What it sees
//! UpdateFeatures with `upgrade_type` 3 (UNSAFE_DOWNGRADE) for any feature, or in version 0 with `allow_downgrade`;
//! UnregisterBroker; RemoveRaftVoter.
//!
//! ## How records are lost
//! An unsafe downgrade throws away metadata that the older version cannot hold. A broker that is unregistered while it
//! holds replicas takes these out of the cluster. A quorum with one voter fewer may not survive the next failure, and
//! with it what it had committed.
//!
//! ## What the gateway does
//! It answers POLICY_VIOLATION for the request as a whole; nothing of it goes to the broker. Upgrades and safe downgrades
//! (types 1 and 2) pass.
//!
//! ## What it costs
//! Taking a broker or a controller out of service needs an exemption.
//!
//! ## When to turn it off
//! While the cluster is being rebuilt: exempt the operator's client id until tomorrow.

/// `FeatureUpdate.UpgradeType.UNSAFE_DOWNGRADE`.
const UNSAFE_DOWNGRADE: i8 = 3;

/// Whether an update of a feature is unsafe. Version 0 has `allow_downgrade` instead of a type.
pub fn judge(upgrade_type: i8, allow_downgrade: bool) -> bool {
    upgrade_type == UNSAFE_DOWNGRADE || allow_downgrade
}

/// What the operator is told.
pub fn text(found: &str, allowed: &str) -> String {
    format!("cluster_downgrade: found {found}, allowed: {allowed}; refused by the gateway")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_unsafe_is_found() {
        assert!(judge(3, false) && judge(1, true));
        assert!(!judge(1, false) && !judge(2, false));
    }
}
