//! `include/allocdb.h` is what cbindgen makes of this crate. `ALLOCDB_UPDATE=1` rewrites it.
//!
//! A test and not a build script: cbindgen takes long to build, and who only builds the library
//! does not need it.

use std::fs;
use std::path::Path;

/// The order of the header: numbers, types, then the functions by chapter.
const SOURCES: [&str; 9] = [
    "constants.rs",
    "types.rs",
    "api/names.rs",
    "api/lifecycle.rs",
    "api/commands.rs",
    "api/messages.rs",
    "api/reads.rs",
    "api/upkeep.rs",
    "api/ids.rs",
];

#[test]
fn the_committed_header_is_the_generated_one() {
    let crate_directory = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(crate_directory.join("cbindgen.toml"))
        .expect("the configuration is valid");
    let mut builder = cbindgen::Builder::new().with_config(config);
    for source in SOURCES {
        builder = builder.with_src(crate_directory.join("src").join(source));
    }
    let mut generated = Vec::new();
    let bindings = builder.generate().expect("the sources are understood");
    bindings.write(&mut generated);
    let generated = String::from_utf8(generated).expect("text");

    let path = crate_directory.join("../../include/allocdb.h");
    if std::env::var_os("ALLOCDB_UPDATE").is_some() {
        fs::write(&path, &generated).expect("the header is written");
        return;
    }
    let committed = fs::read_to_string(&path).expect("the header is there");
    let differing = committed
        .lines()
        .zip(generated.lines())
        .position(|(a, b)| a != b);
    assert!(
        committed == generated,
        "include/allocdb.h has drifted at line {}; run ALLOCDB_UPDATE=1 cargo test -p allocdb-ffi \
         --test header",
        differing.map_or_else(|| committed.lines().count(), |line| line + 1)
    );
}

#[test]
fn every_source_of_functions_is_in_the_header() {
    let api = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api");
    let mut count = 0;
    for entry in fs::read_dir(api).expect("the functions are there") {
        let name = entry.expect("readable").file_name();
        let name = format!("api/{}", name.to_str().expect("text"));
        assert!(
            SOURCES.contains(&name.as_str()),
            "{name} is not in the header"
        );
        count += 1;
    }
    assert_eq!(count, SOURCES.len() - 2);
}
