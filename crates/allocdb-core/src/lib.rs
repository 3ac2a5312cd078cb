//! The trusted core of AllocDB: bytes and state, no input or output.
//!
//! A deterministic state machine that allocates scarce resources: one resource, one winner. The
//! same snapshot and the same log give the same state and the same results, byte for byte. The
//! core reads no clock, draws no random numbers, starts no thread, touches no file, and allocates
//! nothing after construction. It can be driven by the single-node engine, by a simulator, or by a
//! log that a consensus library orders: nothing in here assumes its caller.
//!
//! | module | subject |
//! |---|---|
//! | [`ids`], [`config`] | scalars and bounds |
//! | [`command`], [`outcome`] | what is asked, what is answered |
//! | [`codec`] | commands as log records |
//! | [`state`] | tables, expiration wheel, retirement, `apply`, acceptance, queries |
//! | [`log`] | file header, frames, the scan that tells torn from corrupt |
//! | [`snapshot`] | the state as bytes and back |
//! | [`canary`] | bugs that tests plant; not in any build but theirs |

#![forbid(unsafe_code)]

pub mod bytes;
pub mod canary;
pub mod codec;
pub mod command;
pub mod config;
pub mod hash;
pub mod ids;
pub mod log;
pub mod outcome;
mod retire_queue;
mod slab;
pub mod snapshot;
pub mod state;
pub mod stream;
mod table;
mod wheel;

pub use command::{Action, Command, ResourceIds};
pub use config::{Config, ConfigError};
pub use ids::{HolderId, Lsn, OperationId, ReservationId, ResourceId, Slot};
pub use outcome::{Applied, Outcome, Rejection, ResultCode, Verdict};
pub use state::State;
