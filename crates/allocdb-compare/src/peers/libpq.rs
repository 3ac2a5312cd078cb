//! PostgreSQL's C client, as far as it is used: prepared statements, binary in and out.
//!
//! Every other client adds work of its own to each command; this is the one that PostgreSQL's own
//! benchmark program uses.

use std::ffi::{CStr, CString, c_char, c_int};
use std::ptr;

use pq_sys as pq;

use crate::job::Failure;

/// A connection.
pub(super) struct Connection(*mut pq::PGconn);

/// The rows of an answer.
pub(super) struct Rows(*mut pq::PGresult);

const BINARY: c_int = 1;

impl Connection {
    pub(super) fn open(target: &str) -> Result<Self, Failure> {
        let target = CString::new(target)?;
        // SAFETY: a text with its NUL; the answer is never NULL but for a lack of memory.
        let connection = Self(unsafe { pq::PQconnectdb(target.as_ptr()) });
        // SAFETY: what PQconnectdb returned, NULL included.
        if unsafe { pq::PQstatus(connection.0) } == pq::ConnStatusType::CONNECTION_OK {
            Ok(connection)
        } else {
            Err(connection.message())
        }
    }

    fn message(&self) -> Failure {
        // SAFETY: a text with its NUL, also for NULL.
        let text = unsafe { CStr::from_ptr(pq::PQerrorMessage(self.0)) };
        text.to_string_lossy().trim().to_owned().into()
    }

    /// Runs statements without parameters.
    pub(super) fn run(&self, text: &str) -> Result<(), Failure> {
        let text = CString::new(text)?;
        // SAFETY: an open connection, a text with its NUL.
        self.check(unsafe { pq::PQexec(self.0, text.as_ptr()) })
            .map(drop)
    }

    /// Makes `name` stand for a statement whose parameters have the types that it casts them to.
    pub(super) fn prepare(&self, name: &CStr, text: &str) -> Result<(), Failure> {
        let text = CString::new(text)?;
        // SAFETY: as above; no types are given.
        let result = unsafe { pq::PQprepare(self.0, name.as_ptr(), text.as_ptr(), 0, ptr::null()) };
        self.check(result).map(drop)
    }

    /// Runs a prepared statement; parameters and answer are binary.
    pub(super) fn execute(&self, name: &CStr, parameters: &[&[u8]]) -> Result<Rows, Failure> {
        let mut values: [*const c_char; 8] = [ptr::null(); 8];
        let (mut lens, formats): ([c_int; 8], [c_int; 8]) = ([0; 8], [BINARY; 8]);
        for (index, parameter) in parameters.iter().enumerate() {
            values[index] = parameter.as_ptr().cast();
            lens[index] = c_int::try_from(parameter.len())?;
        }
        // SAFETY: as many values, lengths and formats as are told, all alive during the call.
        self.check(unsafe {
            pq::PQexecPrepared(
                self.0,
                name.as_ptr(),
                c_int::try_from(parameters.len())?,
                values.as_ptr(),
                lens.as_ptr(),
                formats.as_ptr(),
                BINARY,
            )
        })
    }

    /// The single number that a query answers.
    pub(super) fn number(&self, text: &str) -> Result<u64, Failure> {
        let text = CString::new(text)?;
        // SAFETY: an open connection, a text with its NUL.
        let rows = self.check(unsafe { pq::PQexec(self.0, text.as_ptr()) })?;
        Ok(std::str::from_utf8(rows.value(0, 0))?.parse()?)
    }

    fn check(&self, result: *mut pq::PGresult) -> Result<Rows, Failure> {
        let rows = Rows(result);
        // SAFETY: what a call returned, NULL included.
        match unsafe { pq::PQresultStatus(rows.0) } {
            pq::ExecStatusType::PGRES_TUPLES_OK | pq::ExecStatusType::PGRES_COMMAND_OK => Ok(rows),
            _ => Err(self.message()),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: ours, once.
        unsafe { pq::PQfinish(self.0) };
    }
}

impl Rows {
    pub(super) fn count(&self) -> usize {
        // SAFETY: a result.
        usize::try_from(unsafe { pq::PQntuples(self.0) }).unwrap_or(0)
    }

    pub(super) fn value(&self, row: usize, column: usize) -> &[u8] {
        let row = c_int::try_from(row).expect("a row of an answer");
        let column = c_int::try_from(column).expect("a column of an answer");
        // SAFETY: libpq answers for a row or column beyond with NULL and 0; what it points to lives
        // as long as the result, which is borrowed.
        unsafe {
            let value = pq::PQgetvalue(self.0, row, column);
            let len = usize::try_from(pq::PQgetlength(self.0, row, column)).unwrap_or(0);
            if value.is_null() {
                return &[];
            }
            std::slice::from_raw_parts(value.cast(), len)
        }
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        // SAFETY: ours, once.
        unsafe { pq::PQclear(self.0) };
    }
}
