//! Forks with a lock held: the child lets go, the parent keeps.

use core::ffi::c_int;

use super::{LockDescriptor, generation};

/// Serializes the tests that fork: each child is single-threaded, but a child made by one test
/// would otherwise hold copies of another test's files while it lives.
pub(crate) static FORKS: std::sync::Mutex<()> = std::sync::Mutex::new(());

fn open_and_lock(path: &std::ffi::CStr) -> Result<LockDescriptor, i32> {
    let flags = libc::O_RDWR | libc::O_CREAT | libc::O_CLOEXEC;
    // SAFETY: the path is a C string that lives through the call.
    let lock = LockDescriptor::open(
        || match unsafe { libc::open(path.as_ptr(), flags, 0o600) } {
            -1 => Err(libc::EIO),
            descriptor => Ok(descriptor),
        },
    )?;
    // SAFETY: the descriptor is open.
    let locked = unsafe { libc::flock(lock.raw(), libc::LOCK_EX | libc::LOCK_NB) };
    if locked == 0 {
        Ok(lock)
    } else {
        Err(libc::EWOULDBLOCK)
    }
}

/// Takes every free number below `number`, so that the next file to be opened gets that one: at the
/// fork, threads of other tests may have left gaps.
fn fill_below(number: c_int) {
    // SAFETY: copying the standard error's number, and closing the copy, harms nobody.
    unsafe {
        loop {
            let copy = libc::dup(libc::STDERR_FILENO);
            if copy < 0 || copy >= number {
                libc::close(copy);
                return;
            }
        }
    }
}

/// Runs `in_child`, which must not allocate or panic, and returns what it answered.
pub(crate) fn in_forked_child(in_child: impl FnOnce() -> c_int) -> c_int {
    // SAFETY: the child calls `in_child`, which keeps to atomics and system calls, and `_exit`.
    unsafe {
        let child = libc::fork();
        if child == 0 {
            libc::_exit(in_child());
        }
        let mut status = 0;
        assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
        assert!(libc::WIFEXITED(status));
        libc::WEXITSTATUS(status)
    }
}

#[test]
fn a_child_closes_its_copy_and_the_parent_keeps_the_lock() {
    let _alone = FORKS.lock().expect("no test panics while forking");
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("LOCK");
    let path = std::ffi::CString::new(path.to_str().expect("text")).expect("no zero");
    let lock = open_and_lock(&path).expect("nobody has it");
    let before = generation();
    let descriptor = lock.raw();
    let answer = in_forked_child(|| {
        // SAFETY: asking about a descriptor harms nobody, open or not.
        let is_open = unsafe { libc::fcntl(descriptor, libc::F_GETFD) } >= 0;
        c_int::from(is_open) | (c_int::from(generation() == before + 1) << 1)
    });
    assert_eq!(answer, 2, "closed in the child, and the generation moved");
    assert_eq!(generation(), before);
    assert!(open_and_lock(&path).is_err(), "the parent still has it");
    drop(lock);
    assert!(open_and_lock(&path).is_ok());
}

#[test]
fn a_handle_dropped_in_a_child_leaves_the_parents_lock_alone() {
    let _alone = FORKS.lock().expect("no test panics while forking");
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("LOCK");
    let path = std::ffi::CString::new(path.to_str().expect("text")).expect("no zero");
    let mut lock = Some(open_and_lock(&path).expect("nobody has it"));
    let number = lock.as_ref().map_or(-1, LockDescriptor::raw);
    let answer = in_forked_child(|| {
        // SAFETY: the path is a C string; the handler has just closed the number that is given to
        // another file here.
        let other = unsafe { libc::dup2(libc::open(path.as_ptr(), libc::O_RDONLY), number) };
        drop(lock.take());
        // SAFETY: asking about a descriptor harms nobody, open or not.
        let is_open = unsafe { libc::fcntl(other, libc::F_GETFD) } >= 0;
        c_int::from(other == number) | (c_int::from(is_open) << 1)
    });
    assert_eq!(
        answer, 3,
        "the child's own file of the same number stays open"
    );
    assert!(open_and_lock(&path).is_err(), "the parent still has it");
    drop(lock);
}

/// A child's own lock may get both the place and the number of the inherited one, whose handle then
/// took it for its own when it was dropped, and closed it.
#[test]
fn a_handle_dropped_in_a_child_leaves_the_childs_own_lock_alone() {
    let _alone = FORKS.lock().expect("no test panics while forking");
    let directory = tempfile::tempdir().expect("a directory");
    let [inherited, own] = ["LOCK", "OWN"].map(|name| {
        let path = directory.path().join(name);
        std::ffi::CString::new(path.to_str().expect("text")).expect("no zero")
    });
    let mut lock = Some(open_and_lock(&inherited).expect("nobody has it"));
    let number = lock.as_ref().map_or(-1, LockDescriptor::raw);
    let answer = in_forked_child(|| {
        fill_below(number);
        let Ok(mine) = open_and_lock(&own) else {
            return 0;
        };
        let is_same = mine.raw() == number;
        drop(lock.take());
        c_int::from(is_same) | (c_int::from(open_and_lock(&own).is_err()) << 1)
    });
    assert_eq!(answer, 3, "the number is used again, and the lock is held");
    drop(lock);
}
