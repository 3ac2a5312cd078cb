//! Versions and names: pure functions over constants, callable from anywhere, at any time.

use core::ffi::c_char;

use allocdb_node::status;

use crate::texts;
use crate::types::allocdb_status;

/// The library's version as major * 1,000,000 + minor * 1,000 + patch; compare with
/// ALLOCDB_VERSION_NUMBER, the header's.
///
/// Threads, forks, callbacks: callable from anywhere. Since 0.1.0.
#[unsafe(no_mangle)]
pub extern "C" fn allocdb_version_number() -> u32 {
    crate::constants::ALLOCDB_VERSION_NUMBER
}

/// The library's version as text, such as "0.3.0". Never NULL; static, not to be freed.
///
/// Threads, forks, callbacks: callable from anywhere. Since 0.1.0.
#[unsafe(no_mangle)]
pub extern "C" fn allocdb_version_string() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// The name of a status, such as "ALLOCDB_E_OVERLOADED".
///
/// @param status Any number.
/// @return The name; "ALLOCDB_UNKNOWN" for a number that is no status of this version. Never NULL;
///         static, not to be freed.
///
/// Threads, forks, callbacks: callable from anywhere. Since 0.1.0.
#[unsafe(no_mangle)]
pub extern "C" fn allocdb_status_name(status: allocdb_status) -> *const c_char {
    texts::of_status(status).0.as_ptr()
}

/// What a status means, in one English sentence. The story of a certain failure is in
/// allocdb_error.message.
///
/// @param status Any number.
/// @return The sentence; "not a status of this version" for any other number. Never NULL; static,
///         not to be freed.
///
/// Threads, forks, callbacks: callable from anywhere. Since 0.1.0.
#[unsafe(no_mangle)]
pub extern "C" fn allocdb_status_message(status: allocdb_status) -> *const c_char {
    texts::of_status(status).1.as_ptr()
}

/// The band that a status lies in, by which a program decides what to do about it; right also for
/// statuses of later versions.
///
/// @param status Any number.
/// @return ALLOCDB_CATEGORY_*.
///
/// Threads, forks, callbacks: callable from anywhere. Since 0.1.0.
#[unsafe(no_mangle)]
pub extern "C" fn allocdb_status_category(status: allocdb_status) -> u32 {
    match u16::try_from(status) {
        Ok(status) => status::category(status) as u32,
        Err(_) => status::Category::Unknown as u32,
    }
}

/// The name of a result code, such as "resource_busy".
///
/// @param code Any number: an outcome's code.
/// @return The name; "unknown" for a number that is no result code of this version. Never NULL;
///         static, not to be freed.
///
/// Threads, forks, callbacks: callable from anywhere. Since 0.1.0.
#[unsafe(no_mangle)]
pub extern "C" fn allocdb_result_name(code: u32) -> *const c_char {
    texts::of_result(code).as_ptr()
}
