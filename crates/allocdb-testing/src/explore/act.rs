//! The alphabet: what can be done next, in words that mean the same in every state.
//!
//! A reservation is named by how long ago it was made, an operation by how long ago it was sent:
//! so the same act can be tried wherever it makes sense, and states can be compared by what they
//! answer to it. What would only repeat another act (the second of two equal holders, a third
//! crash) is left out.

/// One act.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Act {
    /// Makes the resource with this number.
    Create(u8),
    /// Removes it.
    Delete(u8),
    /// Of these resources, in this order.
    Reserve {
        /// The first.
        first: u8,
        /// The second of a bundle, 0 for none.
        second: u8,
        /// Who.
        holder: u8,
        /// For how long.
        ttl: u8,
        /// Valid until as many slots from now, 255 for no limit.
        limit: u8,
    },
    /// By its holder, or by another.
    Confirm(Made, Whose),
    /// By its holder, for as long.
    Extend(Made, u8),
    /// By its holder, or by another.
    Release(Made, Whose),
    /// By an operator.
    Revoke(Made),
    /// By an operator.
    Reclaim(Made),
    /// The engine's, at most as many.
    Expire(u8),
    /// So many slots pass.
    Wait(u8),
    /// The last command that was done, once more.
    Retry,
    /// Its id with another command.
    Conflict,
    /// A commit of one command more than there are places for operations, or of six.
    Crowd,
    /// A snapshot; the records before it go.
    Checkpoint,
    /// On from the last snapshot and the records since.
    Crash,
}

/// A reservation by how long ago it was made.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Made {
    /// The newest.
    Last,
    /// The one before.
    Before,
}

/// Who asks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Whose {
    /// The holder.
    Own,
    /// Somebody else.
    Foreign,
}

/// No limit to a command's validity.
pub(super) const UNLIMITED: u8 = 255;

const fn reserve(first: u8, second: u8, holder: u8, ttl: u8, limit: u8) -> Act {
    Act::Reserve {
        first,
        second,
        holder,
        ttl,
        limit,
    }
}

/// Every act.
const ALPHABET: &[Act] = &[
    reserve(1, 0, 1, 1, UNLIMITED),
    reserve(1, 0, 2, 2, 1),
    reserve(2, 0, 1, 2, UNLIMITED),
    reserve(2, 0, 2, 1, UNLIMITED),
    reserve(1, 2, 1, 2, UNLIMITED),
    reserve(2, 1, 2, 1, UNLIMITED),
    Act::Confirm(Made::Last, Whose::Own),
    Act::Confirm(Made::Before, Whose::Own),
    Act::Confirm(Made::Last, Whose::Foreign),
    Act::Extend(Made::Last, 1),
    Act::Extend(Made::Last, 2),
    Act::Extend(Made::Before, 2),
    Act::Release(Made::Last, Whose::Own),
    Act::Release(Made::Before, Whose::Own),
    Act::Release(Made::Last, Whose::Foreign),
    Act::Revoke(Made::Last),
    Act::Revoke(Made::Before),
    Act::Reclaim(Made::Last),
    Act::Reclaim(Made::Before),
    Act::Create(1),
    Act::Create(3),
    Act::Delete(1),
    Act::Expire(1),
    Act::Expire(2),
    Act::Wait(1),
    Act::Wait(2),
    Act::Retry,
    Act::Conflict,
    Act::Crowd,
    Act::Checkpoint,
    Act::Crash,
];

/// What may follow on a path.
pub(super) fn following(path: &[Act], acts: &mut Vec<Act>) {
    let count = |wanted: Act| path.iter().filter(|act| **act == wanted).count();
    let waited = matches!(path.last(), Some(Act::Wait(_)));
    for &act in ALPHABET {
        let is_idle = match act {
            Act::Wait(_) => waited,
            Act::Checkpoint | Act::Crash => count(act) > 0 || path.is_empty(),
            _ => false,
        };
        if !is_idle {
            acts.push(act);
        }
    }
}
