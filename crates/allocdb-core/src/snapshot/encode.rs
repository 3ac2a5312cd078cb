//! Writing a snapshot: a walk over the state by handle, streamed through one small buffer.
//!
//! Pure and allocation-free, so a writer may take its time while others read.

use super::{
    HEADER_CRC_OFFSET, HOST_POSITION_BYTES_MAX, Header, OPERATION_BYTES, Overrides,
    RESERVATION_BYTES, RESOURCE_BYTES, SECTION_KINDS, SnapshotInfo, TRAILER_BYTES, TRAILER_MAGIC,
};
use crate::bytes::Writer;
use crate::slab::{Handle, Record, Slab};
use crate::state::State;
use crate::state::record::{OperationRecord, ReservationRecord, ResourceRecord};
use crate::stream::ByteSink;

/// It lies on the stack of whoever checkpoints, which may be a thread of 64 KiB, and the compiler
/// may keep it twice while it is made.
const BUFFER_BYTES: usize = 8 * 1024;

const _: () = assert!(HOST_POSITION_BYTES_MAX as usize <= BUFFER_BYTES);

/// Writes the state to `sink` and tells what was written.
pub fn encode<S: ByteSink>(state: &State, sink: &mut S) -> Result<SnapshotInfo, S::Error> {
    encode_with_host_position(state, &[], sink)
}

/// Writes the state together with the position that a host keeps which orders the log elsewhere:
/// opaque bytes, at most [`HOST_POSITION_BYTES_MAX`], read back by [`super::host_position`].
pub fn encode_with_host_position<S: ByteSink>(
    state: &State,
    host_position: &[u8],
    sink: &mut S,
) -> Result<SnapshotInfo, S::Error> {
    encode_as(state, &Overrides::none(state), host_position, sink)
}

/// Writes the state as that of another configuration or at a later position: what reads it back
/// has the same history in larger tables (R95), or in another database (R100, R101).
pub fn encode_as<S: ByteSink>(
    state: &State,
    overrides: &Overrides,
    host_position: &[u8],
    sink: &mut S,
) -> Result<SnapshotInfo, S::Error> {
    assert!(
        overrides.suit(state),
        "a state grows or moves, and loses nothing"
    );
    let header = header_of(state, overrides, host_position);
    let body_lens = header.body_lens();
    let mut out = Output::new(sink);
    let block = header.encode();
    out.write(&block)?;
    out.take_checksum(&block[HEADER_CRC_OFFSET..]);
    for (kind, body_len) in SECTION_KINDS.into_iter().zip(body_lens) {
        out.begin_section(kind, body_len)?;
        let start = out.position;
        match kind {
            1 => out.write(host_position)?,
            2 => records(&state.resources, &mut out, encode_resource)?,
            3 => records(&state.reservations, &mut out, encode_reservation)?,
            4 => records(&state.operations, &mut out, encode_operation)?,
            5 => free_lists(state, &mut out)?,
            _ => queues(state, &mut out)?,
        }
        assert!(
            out.position - start == body_len,
            "a section is as long as its header says"
        );
        out.end_section()?;
    }
    let crc = out.finish(header.file_len())?;
    Ok(header.info(crc))
}

fn header_of(state: &State, overrides: &Overrides, host_position: &[u8]) -> Header {
    let host_position_len = u32::try_from(host_position.len()).unwrap_or(u32::MAX);
    assert!(
        host_position_len <= HOST_POSITION_BYTES_MAX,
        "a host's position is bounded"
    );
    let queue_len = u32::try_from(state.reservation_queue.len()).expect("bounded by a capacity");
    assert!(
        state.operation_queue.len() == state.operations.used_count() as usize,
        "every operation waits to retire"
    );
    Header {
        config: overrides.config,
        last_lsn: overrides.last_lsn,
        last_slot: state.last_slot,
        retired_watermark: state.retired_watermark,
        digest: state.digest.lanes,
        used: [
            state.resources.used_count(),
            state.reservations.used_count(),
            state.operations.used_count(),
        ],
        fresh: [
            state.resources.fresh_count(),
            state.reservations.fresh_count(),
            state.operations.fresh_count(),
        ],
        reservation_queue_len: queue_len,
        host_position_len,
    }
}

/// Buffers, counts and checksums what goes to the sink.
struct Output<'a, S> {
    sink: &'a mut S,
    buffer: [u8; BUFFER_BYTES],
    buffer_len: usize,
    position: u64,
    file_crc: u32,
    section_crc: u32,
}

impl<'a, S: ByteSink> Output<'a, S> {
    fn new(sink: &'a mut S) -> Self {
        let buffer = [0; BUFFER_BYTES];
        Self {
            sink,
            buffer,
            buffer_len: 0,
            position: 0,
            file_crc: 0,
            section_crc: 0,
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), S::Error> {
        if bytes.len() > BUFFER_BYTES - self.buffer_len {
            self.flush()?;
        }
        assert!(
            bytes.len() <= BUFFER_BYTES - self.buffer_len,
            "pieces are small"
        );
        self.buffer[self.buffer_len..self.buffer_len + bytes.len()].copy_from_slice(bytes);
        self.buffer_len += bytes.len();
        self.position += bytes.len() as u64;
        Ok(())
    }

    /// Checksums the buffer and hands it on.
    fn flush(&mut self) -> Result<(), S::Error> {
        let bytes = &self.buffer[..self.buffer_len];
        self.section_crc = crc32c::crc32c_append(self.section_crc, bytes);
        self.buffer_len = 0;
        self.sink.write(bytes)
    }

    /// Takes the checksum of a part into that of the whole.
    fn take_checksum(&mut self, crc: &[u8]) {
        self.file_crc = crc32c::crc32c_append(self.file_crc, crc);
    }

    fn begin_section(&mut self, kind: u32, body_len: u64) -> Result<(), S::Error> {
        self.flush()?;
        self.section_crc = 0;
        self.write(&kind.to_le_bytes())?;
        self.write(&[0; 4])?;
        self.write(&body_len.to_le_bytes())
    }

    fn end_section(&mut self) -> Result<(), S::Error> {
        self.flush()?;
        let crc = self.section_crc.to_le_bytes();
        self.take_checksum(&crc);
        self.write(&crc)?;
        self.write(&[0; 4])
    }

    fn finish(mut self, file_len: u64) -> Result<u32, S::Error> {
        self.flush()?;
        self.section_crc = self.file_crc;
        self.write(&TRAILER_MAGIC)?;
        self.write(&file_len.to_le_bytes())?;
        self.write(&[0; 4])?;
        self.flush()?;
        let crc = self.section_crc;
        self.write(&crc.to_le_bytes())?;
        assert!(
            self.position == file_len,
            "the whole is as long as its trailer says"
        );
        self.flush()?;
        Ok(crc)
    }
}

const _: () = assert!(TRAILER_BYTES == 8 + 8 + 4 + 4);

fn records<T: Record, S: ByteSink, const N: usize>(
    slab: &Slab<T>,
    out: &mut Output<'_, S>,
    encode: fn(Handle, &T) -> [u8; N],
) -> Result<(), S::Error> {
    for handle in (0..slab.fresh_count()).map(Handle) {
        if let Some(record) = slab.used(handle) {
            out.write(&encode(handle, record))?;
        }
    }
    Ok(())
}

fn encode_resource(handle: Handle, record: &ResourceRecord) -> [u8; RESOURCE_BYTES] {
    let mut out = [0; RESOURCE_BYTES];
    let mut writer = Writer::new(&mut out);
    writer.u32(handle.0);
    writer.u32(record.reservation.0);
    writer.u32(record.next_in_bundle.0);
    writer.u32(0);
    writer.u128(record.resource_id);
    writer.u64(record.version);
    assert!(writer.room() == 0, "the record's layout is fixed");
    out
}

fn encode_reservation(handle: Handle, record: &ReservationRecord) -> [u8; RESERVATION_BYTES] {
    let mut out = [0; RESERVATION_BYTES];
    let mut writer = Writer::new(&mut out);
    writer.u32(handle.0);
    writer.u32(record.links.previous.0);
    writer.u32(record.links.next.0);
    writer.u32(record.first_resource.0);
    writer.u16(record.resource_count);
    writer.u8(record.state as u8);
    writer.bytes(&[0; 5]);
    writer.u128(record.holder_id);
    writer.u128(record.first_resource_id);
    writer.u64(record.lsn.0);
    writer.u64(record.deadline_slot.0);
    writer.u64(record.ended_lsn.0);
    writer.u64(record.retire_after_slot.0);
    assert!(writer.room() == 0, "the record's layout is fixed");
    out
}

fn encode_operation(handle: Handle, record: &OperationRecord) -> [u8; OPERATION_BYTES] {
    let mut out = [0; OPERATION_BYTES];
    let mut writer = Writer::new(&mut out);
    writer.u32(handle.0);
    writer.u16(record.failed_index);
    writer.u8(record.code as u8);
    writer.u8(0);
    writer.u128(record.operation_id);
    writer.u64(record.fingerprint);
    writer.u64(record.reservation_lsn.0);
    writer.u64(record.deadline_slot.0);
    writer.u64(record.applied_lsn.0);
    writer.u64(record.retire_after_slot.0);
    assert!(writer.room() == 0, "the record's layout is fixed");
    out
}

fn free_lists<S: ByteSink>(state: &State, out: &mut Output<'_, S>) -> Result<(), S::Error> {
    for handle in state.resources.free_handles() {
        out.write(&handle.0.to_le_bytes())?;
    }
    for handle in state.reservations.free_handles() {
        out.write(&handle.0.to_le_bytes())?;
    }
    for handle in state.operations.free_handles() {
        out.write(&handle.0.to_le_bytes())?;
    }
    Ok(())
}

fn queues<S: ByteSink>(state: &State, out: &mut Output<'_, S>) -> Result<(), S::Error> {
    for queue in [&state.reservation_queue, &state.operation_queue] {
        for index in 0..queue.len() {
            let handle = queue.at(index).expect("below the length");
            out.write(&handle.0.to_le_bytes())?;
        }
    }
    Ok(())
}
