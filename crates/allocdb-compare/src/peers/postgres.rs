//! PostgreSQL, a cluster of our own: `initdb` in the run's directory, a Unix socket, no network;
//! the server refuses root, so as root it runs as `postgres` or `nobody`.
//!
//! Tuned: `synchronous_commit=on`, `fdatasync`; 512 MiB of shared buffers, 64 MiB of WAL buffers;
//! `wal_level=minimal`, no senders; no autovacuum, and no checkpoint during a run but one before
//! its tables are made, so that no page is logged whole in it; WAL files that are there before they
//! are needed (two gigabytes are kept and written over); no JIT. Pages are half full, so that an
//! update stays on its page (HOT) and touches no index. Every statement is planned before the run.
//! Commits wait for each other (`commit_delay`) in a run of its own, since that helps many clients
//! and hurts one.
//!
//! One command is one call of a PL/pgSQL function, prepared, its plans generic: look for the
//! operation, change the row, record the outcome, in one round trip and one transaction. Where many
//! want one resource the row is taken with `SKIP LOCKED`, so that losers do not queue up behind the
//! winner's commit. A batch is one statement over arrays, planned for their length each time, since
//! a plan for any length joins them by nested loops.

use std::ffi::CStr;
use std::fmt::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};
use std::time::{Duration, Instant};

use super::ends_with_us;
use super::libpq::{Connection, Rows};
use crate::job::{BUSY, Census, Command, Failure, Kind, Outcome, Peer, REFUSED, Session};

const SETTINGS: &[(&str, &str)] = &[
    ("listen_addresses", "''"),
    ("synchronous_commit", "on"),
    ("wal_sync_method", "fdatasync"),
    ("shared_buffers", "512MB"),
    ("wal_buffers", "64MB"),
    ("wal_level", "minimal"),
    ("max_wal_senders", "0"),
    ("min_wal_size", "2GB"),
    ("max_wal_size", "8GB"),
    ("checkpoint_timeout", "1d"),
    ("autovacuum", "off"),
    ("max_connections", "100"),
    ("jit", "off"),
    ("track_activities", "off"),
    ("track_counts", "off"),
    ("update_process_title", "off"),
    ("bgwriter_lru_maxpages", "0"),
    ("log_min_messages", "fatal"),
];

const DROP: &str = "
DROP TABLE IF EXISTS resources, operations;
DROP TYPE IF EXISTS outcome CASCADE;
";

const SCHEMA: &str = "
CREATE TABLE resources (id int PRIMARY KEY, state int2 NOT NULL, holder int8 NOT NULL,
    token int8 NOT NULL, deadline int8 NOT NULL) WITH (fillfactor = 50);
CREATE TABLE operations (id uuid PRIMARY KEY, code int2 NOT NULL, token int8 NOT NULL,
    deadline int8 NOT NULL);
CREATE TYPE outcome AS (code int2, token int8, deadline int8);
";

/// A running cluster.
pub(crate) struct Server {
    child: Child,
    target: String,
}

impl Server {
    /// Where the server's programs are, and their version.
    pub(crate) fn programs() -> Option<(PathBuf, String)> {
        let mut places = vec![PathBuf::from("/usr/bin"), PathBuf::from("/usr/local/bin")];
        if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
            places.extend(versions.flatten().map(|version| version.path().join("bin")));
        }
        places.sort();
        places.into_iter().rev().find_map(|place| {
            let said = Process::new(place.join("postgres"))
                .arg("--version")
                .output()
                .ok()?;
            let said = String::from_utf8_lossy(&said.stdout).into_owned();
            let version = said.split_whitespace().nth(2)?.to_owned();
            place.join("initdb").exists().then_some((place, version))
        })
    }

    /// Makes a cluster and starts it.
    pub(crate) fn start(directory: &Path) -> Result<Self, Failure> {
        let (programs, _) = Self::programs().ok_or("PostgreSQL's programs are not there")?;
        std::fs::create_dir(directory)?;
        let owner = owner(directory)?;
        let data = directory.join("data");
        let mut initdb = Process::new(programs.join("initdb"));
        initdb.args([
            "--auth=trust",
            "--username=bench",
            "--encoding=UTF8",
            "--no-locale",
        ]);
        initdb.args(["--no-instructions", "-D"]).arg(&data);
        let made = as_owner(&mut initdb, owner, directory).output()?;
        if !made.status.success() {
            return Err(format!("initdb: {}", String::from_utf8_lossy(&made.stderr)).into());
        }
        let mut postgres = Process::new(programs.join("postgres"));
        postgres.arg("-D").arg(&data).arg("-k").arg(directory);
        for (name, value) in SETTINGS {
            postgres
                .arg("-c")
                .arg(format!("{name}={}", value.trim_matches('\'')));
        }
        postgres
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        as_owner(&mut postgres, owner, directory);
        let child = ends_with_us(&mut postgres, libc::SIGQUIT).spawn()?;
        let target = format!("host={} user=bench dbname=postgres", directory.display());
        let server = Self { child, target };
        server.wait()?;
        Ok(server)
    }

    fn wait(&self) -> Result<(), Failure> {
        let begun = Instant::now();
        loop {
            match Connection::open(&self.target) {
                Ok(_) => return Ok(()),
                Err(error) if begun.elapsed() > Duration::from_secs(60) => {
                    return Err(format!("postgres does not answer: {error}").into());
                }
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }
}

/// The user that the server runs as: who runs this, or where that is root, one that is not.
fn owner(directory: &Path) -> Result<Option<(u32, u32)>, Failure> {
    if std::fs::metadata(directory)?.uid() != 0 {
        return Ok(None);
    }
    let users = std::fs::read_to_string("/etc/passwd")?;
    let of = |name: &str| {
        let line = users
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{name}:")))?;
        let mut fields = line.split(':').skip(1);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    let owner = of("postgres").or_else(|| of("nobody"));
    let (user, group) = owner.ok_or("postgres refuses root, and there is no other user")?;
    chown(directory, Some(user), Some(group))?;
    std::fs::set_permissions(directory, PermissionsExt::from_mode(0o755))?;
    Ok(Some((user, group)))
}

fn as_owner<'process>(
    process: &'process mut Process,
    owner: Option<(u32, u32)>,
    directory: &Path,
) -> &'process mut Process {
    if let Some((user, group)) = owner {
        process.uid(user).gid(group);
    }
    process.current_dir(directory)
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGQUIT: end at once, without a checkpoint; the files are thrown away.
        if let Ok(process) = libc::pid_t::try_from(self.child.id()) {
            // SAFETY: a signal to a child that has not been waited for.
            unsafe { libc::kill(process, libc::SIGQUIT) };
        }
        let _ = self.child.wait();
    }
}

/// What differs between the runs.
#[derive(Clone, Copy)]
pub(crate) struct Settings {
    /// Losers do not wait for the row.
    pub(crate) skip_locked: bool,
    /// Microseconds that a commit waits for others, where at least five are under way.
    pub(crate) commit_delay_us: u32,
}

/// Fresh tables in the running cluster.
pub(crate) struct Postgres {
    target: String,
    settings: Settings,
    resources: u32,
}

impl Postgres {
    /// All resources, available.
    pub(crate) fn open(
        server: &Server,
        resources: u32,
        settings: Settings,
    ) -> Result<Self, Failure> {
        let connection = Connection::open(&server.target)?;
        connection.run("SET client_min_messages = error")?;
        connection.run(DROP)?;
        // What was WAL is written over; pages made after a checkpoint are not logged whole.
        connection.run("CHECKPOINT")?;
        connection.run(SCHEMA)?;
        connection.run(&format!(
            "INSERT INTO resources SELECT n, 0, 0, 0, 0 FROM generate_series(1, {resources}) n"
        ))?;
        for kind in [Kind::Reserve, Kind::Confirm, Kind::Release] {
            connection.run(&function(kind, settings.skip_locked))?;
        }
        connection.run("VACUUM ANALYZE resources")?;
        Ok(Self {
            target: server.target.clone(),
            settings,
            resources,
        })
    }
}

/// What a kind asks of the row, and what it does to it. `c` is the command: the function's
/// parameters, or the arrays' rows.
fn rule(kind: Kind) -> (&'static str, &'static str, &'static str, u8) {
    match kind {
        Kind::Reserve => (
            "(r.state = 0 OR (r.state = 1 AND r.deadline <= c_slot))",
            "state = 1, holder = c_holder, token = r.token + 1, deadline = c_deadline",
            "r.deadline",
            BUSY,
        ),
        Kind::Confirm => (
            "r.state = 1 AND r.deadline > c_slot AND r.holder = c_holder AND r.token = c_token",
            "state = 2",
            "0::int8",
            REFUSED,
        ),
        Kind::Release => (
            "r.state <> 0 AND r.holder = c_holder AND r.token = c_token",
            "state = 0",
            "0::int8",
            REFUSED,
        ),
    }
}

const fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Reserve => "job_reserve",
        Kind::Confirm => "job_confirm",
        Kind::Release => "job_release",
    }
}

fn function(kind: Kind, skip_locked: bool) -> String {
    let (condition, change, deadline, failed) = rule(kind);
    let update = format!(
        "UPDATE resources r SET {change} WHERE r.id = c_resource AND {condition}
             RETURNING 0::int2, r.token, {deadline} INTO answer;"
    );
    let update = if skip_locked && kind == Kind::Reserve {
        format!(
            "PERFORM FROM resources r WHERE r.id = c_resource AND {condition}
                 FOR NO KEY UPDATE SKIP LOCKED;
             IF FOUND THEN {update} END IF;"
        )
    } else {
        update
    };
    format!(
        "CREATE OR REPLACE FUNCTION {name}(c_operation uuid, c_resource int, c_holder int8,
             c_token int8, c_slot int8, c_deadline int8) RETURNS outcome LANGUAGE plpgsql AS $$
         DECLARE answer outcome;
         BEGIN
             SELECT o.code, o.token, o.deadline INTO answer FROM operations o
                 WHERE o.id = c_operation;
             IF FOUND THEN RETURN answer; END IF;
             {update}
             IF NOT FOUND THEN answer := ({failed}::int2, 0::int8, 0::int8); END IF;
             INSERT INTO operations
                 VALUES (c_operation, answer.code, answer.token, answer.deadline);
             RETURN answer;
         END $$",
        name = name(kind),
    )
}

/// The commands as rows of arrays; no resource twice in a batch.
fn batch(kind: Kind) -> String {
    let (condition, change, deadline, failed) = rule(kind);
    let mut text = format!(
        "WITH input AS MATERIALIZED (
             SELECT * FROM unnest($1::uuid[], $2::int4[], $3::int8[])
                 WITH ORDINALITY AS i(c_operation, c_resource, c_token, place)),
         given AS (SELECT $4::int8 AS c_holder, $5::int8 AS c_slot, $6::int8 AS c_deadline),
         known AS MATERIALIZED (
             SELECT o.* FROM input i JOIN operations o ON o.id = i.c_operation),
         fresh AS MATERIALIZED (
             SELECT * FROM input i
                 WHERE NOT EXISTS (SELECT FROM known k WHERE k.id = i.c_operation)),
         changed AS (
             UPDATE resources r SET {change} FROM fresh f, given
                 WHERE r.id = f.c_resource AND {condition}
                 RETURNING r.id, r.token, {deadline} AS deadline),
         answers AS MATERIALIZED (
             SELECT f.c_operation AS id, CASE WHEN c.id IS NULL THEN {failed} ELSE 0 END::int2
                 AS code, coalesce(c.token, 0) AS token, coalesce(c.deadline, 0) AS deadline,
                 f.place
                 FROM fresh f LEFT JOIN changed c ON c.id = f.c_resource),
         recorded AS (
             INSERT INTO operations SELECT id, code, token, deadline FROM answers)"
    );
    // Where every operation is new, which the statement finds out for itself, this is `answers`.
    let _ = write!(
        text,
        " SELECT code, token, deadline FROM (
             SELECT code, token, deadline, place FROM answers
             UNION ALL
             SELECT k.code, k.token, k.deadline, i.place
                 FROM known k JOIN input i ON i.c_operation = k.id) AS answered ORDER BY place"
    );
    text
}

impl Peer for Postgres {
    fn session(&self) -> Result<Box<dyn Session + '_>, Failure> {
        let connection = Connection::open(&self.target)?;
        connection.run(&format!(
            "SET commit_delay = {}; SET commit_siblings = 5; SET plan_cache_mode = {}",
            self.settings.commit_delay_us, "force_generic_plan"
        ))?;
        for kind in [Kind::Reserve, Kind::Confirm, Kind::Release] {
            let text = format!(
                "SELECT {}($1::uuid, $2::int4, $3::int8, $4::int8, $5::int8, $6::int8)",
                name(kind)
            );
            connection.prepare(one_name(kind), &text)?;
        }
        let mut client = Client {
            connection,
            resources: self.resources,
            has_batches: false,
        };
        client.warm_up()?;
        Ok(Box::new(client))
    }
}

struct Client {
    connection: Connection,
    resources: u32,
    has_batches: bool,
}

const fn one_name(kind: Kind) -> &'static CStr {
    match kind {
        Kind::Reserve => c"reserve",
        Kind::Confirm => c"confirm",
        Kind::Release => c"release",
    }
}

const fn batch_name(kind: Kind) -> &'static CStr {
    match kind {
        Kind::Reserve => c"reserves",
        Kind::Confirm => c"confirms",
        Kind::Release => c"releases",
    }
}

impl Client {
    /// Has every statement planned before the run, which a client that stays does once.
    fn warm_up(&mut self) -> Result<(), Failure> {
        self.connection.run("BEGIN")?;
        for (index, kind) in [Kind::Reserve, Kind::Confirm, Kind::Release]
            .into_iter()
            .enumerate()
        {
            let command = Command {
                kind,
                operation: index as u128 + 1,
                resource: 0,
                token: 0,
                holder: 0,
                slot: 0,
                ttl_slots: 0,
            };
            self.one(&command)?;
        }
        self.connection.run("ROLLBACK")
    }

    fn one(&mut self, command: &Command) -> Result<Outcome, Failure> {
        let rows = self.connection.execute(
            one_name(command.kind),
            &[
                &command.operation.to_be_bytes(),
                &command.resource.to_be_bytes(),
                &command.holder.to_be_bytes(),
                &u64::try_from(command.token)?.to_be_bytes(),
                &command.slot.to_be_bytes(),
                &command.deadline().to_be_bytes(),
            ],
        )?;
        // A composite: how many fields, then each one's type, length and bytes.
        let fields: &[u8; 46] = rows.value(0, 0).try_into().map_err(|_| "not an outcome")?;
        outcome(&fields[12..14], &fields[22..30], &fields[38..46])
    }

    fn many(&mut self, commands: &[Command]) -> Result<Rows, Failure> {
        if !self.has_batches {
            self.connection
                .run("SET plan_cache_mode = force_custom_plan")?;
            for kind in [Kind::Reserve, Kind::Confirm, Kind::Release] {
                self.connection.prepare(batch_name(kind), &batch(kind))?;
            }
            self.has_batches = true;
        }
        let first = commands[0];
        let (mut ids, mut resources, mut tokens) = (Vec::new(), Vec::new(), Vec::new());
        begin_array(&mut ids, UUID, commands.len())?;
        begin_array(&mut resources, INT4, commands.len())?;
        begin_array(&mut tokens, INT8, commands.len())?;
        for command in commands {
            // One statement is one rule with one holder and one time.
            assert!(command.kind == first.kind && command.holder == first.holder);
            ids.extend_from_slice(&16_u32.to_be_bytes());
            ids.extend_from_slice(&command.operation.to_be_bytes());
            resources.extend_from_slice(&4_u32.to_be_bytes());
            resources.extend_from_slice(&command.resource.to_be_bytes());
            tokens.extend_from_slice(&8_u32.to_be_bytes());
            tokens.extend_from_slice(&u64::try_from(command.token)?.to_be_bytes());
        }
        self.connection.execute(
            batch_name(first.kind),
            &[
                &ids,
                &resources,
                &tokens,
                &first.holder.to_be_bytes(),
                &first.slot.to_be_bytes(),
                &first.deadline().to_be_bytes(),
            ],
        )
    }
}

// Types by their numbers in PostgreSQL's catalogue.
const UUID: u32 = 2950;
const INT4: u32 = 23;
const INT8: u32 = 20;

/// The head of an array of one dimension, without NULLs, that counts from 1.
fn begin_array(bytes: &mut Vec<u8>, kind: u32, len: usize) -> Result<(), Failure> {
    for word in [1, 0, kind, u32::try_from(len)?, 1] {
        bytes.extend_from_slice(&word.to_be_bytes());
    }
    Ok(())
}

fn outcome(code: &[u8], token: &[u8], deadline: &[u8]) -> Result<Outcome, Failure> {
    Ok(Outcome {
        code: u8::try_from(i16::from_be_bytes(code.try_into()?))?,
        token: u128::from(u64::from_be_bytes(token.try_into()?)),
        deadline: u64::from_be_bytes(deadline.try_into()?),
    })
}

impl Session for Client {
    fn perform(
        &mut self,
        commands: &[Command],
        outcomes: &mut Vec<Outcome>,
    ) -> Result<(), Failure> {
        if let [command] = commands {
            outcomes.push(self.one(command)?);
            return Ok(());
        }
        let rows = self.many(commands)?;
        if rows.count() != commands.len() {
            return Err("an answer for each command".into());
        }
        for row in 0..rows.count() {
            outcomes.push(outcome(
                rows.value(row, 0),
                rows.value(row, 1),
                rows.value(row, 2),
            )?);
        }
        Ok(())
    }

    fn census(&mut self) -> Result<Census, Failure> {
        let all = self.connection.number("SELECT count(*) FROM resources")?;
        if all != u64::from(self.resources) {
            return Err("a resource is gone".into());
        }
        let available = "SELECT count(*) FROM resources WHERE state = 0";
        Ok(Census {
            available: self.connection.number(available)?,
            operations: self.connection.number("SELECT count(*) FROM operations")?,
        })
    }
}
