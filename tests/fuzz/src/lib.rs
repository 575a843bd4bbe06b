//! What the fuzz targets do, apart from the fuzzer: the normal suite runs the corpus through the same functions.

pub mod shape;
pub mod support;
pub mod targets;
