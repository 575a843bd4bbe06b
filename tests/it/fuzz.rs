//! The corpus of the fuzz targets, run through the same functions, without a fuzzer: what one of them found stays found.

#[path = "../fuzz/src/shape.rs"]
mod shape;
#[path = "../fuzz/src/targets.rs"]
mod targets;

use crate::support;
use std::path::Path;

fn replay(target: &str, run: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    let files = std::fs::read_dir(corpus.join(target)).expect("a corpus");
    let mut inputs = 0;
    for file in files {
        run(&std::fs::read(file.expect("an entry").path()).expect("an input"));
        inputs += 1;
    }
    assert!(inputs > 0, "no input of {target}");
    run(b"");
}

#[test]
fn the_corpus_of_the_walkers_does_no_harm() {
    replay("walkers", targets::walkers);
}

#[test]
fn the_corpus_of_the_session_does_no_harm() {
    replay("session", targets::session);
}

#[test]
fn the_corpus_of_the_responses_does_no_harm() {
    replay("responses", targets::responses);
}

#[test]
fn the_corpus_of_the_configuration_does_no_harm() {
    replay("config", targets::config);
}
