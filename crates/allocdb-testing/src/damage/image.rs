//! A database directory as plain bytes: what damage is done to, and what it is compared with.
//!
//! Files are shared until they are changed, so that an image of a directory with one damaged file
//! copies that file alone.

use std::sync::Arc;

use allocdb_core::Lsn;
use allocdb_node::FileName;
use allocdb_node::storage::{Entry, NameText};

use crate::disk::Disk;

/// A name in the directory, and what is in the file.
pub type File = (Vec<u8>, Arc<Vec<u8>>);

/// All files of a directory, by name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Image {
    files: Vec<File>,
}

/// How a file is spelled in the directory.
#[must_use]
pub fn text(name: FileName) -> Vec<u8> {
    NameText::new(name).as_c_str().to_bytes().to_vec()
}

impl Image {
    /// What a process that opens `disk` now would see.
    #[must_use]
    pub fn of(disk: &Disk) -> Self {
        let mut image = Self::default();
        for (name, bytes) in disk.contents() {
            image.put(name, bytes);
        }
        if let Some(bytes) = disk.read(FileName::Lock) {
            image.put(text(FileName::Lock), bytes);
        }
        image
    }

    /// A disk with these files.
    #[must_use]
    pub fn disk(&self) -> Disk {
        let disk = Disk::new();
        for (name, bytes) in &self.files {
            disk.put_named(name, bytes.to_vec());
        }
        disk
    }

    /// The files.
    #[must_use]
    pub fn files(&self) -> &[File] {
        &self.files
    }

    /// The names.
    #[must_use]
    pub fn names(&self) -> Vec<Vec<u8>> {
        self.files.iter().map(|(name, _)| name.clone()).collect()
    }

    /// A file's bytes.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        let (_, bytes) = self.files.iter().find(|(known, _)| known == name)?;
        Some(bytes)
    }

    /// A file's bytes, to be changed. It is there.
    pub fn edit(&mut self, name: &[u8]) -> &mut Vec<u8> {
        let found = self.files.iter_mut().find(|(known, _)| known == name);
        Arc::make_mut(&mut found.expect("the file is there").1)
    }

    /// Puts a file there, in the place of what had its name.
    pub fn put(&mut self, name: Vec<u8>, bytes: Vec<u8>) {
        self.remove(&name);
        self.files.push((name, Arc::new(bytes)));
        self.files.sort();
    }

    /// Makes the file what it is in `other`: also missing, where it is missing there.
    pub fn copy_from(&mut self, other: &Self, name: &[u8]) {
        match other.get(name) {
            Some(bytes) => self.put(name.to_vec(), bytes.to_vec()),
            None => self.remove(name),
        }
    }

    /// Takes a file away.
    pub fn remove(&mut self, name: &[u8]) {
        self.files.retain(|(known, _)| known != name);
    }

    /// The log.
    #[must_use]
    pub fn log(&self) -> Option<&[u8]> {
        self.get(&text(FileName::Wal))
    }

    /// The LSNs in the names of snapshots, newest first.
    #[must_use]
    pub fn snapshots(&self) -> Vec<Lsn> {
        let lsn = |(name, _): &File| match Entry::of(name) {
            Entry::Ours(FileName::Snapshot(lsn)) => Some(lsn),
            _ => None,
        };
        let mut lsns: Vec<_> = self.files.iter().filter_map(lsn).collect();
        lsns.sort_unstable_by(|a, b| b.cmp(a));
        lsns
    }

    /// Bytes of all files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|(_, bytes)| bytes.len() as u64).sum()
    }
}
