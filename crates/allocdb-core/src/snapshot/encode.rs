//! Writing a snapshot: a walk over the state by handle, in pieces that fit a caller's buffer.
//!
//! A snapshot of a state that nothing changes meanwhile is written front to back. One in slices
//! ([`Slices`]) is of the moment at which it began: between two pieces commands may be applied, and
//! what they change is kept as it was, in bounded memory. It writes the queues and the free lists
//! first, though they come last in the file, because every record that is reused takes a link out
//! of a free list: once those are written, only what lies ahead of the walk has to be kept.
//!
//! Allocation-free, so a writer may take its time while others read.

use super::{
    HEADER_BYTES, HEADER_CRC_OFFSET, HOST_POSITION_BYTES_MAX, Header, OPERATION_BYTES, Overrides,
    RESERVATION_BYTES, RESOURCE_BYTES, SECTION_HEADER_BYTES, SECTION_KINDS, SECTION_TRAILER_BYTES,
    SnapshotInfo, TRAILER_BYTES, TRAILER_MAGIC,
};
use crate::bytes::Writer;
use crate::slab::{Handle, Record, Slab};
use crate::state::State;
use crate::state::record::{OperationRecord, ReservationRecord, ResourceRecord};
use crate::stream::ByteSink;

/// It lies on the stack of whoever checkpoints, which may be a thread of 64 KiB, and the compiler
/// may keep it twice while it is made.
const BUFFER_BYTES: usize = 8 * 1024;
/// The least that [`Slices::next_piece`] needs.
pub const PIECE_BYTES_MIN: usize = HEADER_BYTES;

const _: () = assert!(PIECE_BYTES_MIN <= BUFFER_BYTES);
const _: () = assert!(
    RESERVATION_BYTES as u64 + SECTION_HEADER_BYTES + SECTION_TRAILER_BYTES
        <= PIECE_BYTES_MIN as u64,
    "every piece gets on"
);

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
    let mut walk = Walk::new(state, header, false);
    let mut buffer = [0; BUFFER_BYTES];
    let mut position = 0;
    while let Some(piece) = walk.next_piece(state, host_position, &mut buffer) {
        assert!(piece.offset == position, "it is written front to back");
        sink.write(&buffer[..piece.len])?;
        position += piece.len as u64;
    }
    Ok(walk.info())
}

/// A snapshot of the moment at which it began, in slices between which commands are applied.
#[derive(Debug)]
pub struct Slices {
    walk: Walk,
}

/// Where a piece belongs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Piece {
    /// Its place in the file.
    pub offset: u64,
    /// How much of the buffer it fills; may be nothing.
    pub len: usize,
}

impl Slices {
    /// Begins a snapshot of `state` as it is. Until [`Slices::end`] the state keeps what it was.
    #[must_use]
    pub fn begin(state: &mut State) -> Self {
        let header = header_of(state, &Overrides::none(state), &[]);
        state.begin_before_images();
        let walk = Walk::new(state, header, true);
        Self { walk }
    }

    /// Fills `out`, of at least [`PIECE_BYTES_MIN`] bytes, with the next piece. `None` when all are
    /// written. The same state, and not one that [`State::has_lost_before_images`].
    pub fn next_piece(&mut self, state: &State, out: &mut [u8]) -> Option<Piece> {
        assert!(!state.has_lost_before_images(), "what is written is known");
        self.walk.next_piece(state, &[], out)
    }

    /// Lets the state forget what is written.
    pub fn release(&self, state: &mut State) {
        self.walk.release(state);
    }

    /// Ends it, written whole or not: the state keeps nothing any more.
    pub fn end(self, state: &mut State) {
        state.end_before_images();
    }

    /// What was written, once all is.
    #[must_use]
    pub fn info(&self) -> SnapshotInfo {
        self.walk.info()
    }
}

/// A record is looked at for so many bytes of a piece; a free one writes none, a link four.
const BYTES_PER_LOOK: usize = 16;

/// Sections by their place in the file.
const FILE_ORDER: [usize; 6] = [0, 1, 2, 3, 4, 5];
/// Of the records the reservations first: a commit changes most of them.
const SLICE_ORDER: [usize; 6] = [5, 4, 0, 2, 1, 3];
const HOST_POSITION: usize = 0;
const RESOURCES: usize = 1;
const RESERVATIONS: usize = 2;
const OPERATIONS: usize = 3;
const FREE_LISTS: usize = 4;
const QUEUES: usize = 5;

/// How far a snapshot is written.
#[derive(Debug)]
struct Walk {
    header: Header,
    free_heads: [Handle; 3],
    /// Of the state as it was, not as it is.
    is_sliced: bool,
    order: &'static [usize; 6],
    /// Checksums of the header and the sections, in the file's order.
    crcs: [u32; 7],
    has_header: bool,
    has_trailer: bool,
    /// Sections written whole, of `order`.
    done_count: usize,
    /// Bytes of the one under way, its own header included.
    section_bytes: u64,
    /// The table or queue of the section under way.
    part: usize,
    /// The next handle in it, or index.
    next: u32,
    crc: u32,
}

impl Walk {
    fn new(state: &State, header: Header, is_sliced: bool) -> Self {
        Self {
            header,
            is_sliced,
            order: if is_sliced { &SLICE_ORDER } else { &FILE_ORDER },
            free_heads: [
                state.resources.free_head(),
                state.reservations.free_head(),
                state.operations.free_head(),
            ],
            crcs: [0; 7],
            has_header: false,
            has_trailer: false,
            done_count: 0,
            section_bytes: 0,
            part: 0,
            next: 0,
            crc: 0,
        }
    }

    fn info(&self) -> SnapshotInfo {
        assert!(self.has_trailer, "it is written whole");
        self.header.info(self.crc)
    }

    fn next_piece(&mut self, state: &State, host_position: &[u8], out: &mut [u8]) -> Option<Piece> {
        assert!(out.len() >= PIECE_BYTES_MIN, "a piece has room");
        if !self.has_header {
            return Some(self.put_header(out));
        }
        let Some(&section) = self.order.get(self.done_count) else {
            return (!self.has_trailer).then(|| self.put_trailer(out));
        };
        let (section_begin, body_len) = self.header.section(section);
        let offset = section_begin + self.section_bytes;
        let mut writer = Writer::new(out);
        if self.section_bytes == 0 {
            self.begin_section(section, body_len, &mut writer);
        }
        let is_whole = self.put_body(state, section, host_position, &mut writer);
        let body_end = writer.position();
        self.section_bytes += body_end as u64;
        self.crc = crc32c::crc32c_append(self.crc, &out[..body_end]);
        if !is_whole || ((out.len() - body_end) as u64) < SECTION_TRAILER_BYTES {
            return Some(Piece {
                offset,
                len: body_end,
            });
        }
        assert!(
            self.section_bytes == SECTION_HEADER_BYTES + body_len,
            "a section is as long as its header says"
        );
        let len = self.end_section(section, out, body_end);
        Some(Piece { offset, len })
    }

    fn put_header(&mut self, out: &mut [u8]) -> Piece {
        let block = self.header.encode();
        out[..HEADER_BYTES].copy_from_slice(&block);
        let (_, crc) = block.split_at(HEADER_CRC_OFFSET);
        self.crcs[0] = u32::from_le_bytes(crc.try_into().expect("its last four bytes"));
        self.has_header = true;
        Piece {
            offset: 0,
            len: HEADER_BYTES,
        }
    }

    fn begin_section(&mut self, section: usize, body_len: u64, writer: &mut Writer<'_>) {
        self.crc = 0;
        self.part = 0;
        self.next = if section == FREE_LISTS {
            self.free_heads[0].0
        } else {
            0
        };
        writer.u32(SECTION_KINDS[section]);
        writer.u32(0);
        writer.u64(body_len);
    }

    /// Writes the section's checksum behind its end.
    fn end_section(&mut self, section: usize, out: &mut [u8], body_end: usize) -> usize {
        let mut writer = Writer::new(&mut out[body_end..]);
        writer.u32(self.crc);
        writer.u32(0);
        self.crcs[1 + section] = self.crc;
        self.done_count += 1;
        self.section_bytes = 0;
        body_end + writer.position()
    }

    fn put_trailer(&mut self, out: &mut [u8]) -> Piece {
        let file_len = self.header.file_len();
        let mut writer = Writer::new(out);
        writer.bytes(&TRAILER_MAGIC);
        writer.u64(file_len);
        writer.u32(0);
        let covered = writer.position();
        let crc_of = |crc, bytes: &[u8]| crc32c::crc32c_append(crc, bytes);
        let crcs = self.crcs.iter();
        let crc = crcs.fold(0, |crc, part| crc_of(crc, &part.to_le_bytes()));
        self.crc = crc_of(crc, &out[..covered]);
        out[covered..TRAILER_BYTES].copy_from_slice(&self.crc.to_le_bytes());
        self.has_trailer = true;
        Piece {
            offset: file_len - TRAILER_BYTES as u64,
            len: TRAILER_BYTES,
        }
    }

    /// Writes as much of the section's body as fits. Whether it is whole now.
    fn put_body(
        &mut self,
        state: &State,
        section: usize,
        host_position: &[u8],
        writer: &mut Writer<'_>,
    ) -> bool {
        match section {
            HOST_POSITION => {
                let rest = &host_position[self.next as usize..];
                let fits = &rest[..rest.len().min(writer.room())];
                writer.bytes(fits);
                self.next += narrow(fits.len());
                self.next == self.header.host_position_len
            }
            RESOURCES => self.put_records(&state.resources, 0, writer, encode_resource),
            RESERVATIONS => self.put_records(&state.reservations, 1, writer, encode_reservation),
            OPERATIONS => self.put_records(&state.operations, 2, writer, encode_operation),
            FREE_LISTS => self.put_free_lists(state, writer),
            _ => self.put_queues(state, writer),
        }
    }

    fn put_records<T: Record, const N: usize>(
        &mut self,
        slab: &Slab<T>,
        table: usize,
        writer: &mut Writer<'_>,
        encode: fn(Handle, &T) -> [u8; N],
    ) -> bool {
        let fresh_count = self.header.fresh[table];
        let end = fresh_count.min(self.next + look_count(writer));
        while self.next < end && writer.room() >= N {
            let handle = Handle(self.next);
            let record = self.record(slab, handle);
            if record.is_used() {
                writer.bytes(&encode(handle, record));
            }
            self.next += 1;
        }
        self.next == fresh_count
    }

    fn record<'a, T: Record>(&self, slab: &'a Slab<T>, handle: Handle) -> &'a T {
        if self.is_sliced {
            slab.before(handle)
        } else {
            &slab[handle]
        }
    }

    fn put_free_lists(&mut self, state: &State, writer: &mut Writer<'_>) -> bool {
        for _ in 0..look_count(writer) {
            let handle = Handle(self.next);
            if handle.is_none() {
                self.part += 1;
                match self.free_heads.get(self.part) {
                    Some(head) => self.next = head.0,
                    None => return true,
                }
                continue;
            }
            let link = match self.part {
                0 => self.record(&state.resources, handle).free_link(),
                1 => self.record(&state.reservations, handle).free_link(),
                _ => self.record(&state.operations, handle).free_link(),
            };
            writer.u32(handle.0);
            self.next = link.0;
        }
        self.part == self.free_heads.len()
    }

    fn put_queues(&mut self, state: &State, writer: &mut Writer<'_>) -> bool {
        let queues = [&state.reservation_queue, &state.operation_queue];
        let lens = [self.header.reservation_queue_len, self.header.used[2]];
        while self.part < queues.len() {
            while self.next < lens[self.part] {
                if writer.room() < size_of::<Handle>() {
                    return false;
                }
                let (queue, index) = (queues[self.part], self.next as usize);
                let handle = if self.is_sliced {
                    queue.before(index)
                } else {
                    queue.at(index).expect("below the length")
                };
                writer.u32(handle.0);
                self.next += 1;
            }
            (self.part, self.next) = (self.part + 1, 0);
        }
        true
    }

    fn release(&self, state: &mut State) {
        let (done, rest) = self.order.split_at(self.done_count);
        // How far a section is written, as a place in the table or queue that it walks over.
        let reached = |section| match rest.first() {
            _ if done.contains(&section) => u32::MAX,
            Some(&first) if first == section && self.section_bytes > 0 => self.next,
            _ => 0,
        };
        if done.contains(&FREE_LISTS) {
            state.resources.pass_before_images(reached(RESOURCES));
            state.reservations.pass_before_images(reached(RESERVATIONS));
            state.operations.pass_before_images(reached(OPERATIONS));
        }
        if done.contains(&QUEUES) {
            state.reservation_queue.pass_before_images();
            state.operation_queue.pass_before_images();
        }
    }
}

/// How many records a piece looks at, at most: most of them may be free, and write nothing.
fn look_count(writer: &Writer<'_>) -> u32 {
    narrow(writer.room() / BYTES_PER_LOOK)
}

/// A part of a piece, or a table's length.
fn narrow(count: usize) -> u32 {
    u32::try_from(count).expect("bounded by a capacity, or by a piece")
}

fn header_of(state: &State, overrides: &Overrides, host_position: &[u8]) -> Header {
    let host_position_len = u32::try_from(host_position.len()).unwrap_or(u32::MAX);
    assert!(
        host_position_len <= HOST_POSITION_BYTES_MAX,
        "a host's position is bounded"
    );
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
        reservation_queue_len: narrow(state.reservation_queue.len()),
        host_position_len,
    }
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

pub(super) fn encode_reservation(
    handle: Handle,
    record: &ReservationRecord,
) -> [u8; RESERVATION_BYTES] {
    let mut out = [0; RESERVATION_BYTES];
    let mut writer = Writer::new(&mut out);
    writer.u32(handle.0);
    let links = record.links();
    writer.u32(links.previous.0);
    writer.u32(links.next.0);
    writer.u32(record.first_resource.0);
    writer.u16(record.resource_count);
    writer.u8(record.state() as u8);
    writer.bytes(&[0; 5]);
    writer.u128(record.holder_id);
    writer.u128(record.first_resource_id);
    writer.u64(record.lsn.0);
    writer.u64(record.deadline_slot().0);
    writer.u64(record.ended_lsn().0);
    writer.u64(record.retire_after_slot().0);
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
