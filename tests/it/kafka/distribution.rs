//! The cache of `support/distribution.rs` is whole. It runs first in `.ci/run`, so that no other test pays for a fetch.

use crate::support::distribution::{Version, franz_binary, java_classes, kdc_libs};

#[test]
fn everything_that_is_fetched_or_built_once_is_there() {
    for version in [Version::V4_3_1, Version::V3_9_2] {
        let clients = format!("kafka-clients-{}.jar", version.as_str());
        assert!(version.libs().join(clients).is_file());
        assert!(version.bootstrap_snapshot().is_file());
        assert!(
            java_classes(version)
                .join("OversizedInTheMiddle.class")
                .is_file()
        );
    }
    assert!(franz_binary().is_file());
    assert!(kdc_libs().is_dir());
}
