//! One file of the disk: what reads see, what survives, and what is on its way between them.
//!
//! Both contents are shared until one of them changes, so an image of a disk costs a reference for
//! each file that a power cut left alone.

use core::ops::Range;
use std::sync::Arc;

use super::sectors::Sectors;

pub(super) const SECTOR: usize = 512;

/// Versions of unsynced sectors that are remembered beside the newest, in one file.
const OLDER_MAX: usize = 16;

#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    pub(super) cache: Arc<Vec<u8>>,
    pub(super) durable: Arc<Vec<u8>>,
    /// Sectors that a sync would write.
    pub(super) dirty: Sectors,
    /// Sectors that a failed sync has left clean: nobody knows whether they are on the disk.
    pub(super) doubtful: Sectors,
    /// What unsynced sectors held before they were written once more: the kernel may have written
    /// that to the disk on its own.
    pub(super) older: Vec<(usize, Box<[u8; SECTOR]>)>,
    /// Descriptors on it.
    pub(super) opened: u32,
}

impl Content {
    /// A file that is on the disk as it is.
    pub(super) fn settled(bytes: Arc<Vec<u8>>) -> Self {
        Self {
            cache: Arc::clone(&bytes),
            durable: bytes,
            ..Self::default()
        }
    }

    pub(super) fn write(&mut self, start: usize, bytes: &[u8], is_tracked: bool) {
        let end = start + bytes.len();
        let len = self.cache.len();
        let sectors = start / SECTOR..end.div_ceil(SECTOR);
        if is_tracked {
            // What lies between the old end and a write beyond it reads as zeros, and is written.
            let gap = len / SECTOR..start.div_ceil(SECTOR);
            self.remember(&sectors, start, bytes);
            self.mark(sectors);
            if start > len {
                self.mark(gap);
            }
        }
        let cache = Arc::make_mut(&mut self.cache);
        if end > cache.len() {
            cache.resize(end, 0);
        }
        cache[start..end].copy_from_slice(bytes);
    }

    fn mark(&mut self, sectors: Range<usize>) {
        self.doubtful.remove(&sectors);
        self.dirty.insert(sectors);
    }

    /// Keeps what unsynced sectors hold that are about to change.
    fn remember(&mut self, sectors: &Range<usize>, start: usize, bytes: &[u8]) {
        if self.dirty.is_empty() {
            return;
        }
        let len = self.cache.len();
        for sector in sectors
            .clone()
            .filter(|&sector| self.dirty.contains(sector))
        {
            let range = range_of(sector, len);
            let (from, to) = (range.start.max(start), range.end.min(start + bytes.len()));
            if from >= to || self.cache[from..to] == bytes[from - start..to - start] {
                continue;
            }
            let mut held = Box::new([0; SECTOR]);
            held[..range.len()].copy_from_slice(&self.cache[range]);
            if self.older.len() == OLDER_MAX {
                self.older.remove(0);
            }
            self.older.push((sector, held));
        }
    }

    pub(super) fn set_len(&mut self, len: usize) {
        let before = self.cache.len();
        Arc::make_mut(&mut self.cache).resize(len, 0);
        if len < before {
            let gone = len.div_ceil(SECTOR)..before.div_ceil(SECTOR);
            self.dirty.remove(&gone);
            self.doubtful.remove(&gone);
            self.older.retain(|(sector, _)| !gone.contains(sector));
            if !len.is_multiple_of(SECTOR) {
                self.mark(len / SECTOR..len.div_ceil(SECTOR));
            }
        } else if len > before && before < self.durable.len() {
            // What was cut off and is there again as zeros has yet to reach the disk as such.
            self.mark(before / SECTOR..len.div_ceil(SECTOR));
        }
    }

    pub(super) fn sync(&mut self) {
        if self.dirty.is_empty() && self.durable.len() == self.cache.len() {
            return;
        }
        let durable = Arc::make_mut(&mut self.durable);
        durable.resize(self.cache.len(), 0);
        for sectors in self.dirty.ranges() {
            let start = (sectors.start * SECTOR).min(durable.len());
            let end = (sectors.end * SECTOR).min(durable.len());
            durable[start..end].copy_from_slice(&self.cache[start..end]);
        }
        self.dirty.clear();
        self.older.clear();
    }

    /// A sync that failed: no later one writes these sectors, reads go on to show them.
    pub(super) fn fail_sync(&mut self) {
        let dirty = core::mem::take(&mut self.dirty);
        for sectors in dirty.ranges() {
            self.doubtful.insert(sectors.clone());
        }
        self.older.clear();
    }

    /// Reads clean sectors from the disk again, which has not got what a sync failed to write.
    pub(super) fn evict(&mut self) {
        let len = self.cache.len().min(self.durable.len());
        let cache = Arc::make_mut(&mut self.cache);
        for sector in self.doubtful.iter() {
            let range = range_of(sector, len);
            cache[range.clone()].copy_from_slice(&self.durable[range]);
        }
        self.doubtful.clear();
    }

    /// The bytes of one sector as reads see it.
    pub(super) fn cached(&self, sector: usize) -> &[u8] {
        &self.cache[range_of(sector, self.cache.len())]
    }

    /// Whether the disk shows something else than reads do, in a file of `len` bytes.
    pub(super) fn differs(&self, sector: usize) -> bool {
        let cached = self.cached(sector);
        let held = &self.durable[range_of(sector, self.durable.len())];
        let common = cached.len().min(held.len());
        // Beyond its end a file reads as zeros once it has grown.
        cached[..common] != held[..common]
            || cached[common..].iter().any(|&byte| byte != 0)
            || held[common..].iter().any(|&byte| byte != 0)
    }
}

/// The bytes of a sector in a file of `len` bytes.
pub(super) fn range_of(sector: usize, len: usize) -> Range<usize> {
    let start = (sector * SECTOR).min(len);
    start..(start + SECTOR).min(len)
}
