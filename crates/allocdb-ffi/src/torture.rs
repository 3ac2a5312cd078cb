//! Planting bugs from C: one more symbol, in a library built with the feature `torture` alone.
//!
//! The C tests prove with it what no test from outside can bring about: that a panic inside the
//! engine, at any place, ends at the boundary; that a harness notices when a rule of the C API is
//! not kept. The list of frozen symbols, which the shipped library is compared with, does not have
//! it. Rejected: an environment variable, which would have to be asked for in what is shipped.

use core::cell::Cell;
use core::ffi::{CStr, c_char};

use allocdb_core::canary::{Canary, Planted, plant};

std::thread_local! {
    static PLANTED: Cell<Option<Planted>> = const { Cell::new(None) };
}

/// Each with the name that C gives it.
const CANARIES: [(&CStr, Canary); 14] = [
    (c"panic before write", Canary::PanicBeforeWrite),
    (c"panic after write", Canary::PanicAfterWrite),
    (c"panic in apply", Canary::PanicInApply),
    (c"panic in read", Canary::PanicInRead),
    (c"panic in checkpoint", Canary::PanicInCheckpoint),
    (c"panic in backup", Canary::PanicInBackup),
    (c"panic in open", Canary::PanicInOpen),
    (c"panic in close", Canary::PanicInClose),
    (c"last position is near", Canary::LastPositionIsNear),
    (c"child keeps lock", Canary::ChildKeepsLock),
    (c"close does not wait", Canary::CloseDoesNotWait),
    (c"done unordered", Canary::DoneUnordered),
    (c"cancelled inside", Canary::CancelledInside),
    (c"callback may call", Canary::CallbackMayCall),
];

/// Plants a bug in the calling thread, in place of what was planted there; NULL takes it out.
/// Whether it is known.
///
/// # Safety
/// `name` is NULL or ends with a NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn allocdb_torture_plant(name: *const c_char) -> bool {
    PLANTED.set(None);
    if name.is_null() {
        return true;
    }
    // SAFETY: not NULL, and the caller says that it ends with a NUL.
    let name = unsafe { CStr::from_ptr(name) };
    let known = CANARIES.iter().find(|(known, _)| *known == name);
    PLANTED.set(known.map(|&(_, canary)| plant(canary)));
    known.is_some()
}
