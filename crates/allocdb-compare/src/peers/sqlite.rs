//! SQLite, the system's library: prepared statements, a write-ahead log, one connection.
//!
//! Tuned: `locking_mode=EXCLUSIVE`, so that no transaction locks files or looks at shared memory;
//! 256 MiB of cache, a gigabyte mapped; a checkpoint where the log is as long as AllocDB's may be;
//! all of that log is written once before the run, so that commits overwrite it and a sync need not
//! journal a new size, and the database's file has grown by as much: the way AllocDB writes its log
//! ahead. `synchronous=FULL` syncs at each commit; `NORMAL` only at checkpoints, and a power cut
//! loses what came after the last one.
//!
//! Three plain statements a command: read the row, record the outcome, change the row if that is
//! what was decided. Recording finds a repeated operation by the key that it meets, so that nobody
//! looks for it before. The rules are applied between the statements, by the program; having SQL
//! decide, in one `INSERT … SELECT … RETURNING`, takes longer. Operations are `WITHOUT ROWID`, so
//! that a random id is one tree. Monotonic ids are 64-bit integers in a table by rowid, which
//! SQLite appends to.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, Statement, params};

use crate::job::{CHECKPOINT_BYTES, Census, Command, DONE, Failure, Outcome, Peer, Row, Session};

/// A database's file and how it is opened.
pub(crate) struct Sqlite {
    path: PathBuf,
    settings: Settings,
}

/// What differs between the runs.
#[derive(Clone, Copy)]
pub(crate) struct Settings {
    /// `FULL` or `NORMAL`.
    pub(crate) synchronous: &'static str,
    /// Operation ids are increasing integers.
    pub(crate) monotonic: bool,
    /// Log written before the run, in MiB.
    pub(crate) ahead_mib: u32,
}

impl Sqlite {
    /// All resources, available.
    pub(crate) fn open(
        directory: &Path,
        resources: u32,
        settings: Settings,
    ) -> Result<Self, Failure> {
        std::fs::create_dir(directory)?;
        let path = directory.join("sqlite.db");
        let mut connection = connect(&path, settings)?;
        connection.execute_batch(if settings.monotonic { BY_ROWID } else { BY_KEY })?;
        connection.execute_batch(RESOURCES)?;
        let transaction = connection.transaction()?;
        {
            let mut insert =
                transaction.prepare("INSERT INTO resources VALUES (?1, 0, 0, 0, 0)")?;
            for resource in 1..=resources {
                insert.execute([resource])?;
            }
        }
        transaction.commit()?;
        Ok(Self { path, settings })
    }
}

const RESOURCES: &str = "CREATE TABLE resources (id INTEGER PRIMARY KEY, state INTEGER NOT NULL,
    holder INTEGER NOT NULL, token INTEGER NOT NULL, deadline INTEGER NOT NULL) STRICT";
const BY_KEY: &str = "CREATE TABLE operations (id BLOB PRIMARY KEY, code INTEGER NOT NULL,
    token INTEGER NOT NULL, deadline INTEGER NOT NULL) STRICT, WITHOUT ROWID";
const BY_ROWID: &str = "CREATE TABLE operations (id INTEGER PRIMARY KEY, code INTEGER NOT NULL,
    token INTEGER NOT NULL, deadline INTEGER NOT NULL) STRICT";

const ROW: &str = "SELECT state, holder, token, deadline FROM resources WHERE id = ?1";
const RECORD: &str = "INSERT INTO operations VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
const CHANGE: &str = "UPDATE resources SET state = ?2, holder = ?3, token = ?4, deadline = ?5
    WHERE id = ?1";
const KNOWN: &str = "SELECT code, token, deadline FROM operations WHERE id = ?1";

fn connect(path: &Path, settings: Settings) -> Result<Connection, Failure> {
    let connection = Connection::open(path)?;
    connection.execute_batch(&format!(
        "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;
         PRAGMA synchronous = {}; PRAGMA cache_size = -262144; PRAGMA mmap_size = 1073741824;
         PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = {};",
        settings.synchronous,
        CHECKPOINT_BYTES / 4096
    ))?;
    Ok(connection)
}

impl Peer for Sqlite {
    fn session(&self) -> Result<Box<dyn Session + '_>, Failure> {
        let connection = connect(&self.path, self.settings)?;
        if self.settings.ahead_mib > 0 {
            connection.execute_batch(&format!(
                "BEGIN; CREATE TABLE ahead (bytes BLOB);
                 WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {})
                 INSERT INTO ahead SELECT zeroblob(1048576) FROM n;
                 COMMIT; DROP TABLE ahead; PRAGMA wal_checkpoint(RESTART);",
                self.settings.ahead_mib
            ))?;
        }
        let connection = Box::into_raw(Box::new(connection));
        // SAFETY: just made, and freed only in Drop, after the statements that borrow it.
        let statements = match Statements::new(unsafe { &*connection }) {
            Ok(statements) => statements,
            Err(error) => {
                // SAFETY: as above; no statement is left.
                drop(unsafe { Box::from_raw(connection) });
                return Err(error.into());
            }
        };
        Ok(Box::new(Client {
            statements: Some(statements),
            connection,
            monotonic: self.settings.monotonic,
        }))
    }
}

/// A connection and the statements that borrow it: kept beside each other, so that no command pays
/// for finding its statement again.
struct Client {
    statements: Option<Statements<'static>>,
    connection: *mut Connection,
    monotonic: bool,
}

struct Statements<'connection> {
    begin: Statement<'connection>,
    commit: Statement<'connection>,
    row: Statement<'connection>,
    record: Statement<'connection>,
    change: Statement<'connection>,
    known: Statement<'connection>,
}

impl<'connection> Statements<'connection> {
    fn new(connection: &'connection Connection) -> Result<Self, rusqlite::Error> {
        let prepare = |text| connection.prepare(text);
        Ok(Self {
            begin: prepare("BEGIN IMMEDIATE")?,
            commit: prepare("COMMIT")?,
            row: prepare(ROW)?,
            record: prepare(RECORD)?,
            change: prepare(CHANGE)?,
            known: prepare(KNOWN)?,
        })
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.statements = None;
        // SAFETY: from Box::into_raw, once; what borrowed it is gone.
        drop(unsafe { Box::from_raw(self.connection) });
    }
}

impl Client {
    fn one(&mut self, command: &Command) -> Result<Outcome, Failure> {
        let id = command.operation.to_be_bytes();
        if self.monotonic {
            self.apply(command, &u64::try_from(command.operation)?.cast_signed())
        } else {
            self.apply(command, &id.as_slice())
        }
    }

    fn apply(&mut self, command: &Command, id: &dyn rusqlite::ToSql) -> Result<Outcome, Failure> {
        let statements = self.statements.as_mut().expect("there until the drop");
        let mut row = statements.row.query_row([command.resource], |row| {
            Ok(Row {
                state: row.get(0)?,
                holder: row.get::<_, i64>(1)?.cast_unsigned(),
                token: row.get::<_, i64>(2)?.cast_unsigned(),
                deadline: row.get::<_, i64>(3)?.cast_unsigned(),
            })
        })?;
        let decided = row.apply(command);
        let token = u64::try_from(decided.token)?.cast_signed();
        let deadline = decided.deadline.cast_signed();
        let recorded = statements
            .record
            .execute(params![id, decided.code, token, deadline])?;
        if recorded == 0 {
            return Ok(statements.known.query_row([id], outcome)?);
        }
        if decided.code == DONE {
            let changed = statements.change.execute(params![
                command.resource,
                row.state,
                row.holder.cast_signed(),
                row.token.cast_signed(),
                row.deadline.cast_signed()
            ])?;
            assert_eq!(changed, 1, "the row that decided is there");
        }
        Ok(decided)
    }
}

fn outcome(row: &rusqlite::Row<'_>) -> Result<Outcome, rusqlite::Error> {
    Ok(Outcome {
        code: row.get(0)?,
        token: u128::from(row.get::<_, i64>(1)?.cast_unsigned()),
        deadline: row.get::<_, i64>(2)?.cast_unsigned(),
    })
}

impl Session for Client {
    fn perform(
        &mut self,
        commands: &[Command],
        outcomes: &mut Vec<Outcome>,
    ) -> Result<(), Failure> {
        // What a failure leaves behind ends the whole run: nobody has to roll it back.
        self.statements.as_mut().expect("there").begin.execute([])?;
        for command in commands {
            outcomes.push(self.one(command)?);
        }
        self.statements
            .as_mut()
            .expect("there")
            .commit
            .execute([])?;
        Ok(())
    }

    fn census(&mut self) -> Result<Census, Failure> {
        // SAFETY: freed in Drop alone.
        let connection = unsafe { &*self.connection };
        let count = |text| connection.query_row(text, [], |row| row.get::<_, i64>(0));
        Ok(Census {
            available: count("SELECT count(*) FROM resources WHERE state = 0")?.cast_unsigned(),
            operations: count("SELECT count(*) FROM operations")?.cast_unsigned(),
        })
    }
}
