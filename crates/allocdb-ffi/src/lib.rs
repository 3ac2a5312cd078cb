//! The C API of AllocDB: `libAllocDB.so` and `libAllocDB.a`, declared in `include/allocdb.h`.
//!
//! A thin and suspicious layer: it checks what C cannot (NULL, alignment, sizes, overlap, handles
//! that are closed, forked or used from the log callback), translates structs, and keeps panics
//! inside. What a call means is the engine's business. No call allocates after open, and nothing is
//! printed.
//!
//! | module | subject |
//! |---|---|
//! | [`types`], [`constants`] | the structs and numbers of the header |
//! | [`api`] | the functions, with the header's comments |
//! | `entry`, `handle`, `thread` | into a call and out of it; handles; callbacks and panics |
//! | `memory`, `growable` | the caller's memory; structs that may grow |
//! | `database`, `options`, `command` | what is behind a handle; options, commands, outcomes |
//! | `failure`, `texts` | errors; names as C strings |
//! | `torture` | with the feature of that name alone: planting bugs, for the tests of the C API |
//!
//! Its contract is frozen in three lists, compared with the code from both sides:
//! `abi/symbols.txt`, `abi/numbers.txt`, `abi/layouts.txt`.

#![allow(non_snake_case, reason = "the library's file is libAllocDB.so")]
#![allow(non_camel_case_types, reason = "the types are named for C")]
#![allow(
    clippy::missing_safety_doc,
    reason = "the comments are the C header's, where the parameters' rules are the safety chapter"
)]
#![allow(
    clippy::result_large_err,
    reason = "a failure carries its whole story on the stack: the error path must not allocate"
)]
#![allow(
    rustdoc::broken_intra_doc_links,
    rustdoc::invalid_html_tags,
    reason = "the comments are the C header's, where detail[0] is an array's word"
)]

pub mod api;
mod command;
pub mod constants;
mod database;
mod entry;
mod failure;
mod growable;
mod handle;
mod memory;
mod options;
mod texts;
mod thread;
#[cfg(feature = "torture")]
pub mod torture;
pub mod types;

use allocdb_node::huge_pages::HugePages;

#[global_allocator]
static ALLOCATOR: HugePages = HugePages;
