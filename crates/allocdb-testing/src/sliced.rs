//! A snapshot that is written in slices beside the whole one of the moment at which it began.

use allocdb_core::State;
use allocdb_core::snapshot::{Overrides, PIECE_BYTES_MIN, Slices};

use crate::pair::write_image;

/// A snapshot under way, and what it has to be.
#[derive(Debug)]
pub struct Sliced {
    slices: Option<Slices>,
    expected: Vec<u8>,
    found: Vec<u8>,
}

impl Sliced {
    /// Begins one of `state` as it is.
    #[must_use]
    pub fn begin(state: &mut State) -> Self {
        let mut expected = Vec::new();
        write_image(state, &Overrides::none(state), &mut expected);
        let found = vec![0; expected.len()];
        Self {
            slices: Some(Slices::begin(state)),
            expected,
            found,
        }
    }

    /// Writes the smallest piece. Whether it is whole, and then right; one that was lost counts as
    /// whole, since that is allowed to happen.
    pub fn step(&mut self, state: &mut State) -> Result<bool, String> {
        let mut slices = self.slices.take().expect("nobody goes on behind the end");
        if state.has_lost_before_images() {
            slices.end(state);
            return Ok(true);
        }
        let mut piece = [0; PIECE_BYTES_MIN];
        let Some(put) = slices.next_piece(state, &mut piece) else {
            let info = slices.info();
            slices.end(state);
            return if self.found != self.expected {
                Err("a snapshot in slices is not of the moment at which it began".into())
            } else if info.bytes != self.expected.len() as u64 {
                Err("a snapshot in slices does not tell its length".into())
            } else {
                Ok(true)
            };
        };
        let begin = usize::try_from(put.offset).map_err(|error| error.to_string())?;
        let place = self.found.get_mut(begin..begin + put.len);
        let place = place.ok_or("a piece lies behind the end")?;
        place.copy_from_slice(&piece[..put.len]);
        slices.release(state);
        self.slices = Some(slices);
        Ok(false)
    }
}
