//! Reading a snapshot back: first every length and checksum, then every record, then every
//! invariant.
//!
//! The first pass reserves nothing but one buffer of fixed size. What the second builds is judged
//! whole before it is handed out: a snapshot that fails is refused, never patched.

use super::rebuild::{restore_indexes, restore_wheel};
use super::{
    HEADER_BYTES, HEADER_CRC_OFFSET, HOST_POSITION_BYTES_MAX, Header, OPERATION_BYTES,
    RESERVATION_BYTES, RESOURCE_BYTES, SECTION_HEADER_BYTES, SECTION_KINDS, SECTION_TRAILER_BYTES,
    SnapshotError, SnapshotInfo, TRAILER_BYTES, TRAILER_MAGIC, section_crc,
};
use crate::bytes::Reader;
use crate::hash::Digest;
use crate::ids::{Lsn, Slot};
use crate::outcome::ResultCode;
use crate::retire_queue::RetireQueue;
use crate::slab::{Handle, Record, Slab};
use crate::state::record::{
    OperationRecord, ReservationRecord, ReservationState, ResourceRecord, Standing,
};
use crate::state::{Broken, State};
use crate::stream::ByteSource;
use crate::wheel::Links;

/// Checks every length and checksum without making a state; tells what the snapshot is of.
pub fn verify<S: ByteSource>(source: &mut S) -> Result<SnapshotInfo, SnapshotError<S::Error>> {
    let header = read_header(source)?;
    let crc = verify_sections(source, &header)?;
    Ok(header.info(crc))
}

/// Reads a snapshot: the state, every invariant of which has been checked.
pub fn decode<S: ByteSource>(
    source: &mut S,
) -> Result<(State, SnapshotInfo), SnapshotError<S::Error>> {
    let header = read_header(source)?;
    let crc = verify_sections(source, &header)?;
    let mut state = State::new(header.config).map_err(SnapshotError::State)?;
    restore(source, &header, &mut state)?;
    state.check_restored().map_err(SnapshotError::Broken)?;
    Ok((state, header.info(crc)))
}

/// Checks every length and checksum, and copies what [`super::encode_with_host_position`] was given
/// into `out`; returns its length.
pub fn host_position<S: ByteSource>(
    source: &mut S,
    out: &mut [u8; HOST_POSITION_BYTES_MAX as usize],
) -> Result<usize, SnapshotError<S::Error>> {
    let info = verify(source)?;
    let len = info.host_position_len as usize;
    let start = HEADER_BYTES as u64 + SECTION_HEADER_BYTES;
    source
        .read_at(start, &mut out[..len])
        .map_err(SnapshotError::Source)?;
    Ok(len)
}

fn read_header<S: ByteSource>(source: &mut S) -> Result<Header, SnapshotError<S::Error>> {
    let source_len = source.len().map_err(SnapshotError::Source)?;
    if source_len < (HEADER_BYTES + TRAILER_BYTES) as u64 {
        return Err(SnapshotError::Damaged {
            what: "length",
            offset: source_len,
        });
    }
    let mut bytes = [0; HEADER_BYTES];
    source
        .read_at(0, &mut bytes)
        .map_err(SnapshotError::Source)?;
    let header = Header::decode(&bytes)?;
    if header.file_len() == source_len {
        Ok(header)
    } else {
        Err(SnapshotError::Damaged {
            what: "length",
            offset: source_len,
        })
    }
}

/// Checks the frame and checksum of every section, and the trailer; returns the whole's checksum.
fn verify_sections<S: ByteSource>(
    source: &mut S,
    header: &Header,
) -> Result<u32, SnapshotError<S::Error>> {
    let mut input = Input::new(source, header.file_len());
    let mut file_crc = crc32c::crc32c(&input.take(HEADER_BYTES)?[HEADER_CRC_OFFSET..]);
    for (kind, body_len) in SECTION_KINDS.into_iter().zip(header.body_lens()) {
        let offset = input.position();
        let damaged = |what| SnapshotError::Damaged { what, offset };
        input.section_crc = 0;
        let mut frame = Reader::new(input.take(16)?);
        let frame_holds =
            frame.u32() == Some(kind) && frame.u32() == Some(0) && frame.u64() == Some(body_len);
        if !frame_holds {
            return Err(damaged("section header"));
        }
        input.skip_checked(body_len)?;
        let crc = input.section_crc;
        let mut end = Reader::new(input.take(8)?);
        let stored = end.u32();
        let crc = section_crc(crc, stored);
        if stored != Some(crc) || end.u32() != Some(0) {
            return Err(damaged("section checksum"));
        }
        file_crc = crc32c::crc32c_append(file_crc, &crc.to_le_bytes());
    }
    let offset = input.position();
    let damaged = |what| SnapshotError::Damaged { what, offset };
    input.section_crc = file_crc;
    let mut trailer = Reader::new(input.take(20)?);
    let trailer_holds = trailer.array() == Some(&TRAILER_MAGIC)
        && trailer.u64() == Some(header.file_len())
        && trailer.u32() == Some(0);
    if !trailer_holds {
        return Err(damaged("trailer"));
    }
    let crc = input.section_crc;
    if Reader::new(input.take(4)?).u32() == Some(crc) {
        Ok(crc)
    } else {
        Err(damaged("trailer checksum"))
    }
}

const BUFFER_BYTES: usize = 16 * 1024;
// Pieces asked of the buffer at once.
const _: () = assert!(RESERVATION_BYTES <= BUFFER_BYTES && HEADER_BYTES <= BUFFER_BYTES);

/// Reads a source front to back in blocks, checksumming what it hands out.
struct Input<'a, S> {
    source: &'a mut S,
    source_len: u64,
    /// Where the buffer's unread bytes end in the source.
    loaded: u64,
    buffer: [u8; BUFFER_BYTES],
    start: usize,
    end: usize,
    section_crc: u32,
}

impl<'a, S: ByteSource> Input<'a, S> {
    fn new(source: &'a mut S, source_len: u64) -> Self {
        let buffer = [0; BUFFER_BYTES];
        Self {
            source,
            source_len,
            loaded: 0,
            buffer,
            start: 0,
            end: 0,
            section_crc: 0,
        }
    }

    fn position(&self) -> u64 {
        self.loaded - (self.end - self.start) as u64
    }

    /// The next `len` bytes, at most a buffer's.
    fn take(&mut self, len: usize) -> Result<&[u8], SnapshotError<S::Error>> {
        assert!(len <= BUFFER_BYTES, "pieces are small");
        if self.end - self.start < len {
            self.load()?;
        }
        if self.end - self.start < len {
            return Err(SnapshotError::Damaged {
                what: "length",
                offset: self.loaded,
            });
        }
        let bytes = &self.buffer[self.start..self.start + len];
        self.section_crc = crc32c::crc32c_append(self.section_crc, bytes);
        self.start += len;
        Ok(bytes)
    }

    /// Passes over `len` bytes, checksumming them.
    fn skip_checked(&mut self, mut len: u64) -> Result<(), SnapshotError<S::Error>> {
        while len > 0 {
            let piece = len.min(BUFFER_BYTES as u64 / 2);
            self.take(usize::try_from(piece).unwrap_or(1))?;
            len -= piece;
        }
        Ok(())
    }

    /// Moves what is unread to the front and fills the rest.
    fn load(&mut self) -> Result<(), SnapshotError<S::Error>> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let room = (BUFFER_BYTES - self.end) as u64;
        let len = usize::try_from(room.min(self.source_len - self.loaded)).unwrap_or(0);
        let place = &mut self.buffer[self.end..self.end + len];
        self.source
            .read_at(self.loaded, place)
            .map_err(SnapshotError::Source)?;
        self.loaded += len as u64;
        self.end += len;
        Ok(())
    }

    fn begin_section(&mut self) -> Result<(), SnapshotError<S::Error>> {
        self.skip_checked(SECTION_HEADER_BYTES)
    }

    fn end_section(&mut self) -> Result<(), SnapshotError<S::Error>> {
        self.skip_checked(SECTION_TRAILER_BYTES)
    }

    fn handle(&mut self) -> Result<Handle, SnapshotError<S::Error>> {
        Ok(Handle(Reader::new(self.take(4)?).u32().unwrap_or(u32::MAX)))
    }
}

pub(super) fn broken<T, E>(law: &'static str, handle: Handle) -> Result<T, SnapshotError<E>> {
    Err(SnapshotError::Broken(Broken {
        law,
        handle: handle.0,
    }))
}

fn restore<S: ByteSource>(
    source: &mut S,
    header: &Header,
    state: &mut State,
) -> Result<(), SnapshotError<S::Error>> {
    let input = &mut Input::new(source, header.file_len());
    input.skip_checked(HEADER_BYTES as u64)?;
    restore_scalars(header, state)?;
    input.begin_section()?;
    input.skip_checked(header.host_position_len.into())?;
    input.end_section()?;
    input.begin_section()?;
    restore_records(input, &mut state.resources, header.used[0], decode_resource)?;
    input.end_section()?;
    input.begin_section()?;
    restore_records(
        input,
        &mut state.reservations,
        header.used[1],
        decode_reservation,
    )?;
    input.end_section()?;
    input.begin_section()?;
    restore_records(
        input,
        &mut state.operations,
        header.used[2],
        decode_operation,
    )?;
    input.end_section()?;
    input.begin_section()?;
    restore_free(
        input,
        &mut state.resources,
        header.fresh[0] - header.used[0],
    )?;
    restore_free(
        input,
        &mut state.reservations,
        header.fresh[1] - header.used[1],
    )?;
    restore_free(
        input,
        &mut state.operations,
        header.fresh[2] - header.used[2],
    )?;
    input.end_section()?;
    input.begin_section()?;
    restore_queue(
        input,
        &mut state.reservation_queue,
        header.reservation_queue_len,
    )?;
    restore_queue(input, &mut state.operation_queue, header.used[2])?;
    restore_indexes(state)?;
    restore_wheel(state)
}

fn restore_scalars<E>(header: &Header, state: &mut State) -> Result<(), SnapshotError<E>> {
    if header.last_slot > header.config.slot_max() {
        return broken("the last slot is within bounds", Handle::NONE);
    }
    if header.last_lsn > Lsn::MAX {
        return broken("the last position is within bounds", Handle::NONE);
    }
    if header.retired_watermark > header.last_lsn {
        return broken("what retired was logged", Handle::NONE);
    }
    let fits = state.resources.restore_fresh(header.fresh[0])
        && state.reservations.restore_fresh(header.fresh[1])
        && state.operations.restore_fresh(header.fresh[2]);
    assert!(
        fits,
        "the header's counts were checked against its capacities"
    );
    state.last_lsn = header.last_lsn;
    state.last_slot = header.last_slot;
    state.retired_watermark = header.retired_watermark;
    state.digest = Digest {
        lanes: header.digest,
    };
    state.wheel.restore_slot(header.last_slot);
    Ok(())
}

fn restore_records<S: ByteSource, T: Record, const N: usize>(
    input: &mut Input<'_, S>,
    slab: &mut Slab<T>,
    count: u32,
    decode: fn(&[u8; N]) -> Option<(Handle, T)>,
) -> Result<(), SnapshotError<S::Error>> {
    let mut next = 0;
    for _ in 0..count {
        let bytes = input
            .take(N)?
            .first_chunk()
            .expect("as many bytes as asked for");
        let Some((handle, record)) = decode(bytes) else {
            return broken(
                "a record has the values that a record can have",
                Handle(next),
            );
        };
        if handle.0 < next || !record.is_used() || !slab.restore_record(handle, record) {
            return broken("records stand in the order of their handles", handle);
        }
        next = handle.0 + 1;
    }
    Ok(())
}

fn decode_resource(bytes: &[u8; RESOURCE_BYTES]) -> Option<(Handle, ResourceRecord)> {
    let mut reader = Reader::new(bytes);
    let handle = Handle(reader.u32()?);
    let reservation = Handle(reader.u32()?);
    let next_in_bundle = Handle(reader.u32()?);
    let is_zero = reader.u32()? == 0;
    let (resource_id, version) = (reader.u128()?, reader.u64()?);
    let record = ResourceRecord {
        resource_id,
        version,
        reservation,
        next_in_bundle,
    };
    is_zero.then_some((handle, record))
}

pub(super) fn decode_reservation(
    bytes: &[u8; RESERVATION_BYTES],
) -> Option<(Handle, ReservationRecord)> {
    let mut reader = Reader::new(bytes);
    let handle = Handle(reader.u32()?);
    let links = Links {
        previous: Handle(reader.u32()?),
        next: Handle(reader.u32()?),
    };
    let first_resource = Handle(reader.u32()?);
    let resource_count = reader.u16()?;
    let state = ReservationState::from_number(reader.u8()?)?;
    let is_zero = reader.slice(5)? == [0; 5];
    let mut record = ReservationRecord::EMPTY;
    record.holder_id = reader.u128()?;
    record.first_resource_id = reader.u128()?;
    record.lsn = Lsn(reader.u64()?);
    record.first_resource = first_resource;
    record.resource_count = resource_count;
    let deadline_slot = Slot(reader.u64()?);
    let ended_lsn = Lsn(reader.u64()?);
    let retire_after_slot = Slot(reader.u64()?);
    record.stand(match state {
        ReservationState::Reserved => Standing::Reserved {
            deadline_slot,
            links,
        },
        ReservationState::Confirmed => Standing::Confirmed,
        ReservationState::Revoking => Standing::Revoking,
        state => Standing::Ended {
            state,
            ended_lsn,
            retire_after_slot,
        },
    });
    // What its state has no place for is empty.
    let is_canonical = record.links() == links
        && record.deadline_slot() == deadline_slot
        && record.ended_lsn() == ended_lsn
        && record.retire_after_slot() == retire_after_slot;
    (is_zero && is_canonical).then_some((handle, record))
}

fn decode_operation(bytes: &[u8; OPERATION_BYTES]) -> Option<(Handle, OperationRecord)> {
    let mut reader = Reader::new(bytes);
    let handle = Handle(reader.u32()?);
    let failed_index = reader.u16()?;
    let code = ResultCode::from_number(reader.u8()?)?;
    let is_zero = reader.u8()? == 0;
    let record = OperationRecord {
        operation_id: reader.u128()?,
        fingerprint: reader.u64()?,
        reservation_lsn: Lsn(reader.u64()?),
        deadline_slot: Slot(reader.u64()?),
        applied_lsn: Lsn(reader.u64()?),
        retire_after_slot: Slot(reader.u64()?),
        // Set when the index is restored.
        hash: 0,
        failed_index,
        code,
    };
    is_zero.then_some((handle, record))
}

fn restore_free<S: ByteSource, T: Record>(
    input: &mut Input<'_, S>,
    slab: &mut Slab<T>,
    count: u32,
) -> Result<(), SnapshotError<S::Error>> {
    let mut last = Handle::NONE;
    for _ in 0..count {
        let handle = input.handle()?;
        if !slab.restore_free(last, handle) {
            return broken("every unused record is free exactly once", handle);
        }
        last = handle;
    }
    // Before anything follows the list: a repetition would lead round in circles.
    if slab.free_list_is_whole() {
        Ok(())
    } else {
        broken("every unused record is free exactly once", last)
    }
}

fn restore_queue<S: ByteSource>(
    input: &mut Input<'_, S>,
    queue: &mut RetireQueue,
    count: u32,
) -> Result<(), SnapshotError<S::Error>> {
    for _ in 0..count {
        let handle = input.handle()?;
        if handle.is_none() {
            return broken("only records wait to retire", handle);
        }
        queue.push(handle);
    }
    Ok(())
}
