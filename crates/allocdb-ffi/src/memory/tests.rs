//! What the caller's memory may be, with no engine behind it.

use allocdb_node::status;

use super::{Memory, check, clear};
use crate::failure::Failure;

#[test]
fn null_is_refused_where_something_is_to_be_there() {
    let none: *mut u64 = core::ptr::null_mut();
    let failure = check(&[Memory::output(3, "out", none, 1)]).expect_err("NULL is caught");
    assert_eq!(failure.status, status::E_INVALID);
    assert_eq!(failure.detail[0], 3);
    assert!(check(&[Memory::output(3, "out", none, 1).or_null()]).is_ok());
    assert!(check(&[Memory::output(3, "out", none, 0)]).is_ok());
}

#[test]
#[allow(clippy::cast_ptr_alignment, reason = "that is what is tried")]
fn a_misaligned_pointer_is_refused() {
    let mut words = [0u64; 2];
    let odd = words
        .as_mut_ptr()
        .cast::<u8>()
        .wrapping_add(4)
        .cast::<u64>();
    let failure = check(&[Memory::output(1, "out", odd, 1)]).expect_err("caught");
    assert_eq!(failure.status, status::E_INVALID);
}

#[test]
fn a_length_beyond_memory_is_refused() {
    let mut word = 0u64;
    let failure = check(&[Memory::output(1, "out", &raw mut word, usize::MAX)]);
    assert_eq!(failure.expect_err("caught").status, status::E_INVALID);
}

#[test]
fn an_output_may_share_memory_with_nothing() {
    let mut words = [0u64; 4];
    let base = words.as_mut_ptr();
    let whole = Memory::input(1, "in", base, 4);
    let part = Memory::output(2, "out", base.wrapping_add(3), 1);
    let failure = check(&[whole, part]).expect_err("caught");
    assert_eq!(
        (failure.status, failure.detail[..2].to_vec()),
        (status::E_OVERLAP, vec![1, 2])
    );
    let behind = Memory::output(2, "out", base.wrapping_add(3), 1);
    assert!(check(&[Memory::input(1, "in", base, 3), behind]).is_ok());
    assert!(check(&[whole, Memory::input(2, "in too", base, 4)]).is_ok());
}

#[test]
fn a_failed_call_zeroes_outputs_but_never_inputs() {
    let mut words = [7u64; 4];
    let mut size = 9usize;
    let base = words.as_mut_ptr();
    let ranges = [
        Memory::input(1, "in", base, 1),
        Memory::output(2, "in the input", base, 1),
        Memory::output(3, "out", base.wrapping_add(1), 1),
        Memory::kept(4, "cursor", base.wrapping_add(2), 1),
        Memory::responses(5, "responses", base.wrapping_add(3), 1),
        Memory::size(6, "size", &raw mut size),
    ];
    // SAFETY: all of it is on this stack.
    unsafe { clear(&ranges, &Failure::plain(status::E_PANIC)) };
    assert_eq!((words, size), ([7, 0, 7, 7], 0));
    let base = words.as_mut_ptr();
    let ranges = [
        Memory::responses(5, "responses", base.wrapping_add(3), 1),
        Memory::size(6, "size", &raw mut size),
    ];
    // SAFETY: as above.
    unsafe { clear(&ranges, &Failure::too_small(5, "responses", 1, 44)) };
    assert_eq!((words, size), ([7, 0, 7, 0], 44));
}
