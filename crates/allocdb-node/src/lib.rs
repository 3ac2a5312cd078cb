//! The single-node engine of AllocDB: everything around the trusted core that touches the world.
//!
//! Many threads call one [`Engine`]. Their submissions gather in a bounded queue; one waiting
//! thread leads, makes one log frame of what has gathered, writes and syncs it once, applies it
//! and wakes the others. The engine starts no thread and allocates nothing after open.
//!
//! | module | subject |
//! |---|---|
//! | [`options`] | what a caller may choose, defaults, the memory bound |
//! | [`engine`], [`batch`] | the calls; what a caller hands in |
//! | `commit`, `queue` | one group commit; who waits, who leads |
//! | `sync` | locks and atomic numbers: std's, or a scheduler's |
//! | [`clock`] | slots and the system's clock |
//! | [`health`], [`report`] | figures for operators |
//! | [`health_page`], [`metrics`] | the same for other processes, and as text |
//! | [`diagnostics`] | log lines, bounded and preallocated |
//! | [`recovery`], [`wal`], [`checkpoint`] | opening and growing, the open log, shortening it |
//! | [`backup`] | a copy in a directory of its own, while the engine runs |
//! | `baseline` | a snapshot and an empty log after it: what growth and backup write |
//! | [`storage`] | the only place that touches a file |
//! | [`huge_pages`] | the allocator of what is shipped: tables in huge pages |
//! | [`fork`], [`cancellation`] | what the host's processes and threads must not break |
//! | [`names`] | texts as ids, ids as texts |
//! | [`wire`] | the byte API for other languages: messages over the engine |
//! | [`error`], [`status`] | what can go wrong, and its number |

mod aligned;
pub mod backup;
mod baseline;
pub mod batch;
mod byte_api;
pub mod cancellation;
pub mod checkpoint;
pub mod clock;
mod commit;
pub mod diagnostics;
pub mod engine;
pub mod error;
pub mod fork;
mod gate;
mod halt;
pub mod health;
pub mod health_page;
pub mod huge_pages;
mod memory;
pub mod metrics;
pub mod names;
pub mod options;
mod queue;
pub mod recovery;
pub mod report;
mod scratch;
pub mod status;
pub mod storage;
mod submission;
mod sync;
#[cfg(test)]
mod vectors;
pub mod wal;
pub mod wire;

pub use batch::{Batch, CommandResult};
pub use diagnostics::{Diagnostics, Level, LogSink};
pub use engine::Engine;
pub use error::{
    BackupError, CheckpointError, FileName, IoError, OpenError, ReadError, RefreshError,
    SubmitError,
};
pub use halt::HaltReason;
pub use health::Health;
pub use options::{Clock, OpenMode, Options, Settings, SyncMode};
pub use report::{BackupReport, CheckpointReport, RecoveryReport, StartKind, TickResult};
