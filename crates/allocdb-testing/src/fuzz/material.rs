//! How bytes become what a target needs: small numbers, ids that meet each other, commands.
//!
//! A stream that is read to its end goes on as zeros, so that every input means something and a
//! shorter one is a prefix. Ids come from a handful, since two commands have something to say to
//! each other only where they name the same thing.

use allocdb_core::command::{Action, Command, ResourceIds};
use allocdb_core::ids::{HolderId, OperationId, ReservationId, ResourceId, Slot};

/// Bytes, read from the front.
#[derive(Clone, Copy, Debug)]
pub struct Material<'a> {
    rest: &'a [u8],
}

impl<'a> Material<'a> {
    /// Starts at the front.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether all was read.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.rest.is_empty()
    }

    /// What is not read yet.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next bytes, as many as there are, at most `len`.
    pub fn slice(&mut self, len: usize) -> &'a [u8] {
        let (head, rest) = self.rest.split_at(len.min(self.rest.len()));
        self.rest = rest;
        head
    }

    /// The next bytes, zeros where there are none.
    pub fn array<const LEN: usize>(&mut self) -> [u8; LEN] {
        let mut out = [0; LEN];
        let head = self.slice(LEN);
        out[..head.len()].copy_from_slice(head);
        out
    }

    /// The next byte.
    pub fn u8(&mut self) -> u8 {
        u8::from_le_bytes(self.array())
    }

    /// The next two bytes.
    pub fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.array())
    }

    /// The next four bytes.
    pub fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.array())
    }

    /// The next eight bytes.
    pub fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }

    /// A number below `bound`, from one byte.
    pub fn below(&mut self, bound: u8) -> u8 {
        self.u8() % bound
    }

    /// A command out of at most 8 bytes. Its bundle, if it has one, is written to `ids`. Resources
    /// are 0 to 7, holders 0 to 3, operations 0 to 63, all but the zeros valid; a reservation is
    /// named by how many positions it lies behind `lsn_last`.
    pub fn command<'i>(
        &mut self,
        (shard_id, lsn_last, slot_last): (u64, u64, u64),
        ids: &'i mut [[u8; 16]; BUNDLE_LEN_MAX],
    ) -> Command<'i> {
        let kind = self.u8();
        let operation_id = OperationId((self.u8() % 64).into());
        // No limit for half of all commands; else one slot before the last to two after it.
        let limit = u64::from(kind >> 4) % 8;
        let valid_until_slot = match limit {
            0..=3 => Slot(0),
            _ => Slot(slot_last.saturating_add(limit).saturating_sub(5)),
        };
        let action = if kind % 16 < 5 {
            self.action_on_resources(kind % 16, ids)
        } else {
            self.action_on_reservation(kind % 16, shard_id, lsn_last)
        };
        Command {
            operation_id,
            valid_until_slot,
            action,
        }
    }

    fn action_on_resources<'i>(
        &mut self,
        kind: u8,
        ids: &'i mut [[u8; 16]; BUNDLE_LEN_MAX],
    ) -> Action<'i> {
        let first = self.u8();
        let resource_id = ResourceId((first % 8).into());
        match kind {
            0 => return Action::CreateResource { resource_id },
            1 => return Action::DeleteResource { resource_id },
            _ => {}
        }
        let len = if kind == 2 {
            1
        } else {
            usize::from(first >> 5)
        };
        let second = self.u8();
        for (place, id) in ids[..len].iter_mut().enumerate() {
            let step = usize::from(second >> 5);
            let number = (usize::from(first) + step * place) % 8;
            *id = (number as u128).to_le_bytes();
        }
        Action::Reserve {
            resource_ids: ResourceIds::new(&ids[..len]),
            holder_id: HolderId((second % 4).into()),
            ttl_slots: ((second >> 2) % 8).into(),
        }
    }

    fn action_on_reservation(&mut self, kind: u8, shard_id: u64, lsn_last: u64) -> Action<'static> {
        let (behind, more) = (u64::from(self.u8()), self.u8());
        let lsn = lsn_last.wrapping_sub(behind);
        let number = u128::from(shard_id) << 64 | u128::from(lsn);
        let reservation_id = ReservationId(number);
        let holder_id = HolderId((more % 4).into());
        match kind {
            5..=7 => Action::Confirm {
                reservation_id,
                holder_id,
            },
            8..=9 => Action::Extend {
                reservation_id,
                holder_id,
                ttl_slots: ((more >> 2) % 8).into(),
            },
            10..=11 => Action::Release {
                reservation_id,
                holder_id,
            },
            12 => Action::Revoke { reservation_id },
            13 => Action::Reclaim { reservation_id },
            _ => Action::ExpireDue { limit: more.into() },
        }
    }
}

/// The longest bundle that [`Material::command`] makes.
pub const BUNDLE_LEN_MAX: usize = 8;
