//! The functions of the C API, in the order of the header. Their comments *are* the header's:
//! cbindgen copies them, so they are written for a C programmer.
//!
//! | module | chapter |
//! |---|---|
//! | [`names`] | version, names of statuses and results |
//! | [`lifecycle`] | options, open, close, configuration, recovery report, operations |
//! | [`commands`] | what changes the database |
//! | [`messages`] | requests and responses as bytes |
//! | [`reads`] | what is there |
//! | [`upkeep`] | checkpoint, health, log lines |
//! | [`ids`] | slots and ids |

pub mod commands;
pub mod ids;
pub mod lifecycle;
pub mod messages;
pub mod names;
pub mod reads;
pub mod upkeep;
