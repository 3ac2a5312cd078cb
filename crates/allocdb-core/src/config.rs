//! The configuration: every bound of a database, stored with the data; fixed at creation, but for
//! four capacities that may grow between one opening and the next.
//!
//! All memory the core will ever use follows from these values, so a configuration is validated
//! before anything is reserved, and a damaged one is known by the checksum around it before its
//! counts are believed.
//!
//! Stored form, 128 bytes, little-endian:
//!
//! | offset | field |
//! |---|---|
//! | 0 | database_id u128 |
//! | 16 | shard_id u64 |
//! | 24 | hash_seed u64 |
//! | 32 | slot_duration_ms u64 |
//! | 40 | max_ttl_slots u64 |
//! | 48 | operation_window_slots u64 |
//! | 56 | history_window_slots u64 |
//! | 64 | max_resources u32, max_reservations u32 |
//! | 72 | max_operations u32, max_bundle_len u32 |
//! | 80 | max_expiration_bucket_len u32, max_expirations_per_tick u32 |
//! | 88 | 40 bytes, zero |
//!
//! Rejected: text (it would need a parser in the trusted core) and leaving out defaults (a default
//! that changes in a later version must not change an existing database).

use crate::bytes::{Reader, Writer};
use crate::canary::{Canary, is_planted};
use crate::ids::Slot;

/// Bytes of a stored configuration.
pub const CONFIG_BYTES: usize = 128;

/// The greatest capacity of a table; keeps every handle far from `u32::MAX`, which means "none".
pub const CAPACITY_MAX: u32 = 1 << 28;
/// The greatest bundle: bounds the work of one command and the size of its record.
pub const BUNDLE_LEN_MAX: u32 = 1024;
/// The greatest TTL: bounds the expiration wheel, one bucket a slot.
pub const TTL_SLOTS_MAX: u64 = (1 << 28) - 1;
/// The greatest dedupe or history window.
pub const WINDOW_SLOTS_MAX: u64 = 1 << 40;
/// The longest slot, one day.
pub const SLOT_DURATION_MS_MAX: u64 = 86_400_000;

/// The fields that may be greater when a database is opened again: bounds of tables that no id,
/// result or order depends on.
pub const GROWABLE: [&str; 4] = [
    "max_resources",
    "max_reservations",
    "max_operations",
    "max_expiration_bucket_len",
];

/// Every bound of a database. Fields are public: [`Config::validate`] is the gate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Config {
    /// Names this database and its lineage; never 0.
    pub database_id: u128,
    /// High half of every reservation id.
    pub shard_id: u64,
    /// Keys every hash; drawn at creation, unknown to those who choose ids.
    pub hash_seed: u64,
    /// Milliseconds a slot, for hosts that map the clock; 1..=86,400,000.
    pub slot_duration_ms: u64,
    /// Greatest TTL of a reserve or extend; 1..=2^28 - 1.
    pub max_ttl_slots: u64,
    /// How long an operation id is remembered; 1..=2^40.
    pub operation_window_slots: u64,
    /// How long an ended reservation can be read; 1..=2^40.
    pub history_window_slots: u64,
    /// Capacity of the resource table; 1..=2^28.
    pub max_resources: u32,
    /// Capacity of the reservation table, live and remembered; 1..=2^28.
    pub max_reservations: u32,
    /// Capacity of the operation (dedupe) table; 1..=2^28.
    pub max_operations: u32,
    /// Greatest number of resources in one reservation; 1..=1024.
    pub max_bundle_len: u32,
    /// Greatest number of reservations with one deadline; 1..=max_reservations.
    pub max_expiration_bucket_len: u32,
    /// Greatest number of reservations that one `expire_due` ends; 1..=2^28.
    pub max_expirations_per_tick: u32,
}

/// A configuration value outside its bounds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConfigError {
    /// The field's name, as in [`Config`] and in the C options.
    pub field: &'static str,
    /// The value that was given.
    pub value: u128,
    /// The least value allowed.
    pub least: u64,
    /// The greatest value allowed.
    pub greatest: u64,
}

impl core::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self {
            field,
            value,
            least,
            greatest,
        } = self;
        write!(f, "{field} is {value}, must be {least} to {greatest}")
    }
}

impl core::error::Error for ConfigError {}

impl Config {
    /// R90: checks every field against its bounds; names the first that fails.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let capacity = u64::from(CAPACITY_MAX);
        let reservations = u64::from(self.max_reservations);
        let rows: [(&'static str, u64, u64, u64); 10] = [
            (
                "slot_duration_ms",
                self.slot_duration_ms,
                1,
                SLOT_DURATION_MS_MAX,
            ),
            ("max_ttl_slots", self.max_ttl_slots, 1, TTL_SLOTS_MAX),
            (
                "operation_window_slots",
                self.operation_window_slots,
                1,
                WINDOW_SLOTS_MAX,
            ),
            (
                "history_window_slots",
                self.history_window_slots,
                1,
                WINDOW_SLOTS_MAX,
            ),
            ("max_resources", self.max_resources.into(), 1, capacity),
            ("max_reservations", reservations, 1, capacity),
            ("max_operations", self.max_operations.into(), 1, capacity),
            (
                "max_bundle_len",
                self.max_bundle_len.into(),
                1,
                BUNDLE_LEN_MAX.into(),
            ),
            (
                "max_expiration_bucket_len",
                self.max_expiration_bucket_len.into(),
                1,
                if is_planted(Canary::BucketUnbounded) {
                    capacity
                } else {
                    reservations
                },
            ),
            (
                "max_expirations_per_tick",
                self.max_expirations_per_tick.into(),
                1,
                capacity,
            ),
        ];
        if self.database_id == 0 {
            return Err(ConfigError {
                field: "database_id",
                value: 0,
                least: 1,
                greatest: u64::MAX,
            });
        }
        for (field, value, least, greatest) in rows {
            if value < least || value > greatest {
                return Err(ConfigError {
                    field,
                    value: value.into(),
                    least,
                    greatest,
                });
            }
        }
        Ok(())
    }

    /// R6: the greatest slot a command may carry: beyond it a deadline or a retirement could not be
    /// told from "never".
    #[must_use]
    pub fn slot_max(&self) -> Slot {
        let window = self
            .max_ttl_slots
            .max(self.operation_window_slots)
            .max(self.history_window_slots);
        Slot(u64::MAX - window)
    }

    /// The first field in which two configurations differ, with both values.
    #[must_use]
    pub fn first_difference(&self, other: &Self) -> Option<(&'static str, u128, u128)> {
        self.differences(other).next()
    }

    /// R92, R95: the first field that keeps a database of this configuration from growing into
    /// `grown`, with its value here and there: a capacity that would shrink, or a difference in
    /// anything but the [`GROWABLE`] four. Whether `grown` is within its bounds,
    /// [`Config::validate`] tells.
    #[must_use]
    pub fn growth_obstacle(&self, grown: &Self) -> Option<(&'static str, u128, u128)> {
        self.differences(grown)
            .find(|(field, before, after)| before > after || !GROWABLE.contains(field))
    }

    /// Every field in which two configurations differ, with both values.
    pub fn differences(
        &self,
        other: &Self,
    ) -> impl Iterator<Item = (&'static str, u128, u128)> + use<> {
        let rows: [(&'static str, u128, u128); 13] = [
            ("database_id", self.database_id, other.database_id),
            ("shard_id", self.shard_id.into(), other.shard_id.into()),
            ("hash_seed", self.hash_seed.into(), other.hash_seed.into()),
            (
                "slot_duration_ms",
                self.slot_duration_ms.into(),
                other.slot_duration_ms.into(),
            ),
            (
                "max_ttl_slots",
                self.max_ttl_slots.into(),
                other.max_ttl_slots.into(),
            ),
            (
                "operation_window_slots",
                self.operation_window_slots.into(),
                other.operation_window_slots.into(),
            ),
            (
                "history_window_slots",
                self.history_window_slots.into(),
                other.history_window_slots.into(),
            ),
            (
                "max_resources",
                self.max_resources.into(),
                other.max_resources.into(),
            ),
            (
                "max_reservations",
                self.max_reservations.into(),
                other.max_reservations.into(),
            ),
            (
                "max_operations",
                self.max_operations.into(),
                other.max_operations.into(),
            ),
            (
                "max_bundle_len",
                self.max_bundle_len.into(),
                other.max_bundle_len.into(),
            ),
            (
                "max_expiration_bucket_len",
                self.max_expiration_bucket_len.into(),
                other.max_expiration_bucket_len.into(),
            ),
            (
                "max_expirations_per_tick",
                self.max_expirations_per_tick.into(),
                other.max_expirations_per_tick.into(),
            ),
        ];
        rows.into_iter().filter(|(_, mine, theirs)| mine != theirs)
    }

    /// The stored form.
    #[must_use]
    pub fn encode(&self) -> [u8; CONFIG_BYTES] {
        let mut out = [0; CONFIG_BYTES];
        let mut writer = Writer::new(&mut out);
        writer.u128(self.database_id);
        writer.u64(self.shard_id);
        writer.u64(self.hash_seed);
        writer.u64(self.slot_duration_ms);
        writer.u64(self.max_ttl_slots);
        writer.u64(self.operation_window_slots);
        writer.u64(self.history_window_slots);
        writer.u32(self.max_resources);
        writer.u32(self.max_reservations);
        writer.u32(self.max_operations);
        writer.u32(self.max_bundle_len);
        writer.u32(self.max_expiration_bucket_len);
        writer.u32(self.max_expirations_per_tick);
        assert!(
            writer.position() == 88,
            "the stored configuration's layout is fixed"
        );
        out
    }

    /// Reads a stored form whose checksum has been verified; `None` when the reserved bytes are
    /// not zero or a value is out of bounds, which no writer of this format does.
    #[must_use]
    pub fn decode(bytes: &[u8; CONFIG_BYTES]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let config = Self {
            database_id: reader.u128()?,
            shard_id: reader.u64()?,
            hash_seed: reader.u64()?,
            slot_duration_ms: reader.u64()?,
            max_ttl_slots: reader.u64()?,
            operation_window_slots: reader.u64()?,
            history_window_slots: reader.u64()?,
            max_resources: reader.u32()?,
            max_reservations: reader.u32()?,
            max_operations: reader.u32()?,
            max_bundle_len: reader.u32()?,
            max_expiration_bucket_len: reader.u32()?,
            max_expirations_per_tick: reader.u32()?,
        };
        let reserved_is_zero = reader.rest().iter().all(|&byte| byte == 0);
        (reserved_is_zero && config.validate().is_ok()).then_some(config)
    }
}

#[cfg(test)]
pub(crate) mod tests;
