//! The demo with `--bootstrap-server`: the same show before a real cluster, which it leaves as it was.

use crate::support::eventually;
use crate::support::kafka::shared_cluster;
use crate::support::process;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// librdkafka may have to be built with these features first.
const BUILD_TIMEOUT: Duration = Duration::from_secs(900);

/// The show without its launcher, built beside the `holdfast` under test, which stays as it is.
fn demo() -> PathBuf {
    let folder = Path::new(env!("CARGO_BIN_EXE_holdfast"))
        .parent()
        .expect("a program lies in a folder");
    let target = folder.parent().expect("and that in the target folder");
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.current_dir(env!("CARGO_MANIFEST_DIR"));
    build.args(["build", "--quiet", "--profile", profile, "--target-dir"]);
    // With the library: then what is built is what the launcher builds.
    build.arg(target).args(["-p", "holdfast", "--lib"]);
    build.args(["-p", "holdfast-demo", "--bin", "holdfast-demo-show"]);
    build.args(["--features", "holdfast-demo/librdkafka"]);
    process::run("demo-build", build, b"", BUILD_TIMEOUT).ok();
    folder.join("holdfast-demo-show")
}

#[test]
fn the_numbers_of_the_demo_agree_before_a_real_cluster_and_its_topic_goes_away() {
    let demo = demo();
    let cluster = shared_cluster();
    let mut show = Command::new(demo);
    show.args([
        "--bootstrap-server",
        &cluster.bootstrap(),
        "--seconds",
        "10",
    ]);
    let output = process::run("demo", show, b"", Duration::from_secs(90));
    let said = output.ok();
    assert!(said.contains("the numbers agree"), "{said}");
    assert_eq!(output.stderr, "");
    eventually("no topic is left", Duration::from_secs(20), || {
        let metadata = cluster.metadata(None);
        let mut topics = metadata.topics.into_iter().filter_map(|topic| topic.name);
        match topics.find(|name| name.starts_with("holdfast-demo-")) {
            None => Ok(()),
            Some(left) => Err(left),
        }
    });
}
