//! The two seams through which the core meets bytes that lie elsewhere.
//!
//! The core opens nothing: it reads a log or a snapshot through a [`ByteSource`] and writes a
//! snapshot into a [`ByteSink`]. Both are static dispatch; byte slices implement the first and
//! `Vec<u8>` the second, for tests and for engines that keep images in memory.

use core::convert::Infallible;

/// Bytes that can be read at any position: a file, or a slice.
pub trait ByteSource {
    /// What reading can fail with.
    type Error;

    /// How many bytes there are.
    fn len(&mut self) -> Result<u64, Self::Error>;

    /// Fills `out` from `offset` on. The range lies within [`ByteSource::len`]: callers check.
    fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<(), Self::Error>;

    /// Whether there are none.
    fn is_empty(&mut self) -> Result<bool, Self::Error> {
        self.len().map(|len| len == 0)
    }
}

/// Where bytes are appended.
pub trait ByteSink {
    /// What writing can fail with.
    type Error;

    /// Appends all of `bytes`.
    fn write(&mut self, bytes: &[u8]) -> Result<(), Self::Error>;
}

impl ByteSource for &[u8] {
    type Error = Infallible;

    fn len(&mut self) -> Result<u64, Infallible> {
        Ok((**self).len() as u64)
    }

    fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<(), Infallible> {
        let start = usize::try_from(offset).expect("the range lies within the slice");
        out.copy_from_slice(&self[start..start + out.len()]);
        Ok(())
    }
}

impl ByteSink for Vec<u8> {
    type Error = Infallible;

    fn write(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        self.extend_from_slice(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::ByteSource;

    #[test]
    fn a_source_is_empty_where_it_has_no_bytes() {
        let (mut none, mut one): (&[u8], &[u8]) = (&[], &[0]);
        assert!(ByteSource::is_empty(&mut none).unwrap_or_else(|never| match never {}));
        assert!(!ByteSource::is_empty(&mut one).unwrap_or_else(|never| match never {}));
    }
}
