//! Bytes at an address that a direct write takes.
//!
//! `O_DIRECT` wants memory that is aligned to the drive's sectors; a page serves them all. A vector
//! of bytes may begin anywhere, so this one reserves a page more and begins at the first whole one.
//! Rejected: a vector of page-sized blocks, which reads as bytes only through `unsafe`.

use std::collections::TryReserveError;

/// What every system's demand divides.
const ALIGNMENT: usize = 4096;

/// A fixed number of bytes, aligned.
pub(crate) struct AlignedBytes {
    bytes: Box<[u8]>,
    begin: usize,
    len: usize,
}

impl AlignedBytes {
    /// Reserves `len` zeros.
    pub(crate) fn new(len: usize) -> Result<Self, TryReserveError> {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(len + ALIGNMENT)?;
        bytes.resize(len + ALIGNMENT, 0u8);
        let bytes = bytes.into_boxed_slice();
        let begin = (bytes.as_ptr() as usize).wrapping_neg() % ALIGNMENT;
        Ok(Self { bytes, begin, len })
    }

    /// Bytes that [`AlignedBytes::new`] reserves.
    pub(crate) const fn memory_bytes(len: usize) -> usize {
        len + ALIGNMENT
    }

    /// The bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[self.begin..self.begin + self.len]
    }

    /// The bytes, to write.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.begin..self.begin + self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_aligned_zeroed_and_as_many_as_asked_for() {
        for len in [1, 512, 4096, 1 << 20, (1 << 20) + 576] {
            let mut aligned = AlignedBytes::new(len).expect("memory");
            assert_eq!(aligned.bytes().as_ptr() as usize % ALIGNMENT, 0);
            assert_eq!(aligned.bytes().len(), len);
            assert!(aligned.bytes().iter().all(|&byte| byte == 0));
            aligned.bytes_mut()[len - 1] = 7;
            assert_eq!(aligned.bytes()[len - 1], 7);
            assert!(aligned.bytes.len() <= AlignedBytes::memory_bytes(len));
        }
    }
}
