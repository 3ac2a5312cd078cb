//! Another Rust library, to be linked into one program with libAllocDB.a.
//!
//! It has all that two Rust libraries in one program could get wrong: a panic hook, panics that are
//! caught, threads, thread-locals with destructors, memory. Its own copy of the standard library,
//! too: nothing of the one may be taken for the other's.

use std::cell::RefCell;
use std::hint::black_box;
use std::panic;
use std::thread;

thread_local! {
    static WORDS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// 42, where all of that works.
#[unsafe(no_mangle)]
pub extern "C" fn other_answer() -> u32 {
    panic::set_hook(Box::new(|_| ()));
    let threads: Vec<_> = (0..4).map(|turn| thread::spawn(move || work(turn))).collect();
    let done: u32 = threads.into_iter().map(|thread| thread.join().unwrap_or(0)).sum();
    done * 5 + 2
}

fn work(turn: usize) -> u32 {
    let nothing: Vec<u32> = Vec::new();
    let caught = panic::catch_unwind(|| nothing[black_box(turn)]);
    WORDS.with_borrow_mut(|words| words.push(turn.to_string()));
    let words = WORDS.with_borrow(|words| u32::try_from(words.len()).unwrap_or(0));
    u32::from(caught.is_err()) + words
}
