//! The job that every system does: reserve, confirm, release, with an operation id for each command
//! whose outcome is recorded with the change, so that a retry is answered and never carried out.
//!
//! What the rivals are spared, always in their favour: they keep a reservation in its resource's
//! row, not as a record that outlives it; their fencing token counts for each resource, not for the
//! database; ids of resources and holders are small integers, not 128 bits; a repeated operation is
//! not compared with the first command; and operations are never retired. AllocDB does all of that.
//!
//! Time is counted in slots by the caller, alike for all.

use std::error::Error;

/// Why a run ends early.
pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// A log of so many bytes is followed by a checkpoint, in AllocDB and in SQLite alike; the others
/// have no upkeep during a run.
pub(crate) const CHECKPOINT_BYTES: u64 = 256 << 20;

/// What a command asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Reserve,
    Confirm,
    Release,
}

/// One command. What its kind does not use is ignored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Command {
    pub(crate) kind: Kind,
    pub(crate) operation: u128,
    pub(crate) resource: u32,
    /// Which reservation, to confirm or release: what its reserve answered.
    pub(crate) token: u128,
    pub(crate) holder: u64,
    pub(crate) slot: u64,
    pub(crate) ttl_slots: u64,
}

impl Command {
    /// From this slot on the hold may be given to somebody else.
    pub(crate) const fn deadline(&self) -> u64 {
        self.slot + self.ttl_slots
    }
}

/// The command took effect.
pub(crate) const DONE: u8 = 0;
/// The resource is somebody else's.
pub(crate) const BUSY: u8 = 4;
/// The reservation is not the caller's, or not in a state that allows this.
pub(crate) const REFUSED: u8 = 10;

/// The recorded answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) code: u8,
    pub(crate) token: u128,
    pub(crate) deadline: u64,
}

/// A resource as the rivals that are programmed in Rust keep it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Row {
    /// 0 available, 1 reserved, 2 confirmed.
    pub(crate) state: u8,
    pub(crate) holder: u64,
    pub(crate) token: u64,
    pub(crate) deadline: u64,
}

impl Row {
    /// Decides a command and changes the row: the rules that SQL and Lua repeat in their words.
    pub(crate) fn apply(&mut self, command: &Command) -> Outcome {
        let is_holder = self.holder == command.holder && u128::from(self.token) == command.token;
        match command.kind {
            Kind::Reserve => {
                let is_due = self.state == 1 && self.deadline <= command.slot;
                if self.state != 0 && !is_due {
                    return refusal(BUSY);
                }
                self.state = 1;
                self.holder = command.holder;
                self.token += 1;
                self.deadline = command.deadline();
                return Outcome {
                    code: DONE,
                    token: u128::from(self.token),
                    deadline: self.deadline,
                };
            }
            Kind::Confirm if is_holder && self.state == 1 && self.deadline > command.slot => {
                self.state = 2;
            }
            Kind::Release if is_holder && self.state != 0 => self.state = 0,
            Kind::Confirm | Kind::Release => return refusal(REFUSED),
        }
        Outcome {
            code: DONE,
            token: u128::from(self.token),
            deadline: 0,
        }
    }

    /// The row's bytes.
    pub(crate) fn encode(&self) -> [u8; 25] {
        let mut bytes = [0; 25];
        bytes[0] = self.state;
        bytes[1..9].copy_from_slice(&self.holder.to_le_bytes());
        bytes[9..17].copy_from_slice(&self.token.to_le_bytes());
        bytes[17..].copy_from_slice(&self.deadline.to_le_bytes());
        bytes
    }

    /// The row of these bytes.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Failure> {
        let bytes: &[u8; 25] = bytes.try_into().map_err(|_| "a row of another length")?;
        Ok(Self {
            state: bytes[0],
            holder: word(&bytes[1..9]),
            token: word(&bytes[9..17]),
            deadline: word(&bytes[17..]),
        })
    }
}

impl Outcome {
    /// The outcome's bytes, for those that record bytes.
    pub(crate) fn encode(&self) -> [u8; 17] {
        let token = u64::try_from(self.token).expect("the rivals' tokens are counted");
        let mut bytes = [0; 17];
        bytes[0] = self.code;
        bytes[1..9].copy_from_slice(&token.to_le_bytes());
        bytes[9..].copy_from_slice(&self.deadline.to_le_bytes());
        bytes
    }

    /// The outcome of these bytes.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Failure> {
        let bytes: &[u8; 17] = bytes
            .try_into()
            .map_err(|_| "an outcome of another length")?;
        Ok(Self {
            code: bytes[0],
            token: u128::from(word(&bytes[1..9])),
            deadline: word(&bytes[9..]),
        })
    }
}

const fn refusal(code: u8) -> Outcome {
    Outcome {
        code,
        token: 0,
        deadline: 0,
    }
}

fn word(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().expect("eight bytes"))
}

/// What a system itself says is there, after a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Census {
    /// Resources that nobody has.
    pub(crate) available: u64,
    /// Commands whose outcome was recorded, ever.
    pub(crate) operations: u64,
}

/// An open database of one system.
pub(crate) trait Peer: Send + Sync {
    /// A client of it, made in the thread that uses it.
    fn session(&self) -> Result<Box<dyn Session + '_>, Failure>;
}

/// One client.
pub(crate) trait Session {
    /// Carries out the commands, one or many in one commit, and returns when that is durable. The
    /// outcomes are appended, in the order of the commands.
    fn perform(&mut self, commands: &[Command], outcomes: &mut Vec<Outcome>)
    -> Result<(), Failure>;

    /// Counts what is there.
    fn census(&mut self) -> Result<Census, Failure>;
}
