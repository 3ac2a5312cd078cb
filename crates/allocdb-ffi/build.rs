//! Link arguments of `libAllocDB.so` alone; nothing is generated here.
//!
//! The soname carries the part of the version that promises compatibility, "0" while the version is
//! 0.x. `nodelete`: unloading a library that has thread-local state and a fork handler leaves
//! pointers into unmapped memory, so `dlclose` does not unload this one.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    for argument in ["-Wl,-soname,libAllocDB.so.0", "-Wl,-z,nodelete"] {
        println!("cargo:rustc-cdylib-link-arg={argument}");
    }
}
