//! Files of which one read fails, each in turn: readers say so, and take nothing for damage.

use super::*;

/// A log of which one look fails.
struct Failing<'a> {
    file: &'a [u8],
    /// How many looks succeed before.
    left: usize,
}

#[derive(PartialEq, Eq, Debug)]
struct Unreadable;

impl Failing<'_> {
    fn look(&mut self) -> Result<(), Unreadable> {
        self.left = self.left.checked_sub(1).ok_or(Unreadable)?;
        Ok(())
    }
}

impl ByteSource for Failing<'_> {
    type Error = Unreadable;

    fn len(&mut self) -> Result<u64, Unreadable> {
        self.look()?;
        Ok(self.file.len() as u64)
    }

    fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<(), Unreadable> {
        self.look()?;
        let Ok(()) = self.file.read_at(offset, out);
        Ok(())
    }
}

/// Everything that a reader does, and how many looks that took.
fn read_all(
    file: &[u8],
    log: &LogWriter,
    reached: &Walk,
    left: usize,
) -> (Result<Lsn, ScanError<Unreadable>>, usize) {
    let mut buffer = scan_buffer();
    let mut source = Failing { file, left };
    let mut follow = Follow::new(&mut source, &log.header, Lsn(0), &mut buffer);
    let mut read = || {
        assert!(follow.find(reached)?.is_some(), "this very log");
        let mut walk = Walk::new(&log.header);
        let stop = follow.measure(&walk)?;
        follow.survey(&stop)?;
        follow.advance(&mut walk, |_| Ok(()))?;
        Ok(follow.durable_lsn())
    };
    let result = read();
    (result, left - source.left)
}

#[test]
fn every_read_that_fails_is_told_as_that() {
    let log = long_log(Ending::Unsynced);
    let sound = file_of(&log, log.frames.len());
    let mut damaged = sound.clone();
    damaged[log.frames[3].start + 70] ^= 1;
    let (disguised_log, disguised) = disguised();
    let disguised = disguised.iter().map(|(_, file)| (&disguised_log, file));
    for (log, file) in disguised.chain([(&log, &sound), (&log, &damaged)]) {
        // Readers begin anew with a log that was rewritten: they find where they stood.
        let mut reached = Walk::new(&log.header);
        let mut source = file.as_slice();
        let mut buffer = scan_buffer();
        for _ in 0..2 {
            let next = reached.next(&mut source, file.len() as u64, &mut buffer);
            assert!(matches!(next, Ok(Some(_))), "{next:?}");
        }
        let (_, look_count) = read_all(file, log, &reached, usize::MAX);
        for left in 0..look_count {
            let (shown, _) = read_all(file, log, &reached, left);
            let is_told = matches!(shown, Err(ScanError::Source(Unreadable)));
            assert!(is_told, "look {left} of {look_count}: {shown:?}");
        }
    }
}
