//! Commands: what a caller asks of the database.
//!
//! A [`Command`] borrows its bundle of resource ids as bytes, so that decoding one from a log
//! record, a request message or a caller's array copies nothing. [`Command::check`] holds
//! everything that the command and the configuration alone decide; what the slot decides is in
//! [`crate::state`]. Rejected: an owned command with a small-vector of ids, which makes every
//! single-resource command pay for the largest bundle.

use crate::config::{BUNDLE_LEN_MAX, Config};
use crate::hash::Fingerprint;
use crate::ids::{HolderId, OperationId, ReservationId, ResourceId, Slot};
use crate::outcome::Rejection;

/// The resources of one reserve, in the caller's order: 16 little-endian bytes each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ResourceIds<'a>(&'a [[u8; 16]]);

impl<'a> ResourceIds<'a> {
    /// Views ids that are already in their byte form.
    #[must_use]
    pub const fn new(ids: &'a [[u8; 16]]) -> Self {
        Self(ids)
    }

    /// Views a byte string of whole ids; `None` when its length is no multiple of 16.
    #[must_use]
    pub fn from_bytes(bytes: &'a [u8]) -> Option<Self> {
        let (ids, rest) = bytes.as_chunks();
        rest.is_empty().then_some(Self(ids))
    }

    /// How many ids.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The ids in order.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = ResourceId> + 'a {
        self.0
            .iter()
            .map(|bytes| ResourceId(u128::from_le_bytes(*bytes)))
    }

    /// The byte form.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0.as_flattened()
    }

    /// The first id that stands twice, if one does.
    fn duplicate(&self) -> Option<ResourceId> {
        // Comparing all pairs wins for the usual short bundle; a long one is sorted on the stack.
        if self.len() <= 24 {
            let repeats = |(index, id): (usize, &[u8; 16])| self.0[..index].contains(id);
            return self
                .0
                .iter()
                .enumerate()
                .position(|(i, id)| repeats((i, id)))
                .map(|index| ResourceId(u128::from_le_bytes(self.0[index])));
        }
        assert!(
            self.len() <= BUNDLE_LEN_MAX as usize,
            "the length is checked before"
        );
        let mut sorted = [0u128; BUNDLE_LEN_MAX as usize];
        let sorted = &mut sorted[..self.len()];
        for (place, id) in sorted.iter_mut().zip(self.iter()) {
            *place = id.0;
        }
        sorted.sort_unstable();
        sorted
            .windows(2)
            .find(|pair| pair[0] == pair[1])
            .map(|pair| ResourceId(pair[0]))
    }
}

/// One command with its operation id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Command<'a> {
    /// Names the operation for retries; zero only for [`Action::ExpireDue`].
    pub operation_id: OperationId,
    /// The last slot at which the command may be executed; 0 for no limit.
    pub valid_until_slot: Slot,
    /// What to do.
    pub action: Action<'a>,
}

/// What a command does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action<'a> {
    /// Makes a resource known, available.
    CreateResource {
        /// The new resource.
        resource_id: ResourceId,
    },
    /// Forgets an available resource.
    DeleteResource {
        /// The resource.
        resource_id: ResourceId,
    },
    /// Takes every named resource, or none.
    Reserve {
        /// 1 to `max_bundle_len` distinct ids.
        resource_ids: ResourceIds<'a>,
        /// Who will hold them.
        holder_id: HolderId,
        /// Slots until the hold may be freed by time; 1 to `max_ttl_slots`.
        ttl_slots: u64,
    },
    /// Makes a hold permanent.
    Confirm {
        /// The reservation.
        reservation_id: ReservationId,
        /// Its holder.
        holder_id: HolderId,
    },
    /// Moves a hold's deadline later, never earlier.
    Extend {
        /// The reservation.
        reservation_id: ReservationId,
        /// Its holder.
        holder_id: HolderId,
        /// Slots from the commit's slot; 1 to `max_ttl_slots`.
        ttl_slots: u64,
    },
    /// Gives the resources back.
    Release {
        /// The reservation.
        reservation_id: ReservationId,
        /// Its holder.
        holder_id: HolderId,
    },
    /// Takes authority from a confirmed holder; the resources are not yet reusable.
    Revoke {
        /// The reservation.
        reservation_id: ReservationId,
    },
    /// Frees the resources of a revoked holder.
    Reclaim {
        /// The reservation.
        reservation_id: ReservationId,
    },
    /// Ends holds whose deadline has passed. Internal: logged by engines, never by clients.
    ExpireDue {
        /// How many at most; 1 to `max_expirations_per_tick`.
        limit: u32,
    },
}

/// The number of each kind of command: log tag, codec kind and C constant alike.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
#[allow(
    missing_docs,
    reason = "each is documented at the action of the same name"
)]
pub enum CommandKind {
    CreateResource = 1,
    DeleteResource = 2,
    Reserve = 3,
    Confirm = 4,
    Extend = 5,
    Release = 6,
    Revoke = 7,
    Reclaim = 8,
    ExpireDue = 9,
}

impl CommandKind {
    /// Every kind, in the order of the numbers.
    pub const ALL: [Self; 9] = [
        Self::CreateResource,
        Self::DeleteResource,
        Self::Reserve,
        Self::Confirm,
        Self::Extend,
        Self::Release,
        Self::Revoke,
        Self::Reclaim,
        Self::ExpireDue,
    ];

    /// The kind with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number.checked_sub(1)?)).copied()
    }

    /// The name, as in the documentation and in every language.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CreateResource => "create_resource",
            Self::DeleteResource => "delete_resource",
            Self::Reserve => "reserve",
            Self::Confirm => "confirm",
            Self::Extend => "extend",
            Self::Release => "release",
            Self::Revoke => "revoke",
            Self::Reclaim => "reclaim",
            Self::ExpireDue => "expire_due",
        }
    }
}

impl Action<'_> {
    /// The kind of command.
    #[must_use]
    pub const fn kind(&self) -> CommandKind {
        match self {
            Self::CreateResource { .. } => CommandKind::CreateResource,
            Self::DeleteResource { .. } => CommandKind::DeleteResource,
            Self::Reserve { .. } => CommandKind::Reserve,
            Self::Confirm { .. } => CommandKind::Confirm,
            Self::Extend { .. } => CommandKind::Extend,
            Self::Release { .. } => CommandKind::Release,
            Self::Revoke { .. } => CommandKind::Revoke,
            Self::Reclaim { .. } => CommandKind::Reclaim,
            Self::ExpireDue { .. } => CommandKind::ExpireDue,
        }
    }

    /// R13: a hash over kind and arguments, by which a retry is told from a conflict. The slot and
    /// `valid_until_slot` are no part of it: a retry comes later and may carry another limit.
    #[must_use]
    pub fn fingerprint(&self, hash_seed: u64) -> u64 {
        let mut hash = Fingerprint::new(hash_seed);
        hash.word(u64::from(self.kind() as u8));
        match *self {
            Self::CreateResource { resource_id } | Self::DeleteResource { resource_id } => {
                hash.id(resource_id.0);
            }
            Self::Reserve {
                resource_ids,
                holder_id,
                ttl_slots,
            } => {
                hash.id(holder_id.0);
                hash.word(ttl_slots);
                resource_ids.iter().for_each(|id| hash.id(id.0));
            }
            Self::Confirm {
                reservation_id,
                holder_id,
            }
            | Self::Release {
                reservation_id,
                holder_id,
            } => {
                hash.id(reservation_id.0);
                hash.id(holder_id.0);
            }
            Self::Extend {
                reservation_id,
                holder_id,
                ttl_slots,
            } => {
                hash.id(reservation_id.0);
                hash.id(holder_id.0);
                hash.word(ttl_slots);
            }
            Self::Revoke { reservation_id } | Self::Reclaim { reservation_id } => {
                hash.id(reservation_id.0);
            }
            Self::ExpireDue { limit } => hash.word(limit.into()),
        }
        hash.finish()
    }
}

impl Command<'_> {
    /// Checks all that the command and the configuration alone decide, in the documented order
    /// (R24 to R27).
    #[inline]
    pub fn check(&self, config: &Config) -> Result<(), Rejection> {
        let is_internal = matches!(self.action, Action::ExpireDue { .. });
        if self.operation_id.is_zero() != is_internal {
            return Err(Rejection::Malformed {
                field: "operation_id",
            });
        }
        match self.action {
            Action::CreateResource { resource_id } | Action::DeleteResource { resource_id } => {
                not_zero(resource_id.0, "resource_id")
            }
            Action::Reserve {
                resource_ids,
                holder_id,
                ttl_slots,
            } => {
                not_zero(holder_id.0, "holder_id")?;
                check_bundle(resource_ids, config)?;
                check_ttl(ttl_slots, config)
            }
            Action::Confirm {
                reservation_id,
                holder_id,
            }
            | Action::Release {
                reservation_id,
                holder_id,
            } => {
                not_zero(reservation_id.0, "reservation_id")?;
                not_zero(holder_id.0, "holder_id")
            }
            Action::Extend {
                reservation_id,
                holder_id,
                ttl_slots,
            } => {
                not_zero(reservation_id.0, "reservation_id")?;
                not_zero(holder_id.0, "holder_id")?;
                check_ttl(ttl_slots, config)
            }
            Action::Revoke { reservation_id } | Action::Reclaim { reservation_id } => {
                not_zero(reservation_id.0, "reservation_id")
            }
            Action::ExpireDue { limit } => {
                let allowed = (1..=config.max_expirations_per_tick).contains(&limit);
                if allowed {
                    Ok(())
                } else {
                    Err(Rejection::Malformed { field: "limit" })
                }
            }
        }
    }
}

/// R1: zero is never an id.
#[inline]
fn not_zero(id: u128, field: &'static str) -> Result<(), Rejection> {
    if id == 0 {
        Err(Rejection::Malformed { field })
    } else {
        Ok(())
    }
}

/// R24, R25, R26 for the usual bundle of one, which every configuration allows, without a loop; any
/// other is no special case.
#[inline]
fn check_bundle(resource_ids: ResourceIds<'_>, config: &Config) -> Result<(), Rejection> {
    if let [id] = resource_ids.0 {
        return not_zero(u128::from_le_bytes(*id), "resource_id");
    }
    check_any_bundle(resource_ids, config)
}

/// R24, R25, R26: the ids are looked at only once their number is bounded.
fn check_any_bundle(resource_ids: ResourceIds<'_>, config: &Config) -> Result<(), Rejection> {
    let (len, bound) = (resource_ids.len() as u64, config.max_bundle_len);
    if len == 0 {
        return Err(Rejection::Malformed {
            field: "resource_ids",
        });
    }
    if len > u64::from(bound) {
        return Err(Rejection::BundleTooLarge { len, bound });
    }
    if resource_ids.iter().any(ResourceId::is_zero) {
        return Err(Rejection::Malformed {
            field: "resource_id",
        });
    }
    match resource_ids.duplicate() {
        Some(resource_id) => Err(Rejection::DuplicateResource { resource_id }),
        None => Ok(()),
    }
}

/// R27.
#[inline]
fn check_ttl(ttl_slots: u64, config: &Config) -> Result<(), Rejection> {
    let bound = config.max_ttl_slots;
    if (1..=bound).contains(&ttl_slots) {
        Ok(())
    } else {
        Err(Rejection::TtlOutOfRange { ttl_slots, bound })
    }
}

#[cfg(test)]
mod tests;
