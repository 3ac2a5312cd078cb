//! LMDB: two trees in one environment, resources by number and operations by id.
//!
//! Tuned: the default durability (one sync of the data, one of the meta page: the least that LMDB
//! calls durable), a map that is never too small, no read-ahead. The file is filled with zeros
//! ahead, so that a commit overwrites and its sync need not journal a new size: the way AllocDB
//! writes its log ahead. An operation is put with `MDB_NOOVERWRITE`, which looks for the old
//! outcome and records the new one in one descent, and with `MDB_APPEND` where ids are monotonic.
//! `MDB_WRITEMAP`, which changes pages in place and leaves writing them to the kernel, is run
//! beside it, since which is faster depends on the size of a commit.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use heed::types::Bytes;
use heed::{Database, Env, EnvFlags, EnvOpenOptions, MdbError, PutFlags};

use crate::job::{Census, Command, Failure, Outcome, Peer, Row, Session};

const MAP_BYTES: usize = 8 << 30;
/// The pages of the processors that AllocDB runs on; LMDB's are the system's.
const PAGE_BYTES: u64 = 4096;

/// What differs between the runs.
#[derive(Clone, Copy)]
pub(crate) struct Settings {
    /// Operation ids increase.
    pub(crate) monotonic: bool,
    /// Pages are changed where they are mapped.
    pub(crate) write_map: bool,
    /// How much of the file is written before the run.
    pub(crate) ahead_bytes: usize,
}

/// An environment.
pub(crate) struct Lmdb {
    env: Env,
    resources: Database<Bytes, Bytes>,
    operations: Database<Bytes, Bytes>,
    put_flags: PutFlags,
}

impl Lmdb {
    /// All resources, available.
    pub(crate) fn open(
        directory: &Path,
        resources: u32,
        settings: Settings,
    ) -> Result<Self, Failure> {
        fs::create_dir(directory)?;
        let mut flags = EnvFlags::NO_READ_AHEAD;
        flags.set(EnvFlags::WRITE_MAP, settings.write_map);
        let mut options = EnvOpenOptions::new();
        options.map_size(MAP_BYTES).max_dbs(2);
        // SAFETY: nobody else has the directory, which was made here; no flag weakens a sync.
        let env = unsafe { options.flags(flags).open(directory)? };
        let mut txn = env.write_txn()?;
        let rows: Database<Bytes, Bytes> = env.create_database(&mut txn, Some("resources"))?;
        let operations = env.create_database(&mut txn, Some("operations"))?;
        for resource in 1..=resources {
            let row = Row::default().encode();
            rows.put_with_flags(&mut txn, PutFlags::APPEND, &resource.to_be_bytes(), &row)?;
        }
        txn.commit()?;
        let begin = (env.info().last_page_number as u64 + 1) * PAGE_BYTES;
        fill_ahead(&directory.join("data.mdb"), begin, settings.ahead_bytes)?;
        Ok(Self {
            env,
            resources: rows,
            operations,
            put_flags: if settings.monotonic {
                PutFlags::NO_OVERWRITE | PutFlags::APPEND
            } else {
                PutFlags::NO_OVERWRITE
            },
        })
    }
}

/// Zeros behind the pages in use, on the disk: LMDB goes by its own count of pages.
fn fill_ahead(path: &Path, begin: u64, bytes: usize) -> Result<(), Failure> {
    let file = OpenOptions::new().write(true).open(path)?;
    let zeros = vec![0; 1 << 20];
    for part in 0..bytes / zeros.len() {
        file.write_all_at(&zeros, begin + (part * zeros.len()) as u64)?;
    }
    Ok(file.sync_all()?)
}

impl Peer for Lmdb {
    fn session(&self) -> Result<Box<dyn Session + '_>, Failure> {
        Ok(Box::new(self))
    }
}

impl Session for &Lmdb {
    fn perform(
        &mut self,
        commands: &[Command],
        outcomes: &mut Vec<Outcome>,
    ) -> Result<(), Failure> {
        let mut txn = self.env.write_txn()?;
        for command in commands {
            let (key, id) = (
                command.resource.to_be_bytes(),
                command.operation.to_be_bytes(),
            );
            let row = self.resources.get(&txn, &key)?;
            let mut row = Row::decode(row.ok_or("a resource is gone")?)?;
            let outcome = row.apply(command);
            let put =
                self.operations
                    .put_with_flags(&mut txn, self.put_flags, &id, &outcome.encode());
            match put {
                Ok(()) => self.resources.put(&mut txn, &key, &row.encode())?,
                Err(heed::Error::Mdb(MdbError::KeyExist)) => {
                    let known = self.operations.get(&txn, &id)?;
                    let known = known.ok_or("an id that is not above the last one")?;
                    outcomes.push(Outcome::decode(known)?);
                    continue;
                }
                Err(error) => return Err(error.into()),
            }
            outcomes.push(outcome);
        }
        Ok(txn.commit()?)
    }

    fn census(&mut self) -> Result<Census, Failure> {
        let txn = self.env.read_txn()?;
        let mut available = 0;
        for entry in self.resources.iter(&txn)? {
            available += u64::from(Row::decode(entry?.1)?.state == 0);
        }
        Ok(Census {
            available,
            operations: self.operations.len(&txn)?,
        })
    }
}
