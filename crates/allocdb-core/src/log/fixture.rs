//! Logs for the tests: commands, frames of chosen sizes, and whole logs with all kinds of frames.
