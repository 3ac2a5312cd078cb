//! Redis, a server of our own: `appendfsync always`, so that an answer means that the log was
//! synced; a Unix socket; no snapshots and no rewriting of the log during the run.
//!
//! Tuned: one script a command, loaded once and named by its digest (`EVALSHA`); all numbers in one
//! binary argument; resources and operations as plain strings; both writes in one `MSET`, which
//! goes into the log as one command and not as a transaction of two. Operations have no expiry.
//! Redis syncs once for all that its event loop has read, so clients and pipelines share a sync. A
//! batch is a pipeline of scripts, and in a run of its own one script for all commands, which is
//! less to parse.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};
use std::time::{Duration, Instant};

use redis::{Client as Server, Cmd, Connection, cmd, pipe};

use super::ends_with_us;
use crate::job::{Census, Command, Failure, Kind, Outcome, Peer, Row, Session};

const RULES: &str = r"
local function perform(id, resource, given)
    local known = redis.call('GET', id)
    if known then return known end
    local kind, by, ticket, slot, till = struct.unpack('<BI8I8I8I8', given)
    local state, holder, token, deadline = struct.unpack('<BI8I8I8', redis.call('GET', resource))
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
        redis.call('MSET', id, outcome, resource,
            struct.pack('<BI8I8I8', state, holder, token, deadline))
    else
        outcome = struct.pack('<BI8I8', code, 0, 0)
        redis.call('SET', id, outcome)
    end
    return outcome
end
";
const ONE: &str = "return perform(KEYS[1], KEYS[2], ARGV[1])";
const MANY: &str = "
local outcomes = {}
for place = 1, #ARGV do
    outcomes[place] = perform(KEYS[2 * place - 1], KEYS[2 * place], ARGV[place])
end
return outcomes
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
    script_a_batch: bool,
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
    pub(crate) fn open(
        directory: &Path,
        resources: u32,
        script_a_batch: bool,
    ) -> Result<Self, Failure> {
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
            script_a_batch,
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
        let mut load = |text: &str| -> Result<String, Failure> {
            let text = format!("{RULES}{text}");
            Ok(cmd("SCRIPT").arg("LOAD").arg(text).query(&mut connection)?)
        };
        let (one, many) = (load(ONE)?, load(MANY)?);
        Ok(Box::new(Client {
            connection,
            one,
            many: self.script_a_batch.then_some(many),
            resources: self.resources,
        }))
    }
}

struct Client {
    connection: Connection,
    one: String,
    /// The script for a whole batch, where there is to be one.
    many: Option<String>,
    resources: u32,
}

/// All numbers of a command, as the script unpacks them.
fn given(command: &Command) -> Result<[u8; 33], Failure> {
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
    Ok(given)
}

impl Client {
    /// A script for each command, all sent before the first answer is read.
    fn pipelined(&mut self, commands: &[Command]) -> Result<Vec<Vec<u8>>, Failure> {
        let mut pipeline = pipe();
        for command in commands {
            let one = pipeline.cmd("EVALSHA").arg(&self.one).arg(2);
            one.arg(&command.operation.to_be_bytes());
            one.arg(&command.resource.to_be_bytes())
                .arg(&given(command)?);
        }
        Ok(pipeline.query(&mut self.connection)?)
    }
}

/// One script for all commands.
fn whole(script: &str, commands: &[Command]) -> Result<Cmd, Failure> {
    let mut all = cmd("EVALSHA");
    all.arg(script).arg(2 * commands.len());
    for command in commands {
        all.arg(&command.operation.to_be_bytes());
        all.arg(&command.resource.to_be_bytes());
    }
    for command in commands {
        all.arg(&given(command)?);
    }
    Ok(all)
}

impl Session for Client {
    fn perform(
        &mut self,
        commands: &[Command],
        outcomes: &mut Vec<Outcome>,
    ) -> Result<(), Failure> {
        let answers = match &self.many {
            Some(script) if commands.len() > 1 => {
                whole(script, commands)?.query(&mut self.connection)?
            }
            _ => self.pipelined(commands)?,
        };
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
