//! Names, the lock file's text, and the real directory.

use super::file::is_network_file_system;
use super::*;
use crate::aligned::AlignedBytes;
use crate::fork::tests::{FORKS, in_forked_child};
use crate::status;

fn open(path: &std::path::Path) -> Result<FileStorage, OpenError> {
    FileStorage::open(path, DirectoryOptions::default())
}

#[test]
fn every_name_of_ours_is_spelled_and_recognized_alike() {
    for name in [
        FileName::Lock,
        FileName::Wal,
        FileName::WalTemporary,
        FileName::Snapshot(Lsn(0)),
        FileName::Snapshot(Lsn(1_000)),
        FileName::Snapshot(Lsn(u64::MAX)),
        FileName::SnapshotTemporary(Lsn(u64::MAX)),
    ] {
        let text = NameText::new(name);
        assert_eq!(Entry::of(text.as_c_str().to_bytes()), Entry::Ours(name));
        assert_eq!(text.as_c_str().to_str().expect("text"), name.to_string());
    }
}

#[test]
fn names_that_are_nearly_ours_are_foreign() {
    for name in [
        "lock",
        "wal.adb2",
        "LOCK.tmp",
        "snapshot-.adb",
        "snapshot-01.adb",
        "snapshot--1.adb",
        "snapshot-18446744073709551616.adb",
        "snapshot-1.adb.tmp.tmp",
        "notes.tmp",
        "",
    ] {
        assert_eq!(Entry::of(name.as_bytes()), Entry::Foreign, "{name}");
    }
    assert_eq!(Entry::of(b"health.adb"), Entry::Beside);
    assert_eq!(Entry::of(b"lost+found"), Entry::Beside);
}

#[test]
fn every_flipped_bit_and_every_cut_of_a_lock_file_is_noticed() {
    let record = LockRecord {
        pid: 12_345,
        database_id: 0x0123_4567_89AB_CDEF,
    };
    let bytes = record.encode();
    assert_eq!(LockRecord::decode(&bytes), Some(record));
    for bit in 0..LOCK_BYTES * 8 {
        let mut changed = bytes;
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(LockRecord::decode(&changed), None, "bit {bit}");
    }
    for len in 0..LOCK_BYTES {
        assert_eq!(LockRecord::decode(&bytes[..len]), None);
    }
}

/// Whatever the system demands of direct writes, and whether it has them at all.
#[test]
fn a_durable_write_is_a_write_of_any_bytes_at_any_place() {
    let directory = tempfile::tempdir().expect("a directory");
    for place in [directory.path(), std::path::Path::new("/dev/shm")] {
        let Ok(within) = tempfile::tempdir_in(place) else {
            continue;
        };
        let storage = open(within.path()).expect("it is there");
        let aligned = AlignedBytes::new(16_384).expect("memory");
        let page = (aligned.bytes().as_ptr() as usize, aligned.bytes().len());
        assert_eq!(page.0 % 4096, 0);
        // Sectors from a page, and what no direct write takes: odd addresses, places and lengths.
        for (from, offset, len) in [
            (0, 4096, 512),
            (0, 4608, 8192),
            (512, 512, 1024),
            (1, 4096, 512),
            (0, 4097, 512),
            (0, 4096, 511),
            (3, 5, 7),
            (0, 0, 0),
        ] {
            let file = storage
                .open(FileName::WalTemporary, FileMode::Create)
                .expect("made");
            storage
                .write_at(&file, 0, &[0xEE; 16_384])
                .expect("written");
            let mut bytes = AlignedBytes::new(16_384).expect("memory");
            bytes.bytes_mut().fill(0x11);
            let bytes = &bytes.bytes()[from..from + len];
            let offset_bytes = u64::try_from(offset).expect("small");
            for _ in 0..2 {
                storage
                    .write_durable_at(&file, offset_bytes, bytes)
                    .expect("written");
            }
            let mut out = vec![0; 16_384];
            storage.read_at(&file, 0, &mut out).expect("read");
            let mut expected = vec![0xEE; 16_384];
            expected[offset..offset + len].fill(0x11);
            assert!(out == expected, "{len} bytes at {offset}, from {from}");
            assert_eq!(storage.len(&file), Ok(16_384));
        }
    }
}

#[test]
fn what_is_written_is_read_and_the_end_is_an_error() {
    let directory = tempfile::tempdir().expect("a directory");
    let storage = open(directory.path()).expect("it is there");
    let file = storage
        .open(FileName::WalTemporary, FileMode::Create)
        .expect("made");
    storage.write_at(&file, 512, &[7; 1_024]).expect("written");
    assert_eq!(storage.len(&file), Ok(1_536));
    let mut out = [1; 1_024];
    storage.read_at(&file, 256, &mut out).expect("within");
    assert!(out[..256].iter().all(|&byte| byte == 0));
    assert!(out[256..].iter().all(|&byte| byte == 7));
    let short = storage.read_at(&file, 1_000, &mut out).expect_err("beyond");
    assert_eq!((short.offset, short.os_errno), (1_536, 0));
    storage.set_len(&file, 600).expect("cut");
    storage.sync_all(&file).expect("synced");
    storage
        .rename(FileName::WalTemporary, FileName::Wal)
        .expect("renamed");
    storage.sync_directory().expect("synced");
    storage.sync_parent().expect("synced");
    let mut names = Vec::new();
    storage
        .list(|name| names.push(name.to_vec()))
        .expect("listed");
    assert_eq!(names, [b"wal.adb".to_vec()]);
    storage.remove(FileName::Wal).expect("removed");
    let gone = storage
        .open(FileName::Wal, FileMode::Read)
        .expect_err("gone");
    assert_eq!((gone.file, gone.os_errno), (FileName::Wal, libc::ENOENT));
}

#[test]
fn a_listing_shows_every_name_of_a_large_directory() {
    let directory = tempfile::tempdir().expect("a directory");
    for number in 0..1_000 {
        let name = format!("a-rather-long-name-to-fill-the-buffer-{number}");
        std::fs::write(directory.path().join(name), b"").expect("made");
    }
    let storage = open(directory.path()).expect("it is there");
    let mut count = 0;
    storage.list(|_| count += 1).expect("listed");
    assert_eq!(count, 1_000);
}

#[test]
fn a_second_lock_is_refused_with_the_owners_process() {
    let directory = tempfile::tempdir().expect("a directory");
    let first = open(directory.path()).expect("it is there");
    let second = open(directory.path()).expect("it is there");
    let lock = first.lock().expect("nobody has it");
    let refused = second.lock().expect_err("the first has it");
    assert_eq!(refused, LockError::Locked { pid: 0 }, "not yet written");
    let record = LockRecord {
        pid: std::process::id(),
        database_id: 0,
    };
    first.write_at(&lock, 0, &record.encode()).expect("written");
    let refused = second.lock().expect_err("the first has it");
    assert_eq!(
        refused,
        LockError::Locked {
            pid: std::process::id()
        }
    );
    drop(lock);
    assert!(second.lock().is_ok());
}

#[test]
fn directories_that_cannot_be_used_say_why() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("file");
    std::fs::write(&file, b"").expect("made");
    let missing = directory.path().join("missing");
    let too_long = directory.path().join("x".repeat(5_000));
    for (path, expected) in [
        (missing.clone(), status::E_DIRECTORY_NOT_FOUND),
        (missing.join("below"), status::E_DIRECTORY_NOT_FOUND),
        (file.clone(), status::E_NOT_A_DATABASE),
        (file.join("below"), status::E_NOT_A_DATABASE),
        (too_long, status::E_INVALID),
        (std::path::PathBuf::new(), status::E_INVALID),
    ] {
        let error = open(&path).expect_err("not usable");
        assert_eq!(error.status(), expected, "{}", path.display());
    }
    let create = DirectoryOptions {
        create: true,
        ..DirectoryOptions::default()
    };
    let error = FileStorage::open(&missing.join("below"), create).expect_err("no parent");
    assert_eq!(error.status(), status::E_DIRECTORY_NOT_FOUND);
    assert!(FileStorage::open(&missing, create).is_ok(), "made");
    assert!(FileStorage::open(&missing, create).is_ok(), "there already");
}

#[test]
fn network_file_systems_are_told_apart() {
    for network in [0x6969, 0xFF53_4D42, 0xFE53_4D42, 0x0102_1997] {
        assert!(is_network_file_system(network));
    }
    for local in [0xEF53, 0x0102_1994, 0x5846_5342, 0x9123_683E, 0x6573_5546] {
        assert!(!is_network_file_system(local));
    }
}

/// In a child of its own, since a limit holds for a whole process.
fn limited(resource: libc::__rlimit_resource_t, bound: u64, in_child: impl FnOnce() -> bool) {
    let _alone = FORKS.lock().expect("no test panics while forking");
    let answer = in_forked_child(|| {
        let limit = libc::rlimit {
            rlim_cur: bound,
            rlim_max: bound,
        };
        // SAFETY: the limit is a valid one, and only this child's.
        unsafe { libc::setrlimit(resource, &raw const limit) };
        i32::from(in_child())
    });
    assert_eq!(answer, 1);
}

#[test]
fn a_limit_on_file_sizes_is_an_error_and_no_signal() {
    let directory = tempfile::tempdir().expect("a directory");
    let storage = open(directory.path()).expect("it is there");
    let file = storage.open(FileName::WalTemporary, FileMode::Create);
    let file = file.expect("made");
    limited(libc::RLIMIT_FSIZE, 8_192, || {
        let refused = storage.write_at(&file, 8_000, &[7; 512]);
        let within = storage.write_at(&file, 7_680, &[7; 512]);
        within.is_ok() && refused.is_err_and(|error| error.is_full() && error.offset == 8_000)
    });
}

#[test]
fn too_many_open_files_are_reported_as_such() {
    let directory = tempfile::tempdir().expect("a directory");
    let storage = open(directory.path()).expect("it is there");
    limited(libc::RLIMIT_NOFILE, 0, || {
        let opened = open(directory.path()).map(|_| ());
        let file = storage.open(FileName::WalTemporary, FileMode::Create);
        let locked = storage.lock();
        opened.is_err_and(|error| error.os_errno() == libc::EMFILE)
            && file.is_err_and(|error| error.os_errno == libc::EMFILE)
            && locked.is_err_and(
                |error| matches!(error, LockError::Io(error) if error.os_errno == libc::EMFILE),
            )
    });
}
