//! Options: whatever a caller gives, it is refused by name or it is a database that can be had.
//!
//! The laws: nothing panics and nothing wraps (the build checks every addition); options are taken
//! if and only if each number is within the documented bounds, which stand here a second time; a
//! configuration that is taken reads back from its stored form as it was; the memory bound is
//! computed for all that is taken, covers the tables, and grows with every capacity; what opening
//! makes of a stored configuration is that configuration, grown in capacities alone; and where the
//! tables are small they are made, within their bound.

use allocdb_core::canary::Canary;
use allocdb_core::config::Config;
use allocdb_core::state::State;
use allocdb_node::options::{Clock, OpenMode, Options, SyncMode};

use super::Target;
use super::material::Material;

/// The target.
pub const TARGET: Target = Target {
    name: "options",
    len_max: 256,
    allocation_bytes_max: TABLES_BYTES_MAX,
    run,
    seeds,
    canary: Canary::BucketUnbounded,
};

/// Tables up to this size are made.
const TABLES_BYTES_MAX: usize = 64 << 10;

/// Tries one input: the options of a stored database, and those that it is opened with.
pub fn run(data: &[u8]) {
    let mut material = Material::new(data);
    let stored = options(&mut material);
    let Some(config) = check_creation(&stored) else {
        return;
    };
    let given = if material.is_over() {
        stored
    } else {
        options(&mut material)
    };
    check_creation(&given);
    check_opening(&config, &given);
}

fn options(material: &mut Material<'_>) -> Options {
    let flags = material.u16();
    let mut wide = || number(material);
    Options {
        mode: [OpenMode::CreateIfMissing, OpenMode::Existing, OpenMode::New]
            [usize::from(flags & 3) % 3],
        read_only: flags & 4 != 0,
        allow_network_fs: flags & 8 != 0,
        auto_expire_off: flags & 16 != 0,
        shard_id: wide(),
        slot_duration_ms: wide(),
        max_ttl_slots: wide(),
        operation_window_slots: wide(),
        history_window_slots: wide(),
        hash_seed: wide(),
        database_id: wide().into(),
        sync: if flags & 32 == 0 {
            SyncMode::Full
        } else {
            SyncMode::Os
        },
        clock: if flags & 64 == 0 {
            Clock::System
        } else {
            Clock::Host
        },
        max_batch_bytes: wide(),
        wal_prealloc_bytes: wide(),
        checkpoint_wal_bytes: wide(),
        max_slot_leap: wide(),
        log_ring_bytes: wide(),
        max_resources: narrow(wide()),
        max_reservations: narrow(wide()),
        max_operations: narrow(wide()),
        max_bundle_len: narrow(wide()),
        max_expiration_bucket_len: narrow(wide()),
        max_expirations_per_tick: narrow(wide()),
        max_queue: narrow(wide()),
        max_batch_commands: narrow(wide()),
        log_level: None,
    }
}

/// Numbers of the kinds that bounds are made of.
fn number(material: &mut Material<'_>) -> u64 {
    match material.u8() % 8 {
        0 => 0,
        1 => material.u8().into(),
        2 => material.u32().into(),
        3 => material.u64(),
        4 => 1 << material.below(64),
        5 => (1 << material.below(64)) - 1,
        6 => (1 << material.below(64)) + 1,
        _ => u64::MAX - u64::from(material.u8()),
    }
}

fn narrow(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// The value, the default for 0, the least, the greatest.
type Bound = (u64, u64, u64, u64);

fn is_within((value, default, least, greatest): Bound) -> bool {
    let value = if value == 0 { default } else { value };
    least <= value && value <= greatest
}

fn stored_bounds(options: &Options) -> [Bound; 10] {
    const CAPACITY: u64 = 1 << 28;
    const WINDOW: u64 = 1 << 40;
    let reservations = match options.max_reservations {
        0 => 262_144,
        given => given.into(),
    };
    [
        (options.slot_duration_ms, 100, 1, 86_400_000),
        (options.max_ttl_slots, 262_143, 1, CAPACITY - 1),
        (options.operation_window_slots, 300, 1, WINDOW),
        (options.history_window_slots, 300, 1, WINDOW),
        (options.max_resources.into(), 65_536, 1, CAPACITY),
        (options.max_reservations.into(), 262_144, 1, CAPACITY),
        (options.max_operations.into(), 524_288, 1, CAPACITY),
        (options.max_bundle_len.into(), 64, 1, 1024),
        (
            options.max_expiration_bucket_len.into(),
            reservations,
            1,
            reservations,
        ),
        (options.max_expirations_per_tick.into(), 1024, 1, CAPACITY),
    ]
}

fn running_bounds(options: &Options) -> [Bound; 6] {
    let step = (4096, 1 << 40);
    [
        (options.max_queue.into(), 8192, 1, 1 << 20),
        (options.max_batch_commands.into(), 8192, 1, 1 << 17),
        (options.max_batch_bytes, 1 << 20, 32 << 10, 16 << 20),
        (options.wal_prealloc_bytes, 16 << 20, step.0, step.1),
        (options.checkpoint_wal_bytes, 64 << 20, step.0, step.1),
        (options.log_ring_bytes, 64 << 10, 1, 1 << 30),
    ]
}

/// What creation makes of options; `None` where they are refused.
fn check_creation(options: &Options) -> Option<Config> {
    let is_stored = stored_bounds(options).into_iter().all(is_within);
    let is_running = running_bounds(options).into_iter().all(is_within);
    let made = options.config_for_creation(7, 9);
    assert_eq!(made.is_ok(), is_stored, "{made:?} of {options:?}");
    let settings = options.settings();
    assert_eq!(settings.is_ok(), is_running, "{settings:?} of {options:?}");
    let bound = options.memory_bound();
    assert_eq!(bound.is_ok(), is_stored && is_running, "{options:?}");
    let config = made.ok()?;
    assert!(config.database_id != 0 && config.validate().is_ok());
    assert_eq!(Config::decode(&config.encode()), Some(config));
    let window = config
        .max_ttl_slots
        .max(config.operation_window_slots)
        .max(config.history_window_slots);
    assert_eq!(config.slot_max().0.checked_add(window), Some(u64::MAX));
    if let Ok(bound) = bound {
        assert!(bound >= State::memory_bytes(&config), "{options:?}");
        check_growth(options, bound);
    }
    check_tables(&config);
    Some(config)
}

/// A greater capacity never needs less.
fn check_growth(options: &Options, bound: u64) {
    let more = |given: u32, default| if given == 0 { default } else { given } + 1;
    let greater = [
        Options {
            max_resources: more(options.max_resources, 65_536),
            ..*options
        },
        Options {
            max_operations: more(options.max_operations, 524_288),
            ..*options
        },
        Options {
            max_queue: more(options.max_queue, 8192),
            ..*options
        },
    ];
    for greater in greater {
        if let Ok(needed) = greater.memory_bound() {
            assert!(needed >= bound, "{greater:?} needs less than {options:?}");
        }
    }
}

/// Small tables are made; that they stay within their bound, the counting allocator sees to.
fn check_tables(config: &Config) {
    if State::memory_bytes(config) > TABLES_BYTES_MAX as u64 {
        return;
    }
    let state = State::new(*config).expect("a valid configuration, and little memory");
    assert!(state.check_invariants().is_ok());
}

fn check_opening(stored: &Config, given: &Options) {
    let Ok(opened) = given.config_for_opening(stored) else {
        return;
    };
    assert_eq!(stored.growth_obstacle(&opened), None, "{given:?}");
    assert_eq!(given.mismatch(stored), None, "{given:?}");
    assert!(opened.validate().is_ok(), "{opened:?}");
    if given.read_only {
        assert_eq!(opened, *stored, "a reader grows nothing");
    }
}

/// Nothing given; small tables, twice; every number one.
fn seeds() -> Vec<Vec<u8>> {
    let small = [1, 8].repeat(32);
    let ones = [1, 1].repeat(32);
    // Kinds of numbers stand at every second byte, behind two bytes of flags.
    let tables: Vec<u8> = (0..20)
        .map(|index| if index < 12 { [0, 0] } else { [1, 8] })
        .flat_map(|[kind, value]| {
            if kind == 0 {
                vec![kind]
            } else {
                vec![kind, value]
            }
        })
        .collect();
    vec![
        vec![0],
        [&[0, 0], small.as_slice()].concat(),
        [&[4, 0], ones.as_slice()].concat(),
        [&[0, 0], tables.as_slice(), &[96, 0], tables.as_slice()].concat(),
    ]
}
