//! Names and sentences as C strings.
//!
//! The node has them as Rust text, without a NUL at the end; here each gets one, while compiling,
//! so that a name costs neither memory nor a copy at run time, and there is one list, not two.

use core::ffi::CStr;

use allocdb_core::ResultCode;
use allocdb_node::status;

use crate::types::allocdb_status;

/// Bytes of a name or sentence with its NUL.
const TEXT_BYTES: usize = 96;

/// A text with NULs behind it.
#[derive(Clone, Copy)]
struct Text([u8; TEXT_BYTES]);

impl Text {
    const fn new(prefix: &str, text: &str) -> Self {
        let mut bytes = [0; TEXT_BYTES];
        let (prefix, text) = (prefix.as_bytes(), text.as_bytes());
        assert!(prefix.len() + text.len() < TEXT_BYTES, "room for the NUL");
        let mut len = 0;
        while len < prefix.len() {
            bytes[len] = prefix[len];
            len += 1;
        }
        while len < prefix.len() + text.len() {
            bytes[len] = text[len - prefix.len()];
            len += 1;
        }
        Self(bytes)
    }

    fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.0).unwrap_or_default()
    }
}

const STATUS_COUNT: usize = status::ALL.len();
const RESULT_COUNT: usize = ResultCode::ALL.len();

static NAMES: [Text; STATUS_COUNT] = {
    let mut names = [Text([0; TEXT_BYTES]); STATUS_COUNT];
    let mut index = 0;
    while index < STATUS_COUNT {
        names[index] = Text::new("ALLOCDB_", status::ALL[index].1);
        index += 1;
    }
    names
};

static MESSAGES: [Text; STATUS_COUNT] = {
    let mut messages = [Text([0; TEXT_BYTES]); STATUS_COUNT];
    let mut index = 0;
    while index < STATUS_COUNT {
        messages[index] = Text::new("", status::ALL[index].2);
        index += 1;
    }
    messages
};

static RESULTS: [Text; RESULT_COUNT] = {
    let mut results = [Text([0; TEXT_BYTES]); RESULT_COUNT];
    let mut index = 0;
    while index < RESULT_COUNT {
        results[index] = Text::new("", ResultCode::ALL[index].name());
        index += 1;
    }
    results
};

/// The name and the sentence of a status.
pub(crate) fn of_status(status: allocdb_status) -> (&'static CStr, &'static CStr) {
    let unknown = (c"ALLOCDB_UNKNOWN", c"not a status of this version");
    let Ok(status) = u16::try_from(status) else {
        return unknown;
    };
    match status::ALL.binary_search_by_key(&status, |row| row.0) {
        Ok(index) => (NAMES[index].as_c_str(), MESSAGES[index].as_c_str()),
        Err(_) => unknown,
    }
}

/// The name of a result code.
pub(crate) fn of_result(code: u32) -> &'static CStr {
    let known = usize::try_from(code)
        .ok()
        .and_then(|code| RESULTS.get(code));
    known.map_or(c"unknown", Text::as_c_str)
}
