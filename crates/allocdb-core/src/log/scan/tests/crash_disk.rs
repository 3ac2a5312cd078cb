//! A disk with a page cache, and every state that a power cut or a failed sync may leave.
//!
//! It does what the media are assumed to do and no more: a sector is written whole or not at all;
//! of the sectors written since the last sync, any may have reached the disk; a file that was being
//! grown may have any length up to the new one, with zeros; after a sync that failed, each unsynced
//! sector is on the disk, or gone but still shown by the cache, or gone and shown as it was.

use std::collections::BTreeSet;

const SECTOR: usize = 512;

/// A file as the disk holds it, as the cache shows it, and what is on its way.
#[derive(Clone)]
pub(super) struct Disk {
    durable: Vec<u8>,
    cache: Vec<u8>,
    /// Sectors written since the last sync whose content on the disk differs.
    dirty: BTreeSet<usize>,
}

impl Disk {
    /// All of `bytes` durable.
    pub(super) fn settled(bytes: Vec<u8>) -> Self {
        assert!(bytes.len().is_multiple_of(SECTOR), "whole sectors");
        Self {
            durable: bytes.clone(),
            cache: bytes,
            dirty: BTreeSet::new(),
        }
    }

    /// What a reader sees while the machine runs.
    pub(super) fn view(&self) -> &[u8] {
        &self.cache
    }

    /// A hash over all of it but the file header.
    pub(super) fn hash(&self, seed: u32) -> (u32, u32) {
        let mut dirty = 0u32;
        for &sector in &self.dirty {
            dirty = crc32c::crc32c_append(dirty, &sector.to_le_bytes());
        }
        let cache = crc32c::crc32c_append(seed, &self.cache[4096..]);
        (cache, crc32c::crc32c_append(dirty, &self.durable[4096..]))
    }

    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        assert!(offset.is_multiple_of(SECTOR), "whole sectors");
        assert!(bytes.len().is_multiple_of(SECTOR), "whole sectors");
        let end = offset + bytes.len();
        if end > self.cache.len() {
            self.cache.resize(end, 0);
        }
        for (index, content) in bytes.chunks(SECTOR).enumerate() {
            let sector = offset / SECTOR + index;
            let range = sector * SECTOR..(sector + 1) * SECTOR;
            let is_on_its_way = self.dirty.contains(&sector);
            assert!(
                !is_on_its_way || self.cache[range.clone()] == *content,
                "a model with one version of a sector on its way"
            );
            self.cache[range.clone()].copy_from_slice(content);
            if self.durable.get(range) != Some(content) {
                self.dirty.insert(sector);
            }
        }
    }

    /// Takes what is on its way to the disk; a page that a failed sync left clean stays behind.
    pub(super) fn sync(&mut self) {
        let mut durable = core::mem::take(&mut self.durable);
        durable.resize(self.cache.len(), 0);
        for &sector in &self.dirty {
            self.copy_sector(sector, &mut durable);
        }
        self.durable = durable;
        self.dirty.clear();
    }

    /// Calls `each` with every content that the disk may have after a power cut now.
    pub(super) fn power_cuts(
        &self,
        mut each: impl FnMut(&[u8]) -> Result<(), String>,
    ) -> Result<(), String> {
        let dirty: Vec<usize> = self.dirty.iter().copied().collect();
        assert!(dirty.len() <= 16, "a model small enough to be exhausted");
        for reached in 0u32..1 << dirty.len() {
            let mut image = self.durable.clone();
            for (bit, &sector) in dirty.iter().enumerate() {
                if reached >> bit & 1 == 1 {
                    self.copy_sector(sector, &mut image);
                }
            }
            each(&image)?;
        }
        Ok(())
    }

    /// Calls `each` with every state that a failed sync may leave.
    pub(super) fn failed_syncs(
        &self,
        mut each: impl FnMut(Self) -> Result<(), String>,
    ) -> Result<(), String> {
        let dirty: Vec<usize> = self.dirty.iter().copied().collect();
        assert!(dirty.len() <= 8, "a model small enough to be exhausted");
        for fates in 0..3usize.pow(u32::try_from(dirty.len()).expect("few")) {
            let mut left = self.clone();
            left.dirty.clear();
            left.durable.resize(left.cache.len(), 0);
            let mut fate = fates;
            for &sector in &dirty {
                let range = sector * SECTOR..(sector + 1) * SECTOR;
                match fate % 3 {
                    0 => self.copy_sector(sector, &mut left.durable),
                    1 => {}
                    _ => {
                        let old = left.durable[range.clone()].to_vec();
                        left.cache[range].copy_from_slice(&old);
                    }
                }
                fate /= 3;
            }
            each(left)?;
        }
        Ok(())
    }

    /// Calls `each` with every choice of sectors that the cache may drop, where it shows what a
    /// failed sync never brought to the disk.
    pub(super) fn evictions(
        &self,
        mut each: impl FnMut(Self) -> Result<(), String>,
    ) -> Result<(), String> {
        let is_stale = |sector: &usize| {
            let range = sector * SECTOR..(sector + 1) * SECTOR;
            !self.dirty.contains(sector)
                && self.durable.get(range.clone()) != Some(&self.cache[range])
        };
        let stale: Vec<usize> = (0..self.cache.len() / SECTOR).filter(is_stale).collect();
        for dropped in 0u32..1 << stale.len() {
            let mut left = self.clone();
            for (bit, &sector) in stale.iter().enumerate() {
                if dropped >> bit & 1 == 1 {
                    let range = sector * SECTOR..(sector + 1) * SECTOR;
                    left.cache[range.clone()].copy_from_slice(&self.durable[range]);
                }
            }
            each(left)?;
        }
        Ok(())
    }

    fn copy_sector(&self, sector: usize, image: &mut Vec<u8>) {
        let range = sector * SECTOR..(sector + 1) * SECTOR;
        if image.len() < range.end {
            image.resize(range.end, 0);
        }
        image[range.clone()].copy_from_slice(&self.cache[range]);
    }
}
