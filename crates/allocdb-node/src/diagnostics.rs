//! Log lines: pulled from a bounded ring, or pushed to a sink set before open.
//!
//! Lines are formatted into a buffer on the stack and cut at [`LINE_BYTES_MAX`]; the ring is
//! reserved at open and drops its oldest lines, counting them. Nothing is formatted unless
//! something happened that an operator would want to know: no commit writes a line. Rejected: the
//! `log` crate, whose logger is one for the whole process, so that a library inside a host's
//! program has no business setting it.
//!
//! Ring entry: `len u16` and that many bytes of UTF-8, which start with the level's name.

use core::fmt::{self, Write};

use crate::sync::{Mutex, PoisonError};

/// Bytes of the longest line; a longer one is cut.
pub const LINE_BYTES_MAX: usize = 512;

/// How much a line matters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u32)]
pub enum Level {
    /// The database no longer does its work.
    Error = 1,
    /// Something an operator should look at.
    Warning = 2,
    /// Opening, closing, checkpoints.
    Info = 3,
}

impl Level {
    /// The name in front of a line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }

    /// The level with this number.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::Error),
            2 => Some(Self::Warning),
            3 => Some(Self::Info),
            _ => None,
        }
    }
}

/// Where lines are pushed. Called on the thread that has something to say, which may be leading a
/// commit: it must return soon, must not panic, and must not call the engine.
pub trait LogSink: Send + Sync {
    /// Takes one line, without a line end.
    fn line(&self, level: Level, text: &str);
}

/// Takes lines; keeps the newest in a ring, and passes each to the sink.
pub struct Diagnostics {
    level_max: Level,
    sink: Option<Box<dyn LogSink>>,
    ring: Mutex<Ring>,
}

struct Ring {
    bytes: Box<[u8]>,
    /// Where the oldest line starts.
    head: usize,
    /// Bytes that hold lines.
    len: usize,
    /// Lines lost since the last read.
    dropped: u64,
}

impl Diagnostics {
    /// Lines up to `level_max` are kept in `ring_bytes` and passed to `sink`.
    #[must_use]
    pub fn new(level_max: Level, ring_bytes: usize, sink: Option<Box<dyn LogSink>>) -> Self {
        let ring = Ring {
            bytes: vec![0; ring_bytes].into_boxed_slice(),
            head: 0,
            len: 0,
            dropped: 0,
        };
        Self {
            level_max,
            sink,
            ring: Mutex::new(ring),
        }
    }

    /// Takes one line.
    pub fn log(&self, level: Level, message: fmt::Arguments<'_>) {
        if level > self.level_max {
            return;
        }
        let mut line = Line {
            bytes: [0; LINE_BYTES_MAX],
            len: 0,
        };
        // A line that does not fit is cut: the only error there can be.
        let _ = write!(line, "{}: {message}", level.name());
        self.ring
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(line.as_str().as_bytes());
        if let Some(sink) = &self.sink {
            sink.line(level, line.as_str());
        }
    }

    /// Moves as many whole lines as fit to `text`, oldest first, each ended by a line feed. Returns
    /// the bytes written and how many lines were lost since the last read.
    pub fn read(&self, text: &mut [u8]) -> (usize, u64) {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let mut written = 0;
        while let Some(line_len) = ring.front_len() {
            if written + line_len + 1 > text.len() {
                break;
            }
            ring.pop(Some(&mut text[written..written + line_len]));
            text[written + line_len] = b'\n';
            written += line_len + 1;
        }
        (written, core::mem::take(&mut ring.dropped))
    }
}

impl fmt::Debug for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Diagnostics")
            .field("level_max", &self.level_max)
            .finish_non_exhaustive()
    }
}

impl Ring {
    fn push(&mut self, line: &[u8]) {
        let needed = line.len() + 2;
        if needed > self.bytes.len() {
            self.dropped += 1;
            return;
        }
        while self.bytes.len() - self.len < needed {
            self.pop(None);
            self.dropped += 1;
        }
        let line_len = u16::try_from(line.len()).expect("a line is at most LINE_BYTES_MAX");
        for &byte in line_len.to_le_bytes().iter().chain(line) {
            let tail = (self.head + self.len) % self.bytes.len();
            self.bytes[tail] = byte;
            self.len += 1;
        }
    }

    /// Bytes of the oldest line.
    fn front_len(&self) -> Option<usize> {
        if self.len == 0 {
            return None;
        }
        let next = (self.head + 1) % self.bytes.len();
        let line_len = u16::from_le_bytes([self.bytes[self.head], self.bytes[next]]);
        Some(usize::from(line_len))
    }

    /// Removes the oldest line, copying it to `out`, which is as long.
    fn pop(&mut self, out: Option<&mut [u8]>) {
        let line_len = self.front_len().expect("asked for only where a line is");
        if let Some(out) = out {
            for (index, byte) in out.iter_mut().enumerate() {
                *byte = self.bytes[(self.head + 2 + index) % self.bytes.len()];
            }
        }
        self.head = (self.head + 2 + line_len) % self.bytes.len();
        self.len -= 2 + line_len;
    }
}

struct Line {
    bytes: [u8; LINE_BYTES_MAX],
    len: usize,
}

impl Line {
    fn as_str(&self) -> &str {
        // Only whole characters are copied in, so this never falls back.
        core::str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut end = text.len().min(LINE_BYTES_MAX - self.len);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.bytes[self.len..self.len + end].copy_from_slice(&text.as_bytes()[..end]);
        self.len += end;
        if end == text.len() {
            Ok(())
        } else {
            Err(fmt::Error)
        }
    }
}

#[cfg(test)]
mod tests;
