//! Files that an operator named, read whole and not without end: a path may lead to anything.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// # Errors
/// It cannot be read, or has more than `most` bytes.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > most {
        true => Err(io::Error::other(format!("more than {most} bytes"))),
        false => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_limit_and_an_endless_one_is_an_error() {
        let file = std::env::temp_dir().join(format!("holdfast-files-{}", std::process::id()));
        std::fs::write(&file, b"four").unwrap();
        assert_eq!(read(&file, 4).unwrap(), b"four");
        let error = read(&file, 3).unwrap_err().to_string();
        assert_eq!(error, "more than 3 bytes");
        std::fs::remove_file(&file).unwrap();
        assert!(read(&file, 4).is_err());
        assert!(read(Path::new("/dev/zero"), 4).is_err());
    }
}
