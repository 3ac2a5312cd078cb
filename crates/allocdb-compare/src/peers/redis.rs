//! Redis, a server of our own: `appendfsync always`, so that an answer means that the log was
//! synced; a Unix socket; no snapshots and no rewriting of the log during the run.
//!
//! Tuned: one script a command, loaded once and named by its digest (`EVALSHA`); all numbers in one
//! binary argument; resources and operations as plain strings; both writes in one `MSET`, which
//! goes into the log as one command and not as a transaction of two. Operations have no expiry.
//! Redis syncs once for all that its event loop has read, so clients and pipelines share a sync.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};
use std::time::{Duration, Instant};

use redis::{Client as Server, Connection, Pipeline, cmd, pipe};

use super::ends_with_us;
use crate::job::{Census, Command, Failure, Kind, Outcome, Peer, Row, Session};

const SCRIPT: &str = r"
local known = redis.call('GET', KEYS[1])
if known then return known end
local kind, by, ticket, slot, till = struct.unpack('<BI8I8I8I8', ARGV[1])
local state, holder, token, deadline = struct.unpack('<BI8I8I8', redis.call('GET', KEYS[2]))
local code, answer = 0, 0
if kind == 1 then
    if state == 0 or (state == 1 and deadline <= slot) then
        state = 1
        holder = by
        token = token + 1
        deadline = till
        answer = till
    else
        code = 4
    end
elseif holder ~= by or token ~= ticket or state == 0 then
    code = 10
elseif kind == 3 then
    state = 0
elseif state == 1 and deadline > slot then
    state = 2
else
    code = 10
end
local outcome
if code == 0 then
    outcome = struct.pack('<BI8I8', 0, token, answer)
    redis.call('MSET', KEYS[1], outcome, KEYS[2],
        struct.pack('<BI8I8I8', state, holder, token, deadline))
else
    outcome = struct.pack('<BI8I8', code, 0, 0)
    redis.call('SET', KEYS[1], outcome)
end
return outcome
";

const COUNT_AVAILABLE: &str = r"
local count = 0
for resource = 1, tonumber(ARGV[1]) do
    if string.byte(redis.call('GET', struct.pack('>I4', resource)), 1) == 0 then
        count = count + 1
    end
end
return count
";

/// A server.
pub(crate) struct Redis {
    child: Child,
    socket: PathBuf,
    resources: u32,
}

impl Redis {
    /// The version, where there is a server to run.
    pub(crate) fn version() -> Option<String> {
        let said = Process::new("redis-server")
            .arg("--version")
            .output()
            .ok()?;
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        let version = said
            .split_whitespace()
            .find_map(|word| word.strip_prefix("v="));
        version.map(str::to_owned)
    }

    /// All resources, available.
    pub(crate) fn open(directory: &Path, resources: u32) -> Result<Self, Failure> {
        std::fs::create_dir(directory)?;
        std::fs::set_permissions(directory, PermissionsExt::from_mode(0o700))?;
        let socket = directory.join("redis.sock");
        let mut server = Process::new("redis-server");
        server
            .arg("-")
            .arg("--port")
            .arg("0")
            .arg("--unixsocket")
            .arg(&socket);
        server.arg("--dir").arg(directory);
        for (name, value) in [
            ("--appendonly", "yes"),
            ("--appendfsync", "always"),
            ("--auto-aof-rewrite-percentage", "0"),
            ("--save", ""),
            ("--daemonize", "no"),
            ("--maxclients", "1000"),
            ("--loglevel", "warning"),
        ] {
            server.arg(name).arg(value);
        }
        server.stdin(Stdio::null()).stdout(Stdio::null());
        let child = ends_with_us(&mut server, libc::SIGKILL)
            .spawn()
            .map_err(|error| format!("redis-server: {error}"))?;
        let redis = Self {
            child,
            socket,
            resources,
        };
        redis.fill()?;
        Ok(redis)
    }

    fn connect(&self) -> Result<Connection, Failure> {
        let server = Server::open(format!("unix://{}", self.socket.display()))?;
        let begun = Instant::now();
        loop {
            match server.get_connection() {
                Ok(connection) => return Ok(connection),
                Err(error) if begun.elapsed() > Duration::from_secs(10) => {
                    return Err(format!("redis-server does not answer: {error}").into());
                }
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    fn fill(&self) -> Result<(), Failure> {
        let mut connection = self.connect()?;
        let resources: Vec<u32> = (1..=self.resources).collect();
        let row = Row::default().encode();
        for part in resources.chunks(10_000) {
            let mut set = cmd("MSET");
            for resource in part {
                set.arg(&resource.to_be_bytes()).arg(&row);
            }
            set.exec(&mut connection)?;
        }
        Ok(())
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // Its files are thrown away: nothing has to be saved.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Peer for Redis {
    fn session(&self) -> Result<Box<dyn Session + '_>, Failure> {
        let mut connection = self.connect()?;
        let digest: String = cmd("SCRIPT")
            .arg("LOAD")
            .arg(SCRIPT)
            .query(&mut connection)?;
        Ok(Box::new(Client {
            connection,
            digest,
            resources: self.resources,
        }))
    }
}

struct Client {
    connection: Connection,
    digest: String,
    resources: u32,
}

impl Client {
    fn add<'pipeline>(
        &self,
        pipeline: &'pipeline mut Pipeline,
        command: &Command,
    ) -> Result<&'pipeline mut Pipeline, Failure> {
        let mut given = [0; 33];
        given[0] = match command.kind {
            Kind::Reserve => 1,
            Kind::Confirm => 2,
            Kind::Release => 3,
        };
        given[1..9].copy_from_slice(&command.holder.to_le_bytes());
        given[9..17].copy_from_slice(&u64::try_from(command.token)?.to_le_bytes());
        given[17..25].copy_from_slice(&command.slot.to_le_bytes());
        given[25..].copy_from_slice(&command.deadline().to_le_bytes());
        Ok(pipeline
            .cmd("EVALSHA")
            .arg(&self.digest)
            .arg(2)
            .arg(&command.operation.to_be_bytes())
            .arg(&command.resource.to_be_bytes())
            .arg(&given))
    }
}

impl Session for Client {
    fn perform(
        &mut self,
        commands: &[Command],
        outcomes: &mut Vec<Outcome>,
    ) -> Result<(), Failure> {
        let mut pipeline = pipe();
        for command in commands {
            self.add(&mut pipeline, command)?;
        }
        let answers: Vec<Vec<u8>> = pipeline.query(&mut self.connection)?;
        for answer in &answers {
            outcomes.push(Outcome::decode(answer)?);
        }
        Ok(())
    }

    fn census(&mut self) -> Result<Census, Failure> {
        let mut count = cmd("EVAL");
        count.arg(COUNT_AVAILABLE).arg(0).arg(self.resources);
        let keys: u64 = cmd("DBSIZE").query(&mut self.connection)?;
        Ok(Census {
            available: count.query(&mut self.connection)?,
            operations: keys - u64::from(self.resources),
        })
    }
}
