//! The raw disk: what the least write costs that a database could call durable.
//!
//! Three ways, since which is fastest depends on the file system: appending, which journals the new
//! size with each sync; writing over what is there, then `fdatasync`; and one write past the page
//! cache that returns when the disk has it (`O_DIRECT|O_DSYNC`), of a whole page as that demands.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::job::Failure;

const SECTOR: usize = 512;
const PAGE: usize = 4096;
const FILE_BYTES: usize = 8 << 20;

/// A way to write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Way {
    Append,
    Overwrite,
    Direct,
}

/// All of them.
pub(crate) const WAYS: [Way; 3] = [Way::Append, Way::Overwrite, Way::Direct];

impl Way {
    /// Its name in the tables.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Append => "raw: append 512 B, fdatasync",
            Self::Overwrite => "raw: overwrite 512 B in a preallocated file, fdatasync",
            Self::Direct => "raw: overwrite 4 KiB in a preallocated file, O_DIRECT|O_DSYNC",
        }
    }
}

/// A file that is written in one way.
pub(crate) struct Raw {
    file: File,
    way: Way,
    written: u64,
    page: Box<Page>,
}

#[repr(align(4096))]
struct Page([u8; PAGE]);

impl Raw {
    /// Makes the file.
    pub(crate) fn open(directory: &Path, way: Way) -> Result<Self, Failure> {
        let path = directory.join(format!("{way:?}.raw"));
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)?;
        if way != Way::Append {
            let zeros = vec![0; 1 << 20];
            for _ in 0..FILE_BYTES / zeros.len() {
                file.write_all(&zeros)?;
            }
            file.sync_all()?;
        }
        let mut options = OpenOptions::new();
        if way == Way::Direct {
            options.custom_flags(libc::O_DIRECT | libc::O_DSYNC);
        }
        Ok(Self {
            file: options.write(true).open(&path)?,
            way,
            written: 0,
            page: Box::new(Page([0; PAGE])),
        })
    }

    /// One durable write.
    pub(crate) fn write(&mut self) -> Result<Duration, Failure> {
        let len = if self.way == Way::Direct {
            PAGE
        } else {
            SECTOR
        };
        let places = (FILE_BYTES / len) as u64;
        let place = if self.way == Way::Append {
            self.written
        } else {
            self.written % places
        };
        self.page.0.fill(self.written.to_le_bytes()[0] | 1);
        let begun = Instant::now();
        self.file
            .write_all_at(&self.page.0[..len], place * len as u64)?;
        if self.way != Way::Direct {
            self.file.sync_data()?;
        }
        self.written += 1;
        Ok(begun.elapsed())
    }
}
