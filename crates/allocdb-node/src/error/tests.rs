//! The numbers are fixed, every error has one of them, and its text names what a caller must know.

use allocdb_core::{Lsn, Rejection, Slot};

use super::*;
use crate::halt::HaltReason;
use crate::status::{Category, category};

const ERROR: IoError = IoError {
    operation: "write",
    file: FileName::Wal,
    offset: 4608,
    os_errno: libc::EIO,
};
const REASON: HaltReason = HaltReason::Storage(ERROR);

fn submit_errors() -> Vec<(SubmitError, u16, &'static str)> {
    let rejection = Rejection::TtlOutOfRange {
        ttl_slots: 9,
        bound: 8,
    };
    let (slot, bound) = (Slot(12), Slot(10));
    let too_large = SubmitError::CommandTooLarge {
        field: "max_batch_commands",
        value: 5,
        bound: 4,
    };
    vec![
        (
            SubmitError::Refused {
                index: 3,
                rejection,
            },
            104,
            "command 3: ttl_slots is 9",
        ),
        (too_large, 101, "5, max_batch_commands is 4"),
        (
            SubmitError::SlotOverflow { slot, bound },
            105,
            "slot is 12, must be at most 10",
        ),
        (
            SubmitError::SlotLeap { slot, bound },
            106,
            "slot is 12, max_slot_leap allows at most 10",
        ),
        (
            SubmitError::Overloaded { capacity: 7 },
            111,
            "max_queue is 7",
        ),
        (SubmitError::StorageFull { error: ERROR }, 113, "wal.adb"),
        (SubmitError::LsnExhausted, 112, "last log position"),
        (SubmitError::Closed, 5, "closed"),
        (SubmitError::ReadOnly, 114, "reading only"),
        (
            SubmitError::StorageFailure { error: ERROR },
            300,
            "nobody knows",
        ),
        (
            SubmitError::Halted { reason: REASON },
            301,
            "halted: write of wal.adb",
        ),
        (SubmitError::Panicked, 302, "internal error"),
    ]
}

#[test]
fn every_submit_error_has_its_status_and_tells_its_story() {
    for (error, status, text) in submit_errors() {
        assert_eq!(error.status(), status);
        assert!(error.to_string().contains(text), "{error}");
        assert_eq!(error.is_indefinite(), (300..400).contains(&status));
        assert_ne!(error.is_definite(), error.is_indefinite());
    }
}

#[test]
fn every_checkpoint_error_has_its_status() {
    let full = IoError {
        os_errno: libc::ENOSPC,
        ..ERROR
    };
    let cases = [
        (CheckpointError::Temporary { error: ERROR }, 200, false),
        (CheckpointError::Temporary { error: full }, 113, false),
        (CheckpointError::Fatal { error: ERROR }, 300, true),
        (CheckpointError::Overloaded { capacity: 7 }, 111, false),
        (CheckpointError::Halted { reason: REASON }, 301, false),
        (CheckpointError::Closed, 5, false),
        (CheckpointError::ReadOnly, 114, false),
        (CheckpointError::Panicked, 302, true),
    ];
    for (error, status, is_fatal) in cases {
        assert_eq!((error.status(), error.is_fatal()), (status, is_fatal));
        assert!(!error.to_string().is_empty());
    }
}

#[test]
fn every_read_error_has_its_status() {
    let (required, applied) = (Lsn(9), Lsn(8));
    let cases = [
        (ReadError::NotFound, 400),
        (ReadError::Retired, 401),
        (ReadError::FenceNotApplied { required, applied }, 402),
        (ReadError::Halted { reason: REASON }, 301),
        (ReadError::Closed, 5),
    ];
    for (error, status) in cases {
        assert_eq!(error.status(), status);
        assert!(!error.to_string().is_empty());
    }
}

#[test]
fn every_refresh_error_has_its_status_and_the_numbers_of_its_cause() {
    let unsettled = OpenError::Unsettled { attempts: 8 };
    let cases = [
        (RefreshError::Failed(unsettled), 200, libc::EAGAIN, 8),
        (
            RefreshError::Failed(OpenError::Io(ERROR)),
            200,
            ERROR.os_errno,
            0,
        ),
        (
            RefreshError::Failed(OpenError::NoMemory { bytes: 5 }),
            207,
            0,
            5,
        ),
        (
            RefreshError::Halted { reason: REASON },
            301,
            ERROR.os_errno,
            0,
        ),
        (RefreshError::Closed, 5, 0, 0),
    ];
    for (error, status, os_errno, detail) in cases {
        assert_eq!(
            (error.status(), error.os_errno()),
            (status, os_errno),
            "{error}"
        );
        assert_eq!(error.detail()[0], detail, "{error}");
        assert!(!error.to_string().is_empty());
    }
}

#[test]
fn statuses_never_change() {
    let numbers: Vec<u16> = crate::status::ALL.iter().map(|row| row.0).collect();
    let bands = [0..=7, 100..=114, 200..=209, 300..=302, 400..=402];
    assert_eq!(numbers, bands.into_iter().flatten().collect::<Vec<_>>());
    let named = [
        (crate::status::E_REENTRANT, 7, "E_REENTRANT"),
        (
            crate::status::E_OPERATION_CONFLICT,
            109,
            "E_OPERATION_CONFLICT",
        ),
        (crate::status::E_READ_ONLY, 114, "E_READ_ONLY"),
        (crate::status::E_EXISTS, 209, "E_EXISTS"),
        (crate::status::E_PANIC, 302, "E_PANIC"),
        (crate::status::FENCE_NOT_APPLIED, 402, "FENCE_NOT_APPLIED"),
    ];
    for (status, number, name) in named {
        assert_eq!((status, crate::status::name(status)), (number, name));
    }
    for status in 0..=u16::MAX {
        assert!(!crate::status::name(status).is_empty());
        assert!(!crate::status::message(status).is_empty());
    }
    assert_eq!(category(0), Category::Ok);
    assert_eq!(category(150), Category::Definite);
    assert_eq!(category(399), Category::Indefinite);
    assert_eq!(category(500), Category::Unknown);
}

#[test]
fn sync_times_fall_into_buckets_that_double() {
    use crate::health::{SYNC_BUCKETS, sync_bucket};
    let cases = [
        (0, 0),
        (999, 0),
        (1_000, 1),
        (1_999, 1),
        (2_000, 2),
        (4_000, 3),
    ];
    for (sync_ns, bucket) in cases {
        assert_eq!(sync_bucket(sync_ns), bucket);
    }
    assert_eq!(sync_bucket(u64::MAX), SYNC_BUCKETS - 1);
}
