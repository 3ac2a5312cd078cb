//! The golden vectors, as files that all languages read: compared line by line, and written anew
//! with `ALLOCDB_UPDATE=1`.

use std::path::PathBuf;
use std::{env, fs};

/// Where the vectors of that name are.
pub(crate) fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("vectors")
        .join(name)
}

/// Holds the file against what the code makes.
pub(crate) fn check(name: &str, made: &str) {
    if env::var_os("ALLOCDB_UPDATE").is_some() {
        fs::write(path(name), made).expect("the vectors can be written");
    }
    let kept = fs::read_to_string(path(name)).expect("the vectors are there");
    for (index, (made, kept)) in made.lines().zip(kept.lines()).enumerate() {
        assert_eq!(made, kept, "line {} of the vectors", index + 1);
    }
    assert!(made == kept, "the vectors' number of lines");
}
