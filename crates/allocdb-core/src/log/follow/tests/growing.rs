//! Files that a writer goes on with while a reader looks.

use super::*;

/// A log in which a writer completes a frame between one look and the next.
pub(super) struct Growing<'a> {
    pub(super) files: [&'a [u8]; 2],
    /// With so many reads the second is there.
    pub(super) left: usize,
}

impl ByteSource for Growing<'_> {
    type Error = core::convert::Infallible;

    fn len(&mut self) -> Result<u64, Self::Error> {
        Ok(self.files[usize::from(self.left == 0)].len() as u64)
    }

    fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<(), Self::Error> {
        // A length that was asked for before may be of the first file, and what is read of the
        // second.
        self.left = self.left.saturating_sub(1);
        let file = &mut self.files[usize::from(self.left == 0)];
        file.read_at(offset, out)
    }
}

#[test]
fn a_writer_that_goes_on_during_the_survey_is_no_damage() {
    let mut buffer = scan_buffer();
    let log = long_log(Ending::Synced);
    let count = log.frames.len();
    let [before, after] = [file_of(&log, count - 2), file_of(&log, count)];
    // Grown meanwhile, too.
    let mut longer = after.clone();
    longer.resize(longer.len() + 8 * SECTOR_BYTES, 0);
    for after in [&after, &longer] {
        for left in 1..60 {
            let mut source = Growing {
                files: [&before, after],
                left,
            };
            let known = Lsn(log.frames[count - 2].lsn_before);
            let mut follow = Follow::new(&mut source, &log.header, known, &mut buffer);
            let stop = follow.measure(&Walk::new(&log.header)).expect("sound");
            follow.survey(&stop).expect("no damage");
        }
    }
}

/// A frame that lies across the old end of a file that was grown for it: a length that is older
/// than the frame makes it look cut.
#[test]
fn a_file_that_grows_during_the_survey_is_no_cut_one() {
    let mut buffer = scan_buffer();
    let mut log = LogWriter::new(true);
    for sectors in [1, 1, 3, 4, 1] {
        log.commands(sectors);
    }
    let whole = file_of(&log, log.frames.len());
    for count in [2, 3] {
        // One free sector behind the frames, and the next one wants more.
        let next = log.frames[count];
        let before = &whole[..next.start];
        let mut before = before.to_vec();
        before.resize(next.start + SECTOR_BYTES, 0);
        // The next frame and those behind it, or its first sector alone so far.
        let mut begun = file_of(&log, count + 1);
        begun[next.start + SECTOR_BYTES..].fill(0);
        let later = (count + 1..=log.frames.len()).map(|count| file_of(&log, count));
        for after in later.chain([begun]) {
            for left in 1..60 {
                let mut source = Growing {
                    files: [&before, &after],
                    left,
                };
                let known = Lsn(next.lsn_before);
                let mut follow = Follow::new(&mut source, &log.header, known, &mut buffer);
                let stop = follow.measure(&Walk::new(&log.header)).expect("sound");
                follow.survey(&stop).expect("no damage");
            }
        }
    }
}
