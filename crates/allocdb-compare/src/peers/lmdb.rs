//! LMDB: two trees in one environment, resources by number and operations by id.
//!
//! Tuned: the default durability (one sync of the data, one of the meta page: the least that LMDB
//! calls durable), a map that is never too small, no locks of threads (`MDB_NOTLS` is heed's
//! default), no read-ahead. The file is filled with zeros ahead, so that a commit overwrites and
//! its sync need not journal a new size: the way AllocDB writes its log ahead. An operation is put
//! with `MDB_NOOVERWRITE`, which looks for the old outcome and records the new one in one descent,
//! and with `MDB_APPEND` where ids are monotonic. Tried and slower with a sync at each commit:
//! `MDB_WRITEMAP`, whose `msync` walks the whole map.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use heed::types::Bytes;
use heed::{Database, Env, EnvFlags, EnvOpenOptions, MdbError, PutFlags};

use crate::job::{Census, Command, Failure, Outcome, Peer, Row, Session};

const MAP_BYTES: usize = 8 << 30;

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
        monotonic: bool,
        ahead_bytes: usize,
    ) -> Result<Self, Failure> {
        fs::create_dir(directory)?;
        let mut options = EnvOpenOptions::new();
        options.map_size(MAP_BYTES).max_dbs(2);
        // SAFETY: nobody else has the directory, which was made here; no flag weakens a sync.
        let env = unsafe { options.flags(EnvFlags::NO_READ_AHEAD).open(directory)? };
        let mut txn = env.write_txn()?;
        let rows: Database<Bytes, Bytes> = env.create_database(&mut txn, Some("resources"))?;
        let operations = env.create_database(&mut txn, Some("operations"))?;
        for resource in 1..=resources {
            let row = Row::default().encode();
            rows.put_with_flags(&mut txn, PutFlags::APPEND, &resource.to_be_bytes(), &row)?;
        }
        txn.commit()?;
        fill_ahead(&directory.join("data.mdb"), ahead_bytes)?;
        Ok(Self {
            env,
            resources: rows,
            operations,
            put_flags: if monotonic {
                PutFlags::NO_OVERWRITE | PutFlags::APPEND
            } else {
                PutFlags::NO_OVERWRITE
            },
        })
    }
}

/// Zeros behind the pages in use, on the disk: LMDB goes by its own count of pages.
fn fill_ahead(path: &Path, bytes: usize) -> Result<(), Failure> {
    let mut file = OpenOptions::new().append(true).open(path)?;
    let zeros = vec![0; 1 << 20];
    for _ in 0..bytes / zeros.len() {
        file.write_all(&zeros)?;
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
