//! AllocDB as a C program has it: the functions of the staged `libAllocDB.so`, found by name.
//!
//! The structs are those of the crate that the library is built from, so no layout is written
//! twice; the types of the functions are compared with that crate's by the compiler, and the calls
//! go to the library's file. One command is a typed call, several are `allocdb_submit`. `sync` is
//! full.
//!
//! Options as in `bindings/c/examples/bench.c`: the caller counts slots, one for each 10,000
//! commands, and 20 of them are remembered. Unlike the rivals, it retires operations on the way,
//! and it makes a checkpoint where its log has become long enough.

use std::ffi::{CStr, CString, c_char};
use std::mem::MaybeUninit;
use std::path::Path;
use std::ptr;

use AllocDB::api::{commands as api, lifecycle, names, reads, upkeep};
use AllocDB::constants as number;
use AllocDB::types::{
    allocdb, allocdb_command, allocdb_error, allocdb_filter, allocdb_health, allocdb_id,
    allocdb_operation, allocdb_options, allocdb_outcome, allocdb_resource, allocdb_status,
};

use crate::job::{
    BUSY, CHECKPOINT_BYTES, Census, Command, DONE, Failure, Kind, Outcome, Peer, REFUSED, Session,
};

const RESOURCES_PER_PAGE: usize = 4096;
const FILL_LEN: usize = 1000;

/// The functions of the library, checked against the source that the library is built of.
macro_rules! functions {
    ($($module:ident :: $name:ident: fn($($argument:ty),*) $(-> $result:ty)?;)*) => {
        #[derive(Clone, Copy)]
        struct Functions {
            $($name: unsafe extern "C" fn($($argument),*) $(-> $result)?,)*
        }

        impl Functions {
            fn find(library: &libloading::Library) -> Result<Self, Failure> {
                $(let _: unsafe extern "C" fn($($argument),*) $(-> $result)? = $module::$name;)*
                // SAFETY: the types are those of the source, compared one line above.
                Ok(unsafe { Self { $($name: *library.get(stringify!($name))?,)* } })
            }
        }
    };
}

type Db = *mut allocdb;
type Said = *mut allocdb_error;
type Answer = *mut allocdb_outcome;

functions! {
    names::allocdb_version_string: fn() -> *const c_char;
    lifecycle::allocdb_options_init: fn(*mut allocdb_options, usize);
    lifecycle::allocdb_open: fn(*const c_char, *const allocdb_options, *mut Db, Said)
        -> allocdb_status;
    lifecycle::allocdb_close: fn(*mut Db) -> allocdb_status;
    api::allocdb_reserve: fn(
        Db, u64, allocdb_operation, allocdb_id, allocdb_id, u64, Answer, Said
    ) -> allocdb_status;
    api::allocdb_confirm: fn(Db, u64, allocdb_operation, allocdb_id, allocdb_id, Answer, Said)
        -> allocdb_status;
    api::allocdb_release: fn(Db, u64, allocdb_operation, allocdb_id, allocdb_id, Answer, Said)
        -> allocdb_status;
    api::allocdb_submit: fn(Db, u64, *const allocdb_command, usize, Answer, Said)
        -> allocdb_status;
    reads::allocdb_list_resources: fn(
        Db, *const allocdb_filter, *mut u64, *mut allocdb_resource, usize, *mut usize, Said
    ) -> allocdb_status;
    upkeep::allocdb_health_get: fn(Db, u64, *mut allocdb_health, Said) -> allocdb_status;
}

/// The library's file, loaded.
pub(crate) struct Library {
    functions: Functions,
    /// Keeps the code in memory while anybody may call it.
    _file: libloading::Library,
}

impl Library {
    /// Loads it.
    pub(crate) fn load(path: &Path) -> Result<Self, Failure> {
        // SAFETY: libAllocDB runs nothing when it is loaded.
        let file = unsafe { libloading::Library::new(path) };
        let file = file.map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self {
            functions: Functions::find(&file)?,
            _file: file,
        })
    }

    /// What it says it is.
    pub(crate) fn version(&self) -> String {
        // SAFETY: a text that lives as long as the library.
        let text = unsafe { CStr::from_ptr((self.functions.allocdb_version_string)()) };
        text.to_string_lossy().into_owned()
    }
}

/// A database.
pub(crate) struct AllocDb {
    functions: Functions,
    db: Db,
    resources: u32,
}

// SAFETY: any number of threads may use one handle (allocdb.h, "Threads").
unsafe impl Send for AllocDb {}
// SAFETY: as above.
unsafe impl Sync for AllocDb {}

impl AllocDb {
    /// All resources, available.
    pub(crate) fn open(
        library: &Library,
        directory: &Path,
        resources: u32,
    ) -> Result<Self, Failure> {
        let functions = library.functions;
        let path = CString::new(directory.as_os_str().as_encoded_bytes())?;
        let mut options = MaybeUninit::<allocdb_options>::zeroed();
        let mut error = new_error();
        let mut db = ptr::null_mut();
        // SAFETY: all zeros are an `allocdb_options`, and the function is told its size; the others
        // are pointers to what they are named for.
        let status = unsafe {
            let size = size_of::<allocdb_options>();
            (functions.allocdb_options_init)(options.as_mut_ptr(), size);
            let options = options.assume_init_mut();
            options.flags = number::ALLOCDB_OPEN_NEW;
            options.clock = number::ALLOCDB_CLOCK_HOST;
            options.sync = number::ALLOCDB_SYNC_FULL;
            options.max_resources = resources;
            // What makes the resources is remembered too.
            options.max_operations = (resources + 100_000).max(600_000);
            options.max_reservations = 400_000;
            options.max_ttl_slots = 1000;
            options.operation_window_slots = 20;
            options.history_window_slots = 20;
            options.max_batch_bytes = 4 << 20;
            options.checkpoint_wal_bytes = CHECKPOINT_BYTES;
            options.wal_prealloc_bytes = 64 << 20;
            (functions.allocdb_open)(path.as_ptr(), options, &raw mut db, &raw mut error)
        };
        check(status, &error)?;
        let opened = Self {
            functions,
            db,
            resources,
        };
        opened.fill()?;
        Ok(opened)
    }

    fn fill(&self) -> Result<(), Failure> {
        let ids: Vec<u32> = (1..=self.resources).collect();
        for part in ids.chunks(FILL_LEN) {
            let creates = part.iter().map(|&resource| allocdb_command {
                kind: number::ALLOCDB_COMMAND_CREATE_RESOURCE,
                // Small numbers are never drawn: an id that is has a high word.
                operation_id: id(u128::from(resource)),
                target_id: id(u128::from(resource)),
                ..empty()
            });
            let creates: Vec<_> = creates.collect();
            let outcomes = self.submit(1, &creates)?;
            if outcomes
                .iter()
                .any(|outcome| outcome.status != 0 || outcome.code != 0)
            {
                return Err("a resource was not created".into());
            }
        }
        Ok(())
    }

    fn submit(
        &self,
        slot: u64,
        commands: &[allocdb_command],
    ) -> Result<Vec<allocdb_outcome>, Failure> {
        let mut outcomes = vec![allocdb_outcome::default(); commands.len()];
        let mut error = new_error();
        // SAFETY: as many outcomes as commands, none overlapping.
        let status = unsafe {
            (self.functions.allocdb_submit)(
                self.db,
                slot,
                commands.as_ptr(),
                commands.len(),
                outcomes.as_mut_ptr(),
                &raw mut error,
            )
        };
        check(status, &error)?;
        Ok(outcomes)
    }

    fn typed(&self, command: &Command) -> Result<allocdb_outcome, Failure> {
        let mut outcome = allocdb_outcome::default();
        let mut error = new_error();
        let operation = allocdb_operation {
            id: id(command.operation),
            valid_until_slot: 0,
        };
        let (db, slot, holder) = (self.db, command.slot, id(u128::from(command.holder)));
        let (out, said) = (&raw mut outcome, &raw mut error);
        let Functions {
            allocdb_reserve: reserve,
            allocdb_confirm: confirm,
            allocdb_release: release,
            ..
        } = self.functions;
        // SAFETY: an open handle, ids by value, outputs of our own.
        let status = unsafe {
            match command.kind {
                Kind::Reserve => {
                    let resource = id(u128::from(command.resource));
                    reserve(
                        db,
                        slot,
                        operation,
                        resource,
                        holder,
                        command.ttl_slots,
                        out,
                        said,
                    )
                }
                Kind::Confirm => confirm(db, slot, operation, id(command.token), holder, out, said),
                Kind::Release => release(db, slot, operation, id(command.token), holder, out, said),
            }
        };
        check(status, &error)?;
        Ok(outcome)
    }
}

impl Drop for AllocDb {
    fn drop(&mut self) {
        // SAFETY: ours, once; no session borrows it any more.
        let status = unsafe { (self.functions.allocdb_close)(&raw mut self.db) };
        assert_eq!(status, 0, "allocdb_close");
    }
}

impl Peer for AllocDb {
    fn session(&self) -> Result<Box<dyn Session + '_>, Failure> {
        Ok(Box::new(Client {
            peer: self,
            commands: Vec::new(),
        }))
    }
}

struct Client<'peer> {
    peer: &'peer AllocDb,
    commands: Vec<allocdb_command>,
}

impl Session for Client<'_> {
    fn perform(
        &mut self,
        commands: &[Command],
        outcomes: &mut Vec<Outcome>,
    ) -> Result<(), Failure> {
        if let [command] = commands {
            outcomes.push(answer(&self.peer.typed(command)?)?);
            return Ok(());
        }
        let slot = commands.first().map_or(0, |command| command.slot);
        self.commands.clear();
        self.commands.extend(commands.iter().map(submitted));
        for outcome in self.peer.submit(slot, &self.commands)? {
            outcomes.push(answer(&outcome)?);
        }
        Ok(())
    }

    fn census(&mut self) -> Result<Census, Failure> {
        Ok(Census {
            available: self.peer.available()?,
            operations: self.peer.recorded()?,
        })
    }
}

impl AllocDb {
    fn available(&self) -> Result<u64, Failure> {
        let filter = allocdb_filter {
            states: 1 << number::ALLOCDB_RESOURCE_STATE_AVAILABLE,
            ..allocdb_filter::default()
        };
        let mut rows = vec![allocdb_resource::default(); RESOURCES_PER_PAGE];
        let (mut cursor, mut available) = (0, 0);
        loop {
            let (mut count, mut error) = (0, new_error());
            // SAFETY: an open handle, room for as many rows as it is told, outputs of our own.
            let status = unsafe {
                (self.functions.allocdb_list_resources)(
                    self.db,
                    &raw const filter,
                    &raw mut cursor,
                    rows.as_mut_ptr(),
                    rows.len(),
                    &raw mut count,
                    &raw mut error,
                )
            };
            check(status, &error)?;
            available += count as u64;
            if cursor == 0 || count == 0 {
                return Ok(available);
            }
        }
    }

    /// Reserves, confirms and releases that were logged since the opening.
    fn recorded(&self) -> Result<u64, Failure> {
        let mut health = allocdb_health {
            struct_size: u32::try_from(size_of::<allocdb_health>())?,
            ..allocdb_health::default()
        };
        let mut error = new_error();
        // SAFETY: an open handle, a struct that says its size.
        let status = unsafe {
            (self.functions.allocdb_health_get)(self.db, 0, &raw mut health, &raw mut error)
        };
        check(status, &error)?;
        let kinds = [
            number::ALLOCDB_COMMAND_RESERVE,
            number::ALLOCDB_COMMAND_CONFIRM,
            number::ALLOCDB_COMMAND_RELEASE,
        ];
        Ok(kinds
            .iter()
            .map(|&kind| health.command_counts[kind as usize])
            .sum())
    }
}

fn submitted(command: &Command) -> allocdb_command {
    let (kind, target, ttl_slots) = match command.kind {
        Kind::Reserve => (
            number::ALLOCDB_COMMAND_RESERVE,
            u128::from(command.resource),
            command.ttl_slots,
        ),
        Kind::Confirm => (number::ALLOCDB_COMMAND_CONFIRM, command.token, 0),
        Kind::Release => (number::ALLOCDB_COMMAND_RELEASE, command.token, 0),
    };
    allocdb_command {
        kind,
        operation_id: id(command.operation),
        target_id: id(target),
        holder_id: id(u128::from(command.holder)),
        ttl_slots,
        ..empty()
    }
}

fn answer(outcome: &allocdb_outcome) -> Result<Outcome, Failure> {
    if outcome.status != 0 {
        return Err(format!("a command was rejected with status {}", outcome.status).into());
    }
    let code = match outcome.code {
        number::ALLOCDB_DONE => DONE,
        number::ALLOCDB_RESOURCE_BUSY => BUSY,
        _ => REFUSED,
    };
    let reservation = outcome.reservation_id;
    Ok(Outcome {
        code,
        token: u128::from(reservation.hi) << 64 | u128::from(reservation.lo),
        deadline: outcome.deadline_slot,
    })
}

fn check(status: allocdb_status, error: &allocdb_error) -> Result<(), Failure> {
    if status == 0 {
        return Ok(());
    }
    // SAFETY: the library ends its messages with a NUL.
    let message = unsafe { CStr::from_ptr(error.message.as_ptr()) };
    Err(format!("status {status}: {}", message.to_string_lossy()).into())
}

fn id(number: u128) -> allocdb_id {
    #[expect(clippy::cast_possible_truncation, reason = "the two words of it")]
    allocdb_id {
        lo: number as u64,
        hi: (number >> 64) as u64,
    }
}

const fn new_error() -> allocdb_error {
    allocdb_error {
        status: 0,
        os_errno: 0,
        detail: [0; 4],
        message: [0; 216],
    }
}

const fn empty() -> allocdb_command {
    const ZERO: allocdb_id = allocdb_id { lo: 0, hi: 0 };
    allocdb_command {
        kind: 0,
        id_count: 0,
        operation_id: ZERO,
        target_id: ZERO,
        holder_id: ZERO,
        ttl_slots: 0,
        valid_until_slot: 0,
        ids: ptr::null(),
        reserved: [0; 6],
    }
}
