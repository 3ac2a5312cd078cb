//! The hashes of one command, worked out once.
//!
//! Acceptance, looking ahead and `apply` all need the same three numbers of a command: where its
//! operation id and what it names lie in their tables, and its fingerprint. They follow from the
//! command's bytes and the database's seed alone, so an engine works them out when it first reads a
//! command and hands them on; whoever has none, as recovery, lets [`State::hashes`] do it.
//!
//! Rejected: keeping the hash of a bundle's other resources too; bundles are short, and the
//! command would no longer be of one size.

use super::State;
use crate::command::{Action, Command};
use crate::ids::{Lsn, ReservationId};

/// What a command's bytes hash to in one database.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Hashes {
    /// Of the operation id; places it in the table of operations.
    pub(crate) operation: u32,
    /// Of what the command names: a resource (of a bundle, the first) or a reservation.
    pub(crate) target: u32,
    /// R13: over kind and arguments.
    pub(crate) fingerprint: u64,
}

impl State {
    /// The hashes of `command` in this database: a pure function of both.
    #[must_use]
    pub fn hashes(&self, command: &Command<'_>) -> Hashes {
        Hashes {
            operation: self.hash_key.id(command.operation_id.0),
            target: self.target_hash(&command.action),
            fingerprint: command.action.fingerprint(self.config.hash_seed),
        }
    }

    pub(super) fn reservation_hash(&self, reservation_id: ReservationId) -> u32 {
        self.lsn_hash(reservation_id.lsn())
    }

    /// Where the reservation made at `lsn` lies in its table.
    #[inline]
    pub(super) fn lsn_hash(&self, lsn: Lsn) -> u32 {
        self.hash_key.id(lsn.0.into())
    }

    fn target_hash(&self, action: &Action<'_>) -> u32 {
        let id = match *action {
            Action::CreateResource { resource_id } | Action::DeleteResource { resource_id } => {
                resource_id.0
            }
            Action::Reserve { resource_ids, .. } => resource_ids.iter().next().map_or(0, |id| id.0),
            Action::Confirm { reservation_id, .. }
            | Action::Extend { reservation_id, .. }
            | Action::Release { reservation_id, .. }
            | Action::Revoke { reservation_id }
            | Action::Reclaim { reservation_id } => reservation_id.lsn().0.into(),
            Action::ExpireDue { .. } => 0,
        };
        self.hash_key.id(id)
    }
}
