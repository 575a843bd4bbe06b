//! The house: what a machine can check of how the code is laid out, and that what is generated is what the code says.

/// Compares a file of the repository with what the code says it holds, and rewrites it when it differs.
fn in_step(path: &str, expected: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    if found != expected {
        std::fs::write(&path, expected).expect("the repository is writable");
        panic!(
            "{} differed from the code and was rewritten: look at it and commit it",
            path.display()
        );
    }
}

#[test]
fn gateway_toml_is_the_complete_commented_default() {
    in_step("gateway.toml", &holdfast::config::commented());
}
