//! The locks of std, told to ThreadSanitizer.
//!
//! Stable Rust ships a std that is not instrumented: its locks' slow paths change their words where
//! the sanitizer does not look, so that it misses who waited for whom, and then calls what a lock
//! protects a race. Here every lock and unlock is told by hand: behind the lock, "what was released
//! at this address has happened"; before the unlock, "release it here". That std's own locks work
//! is taken for granted; what is tried is the use that is made of them. A reader releases at an
//! address of its own, which only writers acquire, so that readers order nothing among themselves.
//!
//! Rejected: suppressions. Each would have to name a place, and would hide the races there.

use core::ffi::c_void;
use core::ops::{Deref, DerefMut};
use std::sync::{self, LockResult, TryLockResult};

pub(crate) use std::sync::{PoisonError, TryLockError, atomic};

unsafe extern "C" {
    fn __tsan_acquire(address: *mut c_void);
    fn __tsan_release(address: *mut c_void);
}

/// Two addresses that stand for a lock: what writers release, what readers release.
#[derive(Debug, Default)]
struct Marks([u8; 2]);

impl Marks {
    fn acquire(&self, mark: usize) {
        let address = (&raw const self.0[mark]).cast_mut();
        // SAFETY: the address is only a name to the sanitizer, which neither reads nor writes it.
        unsafe { __tsan_acquire(address.cast()) }
    }

    fn release(&self, mark: usize) {
        let address = (&raw const self.0[mark]).cast_mut();
        // SAFETY: as above.
        unsafe { __tsan_release(address.cast()) }
    }
}

const WRITER: usize = 0;
const READER: usize = 1;

/// Turns std's guard, poisoned or not, into ours.
fn wrap<G, H>(locked: LockResult<G>, guard: impl FnOnce(G) -> H) -> LockResult<H> {
    match locked {
        Ok(inner) => Ok(guard(inner)),
        Err(poisoned) => Err(PoisonError::new(guard(poisoned.into_inner()))),
    }
}

/// As std's.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T> {
    marks: Marks,
    inner: sync::Mutex<T>,
}

/// As std's; `None` while it is waited with.
#[derive(Debug)]
pub(crate) struct MutexGuard<'a, T> {
    marks: &'a Marks,
    inner: Option<sync::MutexGuard<'a, T>>,
}

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self {
            marks: Marks([0; 2]),
            inner: sync::Mutex::new(value),
        }
    }

    fn guard<'a>(&'a self, inner: sync::MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        self.marks.acquire(WRITER);
        MutexGuard {
            marks: &self.marks,
            inner: Some(inner),
        }
    }

    pub(crate) fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        wrap(self.inner.lock(), |inner| self.guard(inner))
    }

    pub(crate) fn try_lock(&self) -> TryLockResult<MutexGuard<'_, T>> {
        match self.inner.try_lock() {
            Ok(inner) => Ok(self.guard(inner)),
            Err(TryLockError::Poisoned(poisoned)) => {
                let guard = self.guard(poisoned.into_inner());
                Err(TryLockError::Poisoned(PoisonError::new(guard)))
            }
            Err(TryLockError::WouldBlock) => Err(TryLockError::WouldBlock),
        }
    }

    pub(crate) fn get_mut(&mut self) -> LockResult<&mut T> {
        self.inner.get_mut()
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        if self.inner.is_some() {
            self.marks.release(WRITER);
        }
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.inner.as_ref().expect("held")
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.inner.as_mut().expect("held")
    }
}

/// As std's.
#[derive(Debug, Default)]
pub(crate) struct Condvar(sync::Condvar);

impl Condvar {
    pub(crate) const fn new() -> Self {
        Self(sync::Condvar::new())
    }

    pub(crate) fn wait<'a, T>(
        &self,
        mut guard: MutexGuard<'a, T>,
    ) -> LockResult<MutexGuard<'a, T>> {
        let marks = guard.marks;
        let inner = guard.inner.take().expect("held");
        marks.release(WRITER);
        let waited = self.0.wait(inner);
        marks.acquire(WRITER);
        wrap(waited, |inner| MutexGuard {
            marks,
            inner: Some(inner),
        })
    }

    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }
}

/// As std's.
#[derive(Debug)]
pub(crate) struct RwLock<T> {
    marks: Marks,
    inner: sync::RwLock<T>,
}

/// As std's.
#[derive(Debug)]
pub(crate) struct RwLockReadGuard<'a, T> {
    marks: &'a Marks,
    inner: sync::RwLockReadGuard<'a, T>,
}

/// As std's.
#[derive(Debug)]
pub(crate) struct RwLockWriteGuard<'a, T> {
    marks: &'a Marks,
    inner: sync::RwLockWriteGuard<'a, T>,
}

impl<T> RwLock<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self {
            marks: Marks([0; 2]),
            inner: sync::RwLock::new(value),
        }
    }

    pub(crate) fn read(&self) -> LockResult<RwLockReadGuard<'_, T>> {
        wrap(self.inner.read(), |inner| {
            self.marks.acquire(WRITER);
            RwLockReadGuard {
                marks: &self.marks,
                inner,
            }
        })
    }

    pub(crate) fn write(&self) -> LockResult<RwLockWriteGuard<'_, T>> {
        wrap(self.inner.write(), |inner| {
            self.marks.acquire(WRITER);
            self.marks.acquire(READER);
            RwLockWriteGuard {
                marks: &self.marks,
                inner,
            }
        })
    }
}

impl<T> Drop for RwLockReadGuard<'_, T> {
    fn drop(&mut self) {
        self.marks.release(READER);
    }
}

impl<T> Drop for RwLockWriteGuard<'_, T> {
    fn drop(&mut self) {
        self.marks.release(WRITER);
    }
}

impl<T> Deref for RwLockReadGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T> DerefMut for RwLockWriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}
