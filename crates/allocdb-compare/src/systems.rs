//! Who takes part in which row, and in which configuration.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::arguments::Run;
use crate::job::{Failure, Peer};
use crate::peers::allocdb::{AllocDb, Library};
use crate::peers::grouped::Grouped;
use crate::peers::lmdb::{Lmdb, Settings as LmdbSettings};
use crate::peers::map::Map;
#[cfg(feature = "postgres")]
use crate::peers::postgres::{Postgres, Server, Settings as PostgresSettings};
use crate::peers::redis::Redis;
#[cfg(feature = "sqlite")]
use crate::peers::sqlite::{Settings as SqliteSettings, Sqlite};

/// The resources of every database.
pub(crate) const RESOURCES: u32 = 100_000;

/// A system in one configuration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum System {
    /// Over the C ABI.
    AllocDb,
    /// No durability: the floor.
    Map,
    /// One connection; `grouped`: behind a thread that commits for all clients.
    #[cfg(feature = "sqlite")]
    Sqlite {
        full: bool,
        monotonic: bool,
        grouped: bool,
    },
    /// Likewise.
    Lmdb {
        monotonic: bool,
        write_map: bool,
        grouped: bool,
    },
    /// A server of our own; a batch is a pipeline, or one script.
    Redis { script_a_batch: bool },
    /// Likewise.
    #[cfg(feature = "postgres")]
    Postgres {
        monotonic: bool,
        skip_locked: bool,
        commit_delay_us: u32,
    },
}

impl System {
    /// Operation ids increase.
    pub(crate) const fn is_monotonic(self) -> bool {
        match self {
            Self::AllocDb | Self::Map | Self::Redis { .. } => false,
            #[cfg(feature = "sqlite")]
            Self::Sqlite { monotonic, .. } => monotonic,
            Self::Lmdb { monotonic, .. } => monotonic,
            #[cfg(feature = "postgres")]
            Self::Postgres { monotonic, .. } => monotonic,
        }
    }

    /// Its name in the tables.
    pub(crate) fn name(self) -> String {
        let (name, is_grouped) = match self {
            Self::AllocDb => ("AllocDB".to_owned(), false),
            Self::Map => ("hash map and mutex, nothing durable".to_owned(), false),
            #[cfg(feature = "sqlite")]
            Self::Sqlite { full, grouped, .. } => {
                let level = if full {
                    "FULL"
                } else {
                    "NORMAL (a power cut may lose commits)"
                };
                (format!("SQLite, synchronous={level}"), grouped)
            }
            Self::Lmdb {
                write_map, grouped, ..
            } => {
                let map = if write_map { ", MDB_WRITEMAP" } else { "" };
                (format!("LMDB{map}"), grouped)
            }
            Self::Redis { script_a_batch } => {
                let batch = if script_a_batch {
                    ", one script a batch"
                } else {
                    ""
                };
                (format!("Redis, appendfsync always{batch}"), false)
            }
            #[cfg(feature = "postgres")]
            Self::Postgres {
                skip_locked,
                commit_delay_us,
                ..
            } => {
                let skip = if skip_locked { ", SKIP LOCKED" } else { "" };
                let delay = match commit_delay_us {
                    0 => String::new(),
                    us => format!(", commit_delay {us} µs"),
                };
                (format!("PostgreSQL{skip}{delay}"), false)
            }
        };
        let ids = if self.is_monotonic() {
            ", monotonic ids"
        } else {
            ""
        };
        let writer = if is_grouped {
            ", one thread commits for all"
        } else {
            ""
        };
        format!("{name}{ids}{writer}")
    }
}

/// Where databases are made, and what they are made of.
pub(crate) struct Place {
    root: PathBuf,
    library: Library,
    quick: bool,
    next: AtomicU64,
    #[cfg(feature = "postgres")]
    server: Option<Server>,
    has_redis: bool,
}

impl Place {
    /// Loads the library, starts the server, and says what is not there.
    pub(crate) fn open(root: &Path, run: &Run) -> Result<(Self, Vec<String>), Failure> {
        let mut notes = Vec::new();
        let redis = Redis::version();
        match &redis {
            Some(version) => notes.push(format!("Redis {version}")),
            None => notes.push("skipped: Redis (redis-server is not there)".to_owned()),
        }
        #[cfg(feature = "postgres")]
        let server = if let Some((_, version)) = Server::programs() {
            let started = Server::start(&root.join("postgres"));
            notes.push(match &started {
                Ok(_) => format!("PostgreSQL {version}"),
                Err(failure) => format!("skipped: PostgreSQL {version} ({failure})"),
            });
            started.ok()
        } else {
            notes.push("skipped: PostgreSQL (initdb and postgres are not there)".to_owned());
            None
        };
        #[cfg(not(feature = "postgres"))]
        notes.push("skipped: PostgreSQL (built without its client library, libpq)".to_owned());
        #[cfg(feature = "sqlite")]
        notes.push(format!("SQLite {}", rusqlite::version()));
        #[cfg(not(feature = "sqlite"))]
        notes.push("skipped: SQLite (built without its library, libsqlite3)".to_owned());
        let (major, minor, patch) = {
            let version = heed::lmdb_version();
            (version.major, version.minor, version.patch)
        };
        notes.push(format!("LMDB {major}.{minor}.{patch}"));
        let library = Library::load(&run.library)?;
        notes.push(format!("AllocDB {}", library.version()));
        let place = Self {
            root: root.to_owned(),
            library,
            quick: run.quick,
            next: AtomicU64::new(0),
            #[cfg(feature = "postgres")]
            server,
            has_redis: redis.is_some(),
        };
        Ok((place, notes))
    }

    /// What is written ahead for those that cannot do it themselves, in MiB.
    fn ahead_mib(&self) -> u32 {
        if self.quick { 4 } else { 256 }
    }

    /// Whether the system can be had here.
    pub(crate) fn has(&self, system: System) -> bool {
        match system {
            System::Redis { .. } => self.has_redis,
            #[cfg(feature = "postgres")]
            System::Postgres { .. } => self.server.is_some(),
            _ => true,
        }
    }

    /// A directory that is not there yet.
    pub(crate) fn directory(&self) -> PathBuf {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.root.join(format!("database-{number}"))
    }

    /// A fresh database of so many resources.
    pub(crate) fn make(
        &self,
        system: System,
        directory: &Path,
        resources: u32,
    ) -> Result<Box<dyn Peer>, Failure> {
        let (peer, is_grouped): (Box<dyn Peer>, bool) = match system {
            System::AllocDb => (
                Box::new(AllocDb::open(&self.library, directory, resources)?),
                false,
            ),
            System::Map => (Box::new(Map::open(resources)), false),
            #[cfg(feature = "sqlite")]
            System::Sqlite {
                full,
                monotonic,
                grouped,
            } => {
                let settings = SqliteSettings {
                    synchronous: if full { "FULL" } else { "NORMAL" },
                    monotonic,
                    ahead_mib: self.ahead_mib(),
                };
                (
                    Box::new(Sqlite::open(directory, resources, settings)?),
                    grouped,
                )
            }
            System::Lmdb {
                monotonic,
                write_map,
                grouped,
            } => {
                let settings = LmdbSettings {
                    monotonic,
                    write_map,
                    ahead_bytes: (self.ahead_mib() as usize) << 20,
                };
                (
                    Box::new(Lmdb::open(directory, resources, settings)?),
                    grouped,
                )
            }
            System::Redis { script_a_batch } => (
                Box::new(Redis::open(directory, resources, script_a_batch)?),
                false,
            ),
            #[cfg(feature = "postgres")]
            System::Postgres {
                skip_locked,
                commit_delay_us,
                ..
            } => {
                let server = self.server.as_ref().ok_or("PostgreSQL is not there")?;
                let settings = PostgresSettings {
                    skip_locked,
                    commit_delay_us,
                };
                (
                    Box::new(Postgres::open(server, resources, settings)?),
                    false,
                )
            }
        };
        if is_grouped {
            return Ok(Box::new(Grouped::new(peer)?));
        }
        Ok(peer)
    }
}
