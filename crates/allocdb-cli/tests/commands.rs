//! The program over real directories: each command, each refusal, damage, and beside an owner.
//!
//! The program runs as a process of its own; the owner is an engine in this one. What verifying
//! says is held against what opening then does, and it may not change a byte.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use allocdb_core::command::{Action, Command as Wish};
use allocdb_core::{OperationId, ResourceId, Slot};
use allocdb_node::batch::Single;
use allocdb_node::storage::{DirectoryOptions, FileStorage};
use allocdb_node::{Diagnostics, Engine, Level, OpenError, OpenMode, Options};
use tempfile::TempDir;

const DONE: i32 = 0;
const DAMAGED: i32 = 1;
const USAGE: i32 = 2;
const IN_USE: i32 = 3;
const NOT_THERE: i32 = 4;
const SYSTEM: i32 = 5;

/// Runs the program; its exit status and everything that it printed.
fn allocdb(arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_allocdb"));
    let output = command.args(arguments).output().expect("it runs");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).expect("text");
    assert!(!text.contains("panicked"), "{text}");
    (output.status.code().expect("not killed"), text)
}

fn options() -> Options {
    Options {
        max_resources: 64,
        max_reservations: 64,
        max_operations: 64,
        max_ttl_slots: 60,
        wal_prealloc_bytes: 4_096,
        ..Options::default()
    }
}

fn open(path: &Path, options: &Options) -> Result<Engine<FileStorage>, OpenError> {
    let directory = DirectoryOptions {
        create: true,
        ..DirectoryOptions::default()
    };
    let storage = FileStorage::open(path, directory)?;
    Engine::open(storage, options, Diagnostics::new(Level::Error, 1, None))
}

fn create(engine: &Engine<FileStorage>, number: u128) {
    let mut batch = Single::new(Wish {
        operation_id: OperationId(number),
        valid_until_slot: Slot(0),
        action: Action::CreateResource {
            resource_id: ResourceId(number),
        },
    });
    engine
        .submit(Some(Slot(1)), &mut batch)
        .expect("a sound disk");
}

/// Two checkpoints, at LSN 2 and 4, and two commits after them.
fn two_snapshots(path: &Path) -> Engine<FileStorage> {
    let engine = open(path, &options()).expect("a sound disk");
    for number in 1..=6 {
        create(&engine, number);
        if number == 2 || number == 4 {
            assert!(engine.checkpoint().expect("a sound disk").written);
        }
    }
    engine
}

/// A directory with a closed database in it.
fn closed() -> (TempDir, String) {
    let parent = TempDir::new().expect("a directory");
    let path = parent.path().join("db");
    two_snapshots(&path).close().expect("a sound disk");
    (parent, path.to_str().expect("text").to_owned())
}

fn contents(path: &str) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(path).expect("a directory");
    let files = entries.map(|entry| entry.expect("an entry").path());
    files
        .map(|file| (file.display().to_string(), fs::read(&file).expect("a file")))
        .collect()
}

fn flip(path: &str, name: &str, offset: usize) {
    let file = Path::new(path).join(name);
    let mut bytes = fs::read(&file).expect("a file");
    bytes[offset] ^= 0x10;
    fs::write(&file, bytes).expect("a file");
}

/// Verifies; nothing on the disk may change.
fn verify(path: &str) -> (i32, String) {
    let before = contents(path);
    let answer = allocdb(&["verify", path, "--json"]);
    assert_eq!(contents(path), before, "verifying changes nothing");
    answer
}

#[test]
fn a_sound_database_is_inspected_and_verified_without_a_change() {
    let (_parent, path) = closed();
    let (status, text) = verify(&path);
    assert_eq!(status, DONE, "{text}");
    // R70: from both snapshots, and from the beginning if the log still has that.
    assert!(text.contains("\"is_sound\": true"), "{text}");
    assert!(text.contains("\"ways_followed\": 2") || text.contains("\"ways_followed\": 3"));
    let before = contents(&path);
    let (status, text) = allocdb(&["inspect", &path]);
    assert_eq!(status, DONE, "{text}");
    for part in [
        "last lsn",
        "snapshot-4.adb",
        "max resources",
        "resources",
        "nobody has it",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(contents(&path), before, "inspecting changes nothing");
}

#[test]
fn beside_an_owner_all_but_the_checkpoint_works() {
    let parent = TempDir::new().expect("a directory");
    let (db, copy) = (parent.path().join("db"), parent.path().join("copy"));
    let engine = two_snapshots(&db);
    let (path, copy) = (db.to_str().expect("text"), copy.to_str().expect("text"));
    let pid = std::process::id().to_string();
    let (status, text) = verify(path);
    assert_eq!(status, DONE, "{text}");
    assert!(
        text.contains("\"judged_beside_owner\": true") && text.contains(&pid),
        "{text}"
    );
    let (status, text) = allocdb(&["inspect", path]);
    assert_eq!(status, DONE, "{text}");
    assert!(
        text.contains(&format!("process {pid} has it open")),
        "{text}"
    );
    let (status, text) = allocdb(&["checkpoint", path]);
    assert_eq!(status, IN_USE, "{text}");
    assert!(text.contains(&pid) && text.contains(path), "{text}");
    let (status, text) = allocdb(&["backup", path, copy]);
    assert_eq!(status, DONE, "{text}");
    assert!(text.contains("everything up to LSN 6"), "{text}");
    create(&engine, 7);
    engine.close().expect("a sound disk");
    assert_eq!(verify(copy).0, DONE);
}

#[test]
fn a_checkpoint_is_taken_once_and_a_backup_wants_an_empty_directory() {
    let (parent, path) = closed();
    let (status, text) = allocdb(&["checkpoint", &path]);
    assert_eq!(status, DONE, "{text}");
    assert!(text.contains("checkpoint at LSN 6"), "{text}");
    let (status, text) = allocdb(&["checkpoint", &path]);
    assert_eq!(status, DONE, "{text}");
    assert!(text.contains("nothing to write"), "{text}");
    let copy = parent.path().join("copy");
    let copy = copy.to_str().expect("text");
    assert_eq!(allocdb(&["backup", &path, copy]).0, DONE);
    let (status, text) = allocdb(&["backup", &path, copy]);
    assert_eq!(status, NOT_THERE, "{text}");
    assert!(text.contains("not empty") && text.contains(copy), "{text}");
    assert_eq!(allocdb(&["inspect", copy]).0, DONE);
}

#[test]
fn what_is_not_there_or_wrongly_asked_has_its_own_status() {
    let parent = TempDir::new().expect("a directory");
    let path = parent.path().to_str().expect("text");
    let missing = format!("{path}/missing");
    for command in ["inspect", "verify", "checkpoint"] {
        let (status, text) = allocdb(&[command, &missing]);
        assert_eq!(status, NOT_THERE, "{text}");
        assert!(text.contains(&missing), "{text}");
        assert_eq!(allocdb(&[command, path]).0, NOT_THERE, "an empty directory");
        assert_eq!(allocdb(&[command]).0, USAGE);
    }
    fs::write(parent.path().join("letter.txt"), "dear").expect("a file");
    assert_eq!(allocdb(&["verify", path]).0, NOT_THERE, "other files");
    assert_eq!(allocdb(&["backup", path, &missing]).0, NOT_THERE);
    assert_eq!(allocdb(&["mend", path]).0, USAGE);
    assert_eq!(allocdb(&["--help"]).0, DONE);
    assert_eq!(contents(path).len(), 1, "nothing was made");
    // The system refuses: a log that is a directory.
    let (_parent, path) = closed();
    fs::remove_file(format!("{path}/wal.adb")).expect("a file");
    fs::create_dir(format!("{path}/wal.adb")).expect("a directory");
    let (status, text) = allocdb(&["verify", &path]);
    assert_eq!(status, SYSTEM, "{text}");
    assert!(text.contains("wal.adb"), "{text}");
}

/// Damage of many places in every file: the verdict is what opening then does.
#[test]
fn for_every_damage_the_verdict_is_what_opening_says() {
    let existing = Options {
        mode: OpenMode::Existing,
        ..Options::default()
    };
    let (mut refused, mut survived) = (0, 0);
    let names = ["LOCK", "wal.adb", "snapshot-2.adb", "snapshot-4.adb"];
    for name in names {
        for offset in [3, 70, 4_100, 4_700, 5_300, 5_900, 6_500, 7_100] {
            let (_parent, path) = closed();
            let len = fs::metadata(Path::new(&path).join(name))
                .expect("a file")
                .len();
            if len <= offset {
                continue;
            }
            flip(&path, name, usize::try_from(offset).expect("small"));
            let (status, text) = verify(&path);
            match open(Path::new(&path), &existing) {
                Err(error) => {
                    assert_eq!(status, DAMAGED, "{name} {offset}: {text}");
                    let message = error.to_string();
                    assert!(
                        text.contains(&message),
                        "{name} {offset}: {message}: {text}"
                    );
                    assert!(text.contains("\"would_open\": false"), "{text}");
                    refused += 1;
                }
                Ok(engine) => {
                    assert!(
                        text.contains("\"would_open\": true"),
                        "{name} {offset}: {text}"
                    );
                    let lsn = format!("\"last_lsn\": {}", engine.last_lsn().0);
                    assert!(text.contains(&lsn), "{name} {offset}: {text}");
                    survived += i32::from(status == DAMAGED);
                    // Only bytes that say nothing of use may be called sound.
                    assert!(
                        status == DAMAGED || name == "wal.adb",
                        "{name} {offset}: {text}"
                    );
                }
            }
        }
    }
    assert!(refused >= 3 && survived >= 3, "{refused} {survived}");
}

#[test]
fn a_torn_tail_is_told_and_left_and_then_cut_by_a_checkpoint() {
    let parent = TempDir::new().expect("a directory");
    let db = parent.path().join("db");
    let path = db.to_str().expect("text");
    let engine = open(&db, &options()).expect("a sound disk");
    (1..=3).for_each(|number| create(&engine, number));
    // As after a kill: without a seal. Behind the last frame, a write that lost its first sector.
    engine.abandon();
    let file = db.join("wal.adb");
    let mut bytes = fs::read(&file).expect("a file");
    let written = bytes.iter().rposition(|&byte| byte != 0).expect("frames");
    let end = written.next_multiple_of(512);
    bytes[end + 600] = 7;
    fs::write(&file, &bytes).expect("a file");
    let (status, text) = verify(path);
    assert_eq!(status, DONE, "{text}");
    assert!(
        text.contains(&format!("torn tail, 1024 bytes from offset {end}")),
        "{text}"
    );
    let (status, text) = allocdb(&["checkpoint", path]);
    assert_eq!(status, DONE, "{text}");
    assert!(text.contains("cut a torn tail of 1024 bytes"), "{text}");
    assert!(verify(path).1.contains("\"last_lsn\": 3"));
}

#[test]
fn a_missing_log_and_a_cut_one_are_damage() {
    let (_parent, path) = closed();
    let log = Path::new(&path).join("wal.adb");
    let bytes = fs::read(&log).expect("a file");
    fs::write(&log, &bytes[..5_000]).expect("a file");
    let (status, text) = verify(&path);
    assert_eq!(status, DAMAGED, "{text}");
    assert!(
        text.contains("\"offset\"") && text.contains("\"newest_lsn_seen\""),
        "{text}"
    );
    fs::remove_file(&log).expect("a file");
    let (status, text) = verify(&path);
    assert_eq!(status, DAMAGED, "{text}");
    assert!(text.contains("the log is missing"), "{text}");
    for command in ["inspect", "checkpoint"] {
        assert_eq!(allocdb(&[command, &path]).0, DAMAGED, "{command}");
    }
}

#[test]
fn a_directory_that_may_only_be_read_is_read() {
    use std::os::unix::fs::PermissionsExt;
    let (parent, path) = closed();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o500)).expect("ours");
    assert_eq!(verify(&path).0, DONE);
    assert_eq!(allocdb(&["inspect", &path]).0, DONE);
    let copy = parent.path().join("copy");
    let copy = copy.to_str().expect("text");
    assert_eq!(allocdb(&["backup", &path, copy]).0, DONE);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("ours");
}
