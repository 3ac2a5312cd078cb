//! The byte API: requests in, responses out, for every language that speaks bytes.
//!
//! A call is any number of request messages back to back, answered by as many responses in the
//! same order. All messages are checked before the first is sequenced, so a call that is refused
//! did nothing; after that each response has a status of its own, so a later failure never hides
//! an earlier outcome. Nothing is allocated: commands are decoded where they lie, and outcomes are
//! written where they will be read. The golden vectors in `vectors/codec.json` pin every byte of
//! it for the other languages.
//!
//! | module | subject |
//! |---|---|
//! | [`message`] | the 16 bytes in front, kinds, faults |
//! | [`request`] | what is asked: decode, and encode for callers in Rust |
//! | [`response`], [`figures`] | what is answered: encode, and decode for callers in Rust |
//! | [`failure`] | why a call, or a message of it, was not carried out |
//! | `execute` | a call over the engine |
//! | `group` | consecutive commands as one submission |

mod execute;
pub mod failure;
pub mod figures;
mod group;
pub mod message;
pub mod request;
pub mod response;

pub(crate) use execute::{Target, call, response_bound};
pub use failure::{CallError, Failure};
pub use message::{Fault, Kind, Reason};
pub use request::Request;
pub use response::{Bounds, Response};

#[cfg(test)]
mod tests;
