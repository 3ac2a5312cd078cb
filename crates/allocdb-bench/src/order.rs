//! What the harness asks of the engine: commands that own their ids.
//!
//! The core's command borrows its resource ids, which a plan made beforehand, or handed to another
//! thread, cannot. An [`Order`] is a plain value, and lends out the command when it is submitted.

use allocdb_core::{
    Action, Command, HolderId, OperationId, Rejection, ReservationId, ResourceId, ResourceIds,
    Slot, codec,
};
use allocdb_node::{CommandResult, batch::Batch};

/// One command.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    /// Its operation id.
    pub operation: u128,
    /// The last slot at which it may be executed; 0 for no limit.
    pub valid_until: u64,
    /// What it is about.
    pub wish: Wish,
}

/// What an order asks for.
#[derive(Clone, Copy, Debug)]
pub enum Wish {
    /// A new resource.
    Create {
        /// Its id.
        resource: u128,
    },
    /// One resource.
    Reserve {
        /// Its id, in the form that commands borrow.
        resource: [[u8; 16]; 1],
        /// Who wants it.
        holder: u128,
        /// For how long.
        ttl_slots: u64,
    },
    /// A hold made permanent.
    Confirm {
        /// Which.
        reservation: ReservationId,
        /// Whose.
        holder: u128,
    },
    /// The resource given back.
    Release {
        /// Which.
        reservation: ReservationId,
        /// Whose.
        holder: u128,
    },
}

/// A reservation and whose it is: what a confirm or a release needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Held {
    /// Which.
    pub reservation: ReservationId,
    /// Whose.
    pub holder: u128,
}

impl Held {
    /// The wish to make it permanent.
    #[must_use]
    pub const fn confirm(&self) -> Wish {
        Wish::Confirm {
            reservation: self.reservation,
            holder: self.holder,
        }
    }

    /// The wish to give it back.
    #[must_use]
    pub const fn release(&self) -> Wish {
        Wish::Release {
            reservation: self.reservation,
            holder: self.holder,
        }
    }
}

impl Order {
    /// An order for one resource.
    #[must_use]
    pub const fn reserve(operation: u128, resource: u128, holder: u128, ttl_slots: u64) -> Self {
        let resource = [resource.to_le_bytes()];
        Self {
            operation,
            valid_until: 0,
            wish: Wish::Reserve {
                resource,
                holder,
                ttl_slots,
            },
        }
    }

    /// Any order without a limit.
    #[must_use]
    pub const fn plain(operation: u128, wish: Wish) -> Self {
        Self {
            operation,
            valid_until: 0,
            wish,
        }
    }

    pub(crate) fn command(&self) -> Command<'_> {
        let action = match &self.wish {
            Wish::Create { resource } => Action::CreateResource {
                resource_id: ResourceId(*resource),
            },
            Wish::Reserve {
                resource,
                holder,
                ttl_slots,
            } => Action::Reserve {
                resource_ids: ResourceIds::new(resource),
                holder_id: HolderId(*holder),
                ttl_slots: *ttl_slots,
            },
            Wish::Confirm {
                reservation,
                holder,
            } => Action::Confirm {
                reservation_id: *reservation,
                holder_id: HolderId(*holder),
            },
            Wish::Release {
                reservation,
                holder,
            } => Action::Release {
                reservation_id: *reservation,
                holder_id: HolderId(*holder),
            },
        };
        Command {
            operation_id: OperationId(self.operation),
            valid_until_slot: Slot(self.valid_until),
            action,
        }
    }
}

/// Some orders as one submission.
pub(crate) struct Submission<'a> {
    pub(crate) orders: &'a [Order],
    pub(crate) answers: &'a mut [Option<CommandResult>],
}

impl Batch for Submission<'_> {
    fn len(&self) -> usize {
        self.orders.len()
    }

    fn record_bytes(&self) -> usize {
        let orders = self.orders.iter();
        orders
            .map(|order| codec::record_len(&order.command()))
            .sum()
    }

    fn command(&self, index: usize) -> Result<Command<'_>, Rejection> {
        Ok(self.orders[index].command())
    }

    fn settle(&mut self, index: usize, result: CommandResult) {
        self.answers[index] = Some(result);
    }
}
