//! Logs: whatever bytes a log file has, the scan answers, and what it accepts can be relied on.
//!
//! The bytes are the file itself, or its frames behind a sound file header, or *orders*: frames of
//! commands, markers and seals, each under right checksums and in its place, then fields of them
//! overwritten with the checksums made right again, or bytes changed without. Without orders no
//! fuzzer gets past two checksums.
//!
//! The laws, where the scan accepts: the frames that it lent lie side by side from the file header
//! to its end, hold as many records as they count, and every record is what its encoder writes;
//! recovery's repair leads to a log that scans to the same end, clean and durable; a follower,
//! whether it is told what is durable or finds out, accepts it too, up to no more than the end and
//! no less than what is durable. An accepted file header is what its encoder writes. And nothing
//! panics, allocates, or reads outside of the file, accepted or not.

use std::cell::RefCell;

use allocdb_core::canary::Canary;
use allocdb_core::codec::{RECORD_BYTES_MAX, encode_record};
use allocdb_core::config::Config;
use allocdb_core::ids::{Lsn, Slot};
use allocdb_core::log::{
    EncodedFrame, FRAME_BYTES_MAX, FRAME_HEADER_BYTES, Follow, Frame, FrameBuilder, FrameMeta,
    LOG_HEADER_BYTES, LogEnd, LogHeader, LogKey, Marker, SECTOR_BYTES, Walk, encode_marker,
    encode_seal, scan,
};

use super::Target;
use super::material::{BUNDLE_LEN_MAX, Material};

/// The target.
pub const TARGET: Target = Target {
    name: "log",
    len_max: 512,
    allocation_bytes_max: 0,
    run,
    seeds,
    canary: Canary::FrameLengthTrusted,
};

/// Orders make no file beyond this many sectors.
const SECTORS_MAX: usize = 32;
const FILE_BYTES_MAX: usize = LOG_HEADER_BYTES + SECTORS_MAX * SECTOR_BYTES;
const SECTOR: u64 = SECTOR_BYTES as u64;

/// The configuration of the logs that orders make.
const CONFIG: Config = Config {
    database_id: 0xA110_CDB0 << 64 | 0x7061_6765,
    shard_id: 3,
    hash_seed: 0x5EED,
    slot_duration_ms: 100,
    max_ttl_slots: 7,
    operation_window_slots: 5,
    history_window_slots: 5,
    max_resources: 8,
    max_reservations: 8,
    max_operations: 16,
    max_bundle_len: 8,
    max_expiration_bucket_len: 8,
    max_expirations_per_tick: 8,
};

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch {
        header: LogHeader::fresh(CONFIG).encode(),
        file: Vec::with_capacity(2 * FILE_BYTES_MAX),
        repaired: Vec::with_capacity(2 * FILE_BYTES_MAX),
        // Room for any frame; pages that are not used are not there.
        buffer: vec![0; FRAME_BYTES_MAX],
        record: vec![0; RECORD_BYTES_MAX],
    });
}

struct Scratch {
    /// A fresh file header.
    header: [u8; LOG_HEADER_BYTES],
    file: Vec<u8>,
    repaired: Vec<u8>,
    buffer: Vec<u8>,
    record: Vec<u8>,
}

/// Tries one input.
pub fn run(data: &[u8]) {
    let mut material = Material::new(data);
    let mode = material.u8();
    SCRATCH.with_borrow_mut(|scratch| {
        let file = &mut scratch.file;
        file.clear();
        match mode % 8 {
            0 => file.extend_from_slice(material.rest()),
            1 => {
                file.extend_from_slice(&scratch.header);
                file.extend_from_slice(material.rest());
            }
            2 => overwritten_header(file, &scratch.header, &mut material),
            _ => {
                let snapshot_lsn_max = (mode % 8 == 3).then(|| Lsn(material.u8().into()));
                let (mut orders, header) = Orders::new(file, &mut material);
                orders.obey(&mut material);
                check(scratch, &header, snapshot_lsn_max, mode & 0x10 != 0);
                return;
            }
        }
        if let Ok(header) = LogHeader::decode(file) {
            assert_eq!(header.encode(), file[..LOG_HEADER_BYTES], "a file header");
            check(scratch, &header, None, mode & 0x10 != 0);
        }
    });
}

/// A file header with fields overwritten, under a right checksum but for every fourth time, and
/// then whatever is left.
fn overwritten_header(file: &mut Vec<u8>, header: &[u8], material: &mut Material<'_>) {
    file.extend_from_slice(header);
    let patches = material.u8();
    for _ in 0..patches % 4 {
        let at = usize::from(material.u16()) % (LOG_HEADER_BYTES - 8);
        file[at..at + 8].copy_from_slice(&material.array::<8>());
    }
    if patches < 192 {
        let crc = crc32c::crc32c(&file[..LOG_HEADER_BYTES - 4]);
        file[LOG_HEADER_BYTES - 4..].copy_from_slice(&crc.to_le_bytes());
    }
    file.extend_from_slice(material.rest());
}

/// A log under construction.
struct Orders<'f> {
    file: &'f mut Vec<u8>,
    key: LogKey,
    last_lsn: u64,
    durable_lsn: u64,
    last_slot: u64,
    chain: u32,
    /// Where the last frame begins.
    frame_at: usize,
}

impl<'f> Orders<'f> {
    /// Decides on a file header. It is handed on as it is: no scan reads it from the file.
    fn new(file: &'f mut Vec<u8>, material: &mut Material<'_>) -> (Self, LogHeader) {
        let [begins_after, synced_sectors] = material.array();
        let header = LogHeader {
            begins_after: Lsn(begins_after.into()),
            synced_bytes: LOG_HEADER_BYTES as u64 + u64::from(synced_sectors % 8) * SECTOR,
            chain_start: begins_after.into(),
            ..LogHeader::fresh(CONFIG)
        };
        file.resize(LOG_HEADER_BYTES, 0);
        let orders = Self {
            file,
            key: LogKey::new(&CONFIG),
            last_lsn: begins_after.into(),
            durable_lsn: begins_after.into(),
            last_slot: 0,
            chain: header.chain_start,
            frame_at: LOG_HEADER_BYTES,
        };
        (orders, header)
    }

    fn obey(&mut self, material: &mut Material<'_>) {
        while !material.is_over() && self.file.len() + 4 * SECTOR_BYTES <= FILE_BYTES_MAX {
            let order = material.u8();
            let is_synced = order & 0x10 == 0;
            match order % 16 {
                0..=4 => self.commands(1 + order % 4, is_synced, material),
                5 => self.marker(is_synced, material),
                6 => self.seal(),
                7 => self.file.resize(self.file.len() + SECTOR_BYTES, 0),
                8 | 9 => self.overwrite(material, 8),
                10 => self.overwrite(material, 1),
                11 => self.damage(material),
                12 => self.zero_sector(material),
                13 => self.durable_lsn = self.last_lsn,
                14 => self.cut(material),
                _ => self.copy_sector(material),
            }
        }
        // What was grown ahead.
        self.file.resize(self.file.len() + SECTOR_BYTES, 0);
    }

    fn meta(&self, is_synced: bool) -> FrameMeta {
        FrameMeta {
            is_synced,
            first_lsn: Lsn(self.last_lsn + 1),
            request_slot: Slot(self.last_slot),
            durable_lsn: Lsn(self.durable_lsn),
            chain: self.chain,
        }
    }

    fn append(&mut self, frame: &[u8], encoded: EncodedFrame) {
        self.frame_at = self.file.len();
        self.file.extend_from_slice(&frame[..encoded.len]);
        self.last_lsn = encoded.last_lsn.0;
        self.chain = encoded.chain;
    }

    fn commands(&mut self, count: u8, is_synced: bool, material: &mut Material<'_>) {
        self.last_slot += u64::from(material.u8() % 4);
        let mut buffer = [0; 2 * SECTOR_BYTES];
        let mut builder = FrameBuilder::new(&mut buffer);
        let mut ids = [[0; 16]; BUNDLE_LEN_MAX];
        for _ in 0..count {
            let command =
                material.command((CONFIG.shard_id, self.last_lsn, self.last_slot), &mut ids);
            // Ids that are zero are refused before they are logged.
            if command.check(&CONFIG).is_ok() {
                let _ = builder.push(&command);
            }
        }
        if builder.record_count() == 0 {
            return;
        }
        let encoded = builder.finish(&self.key, &self.meta(is_synced));
        self.append(&buffer, encoded);
        if is_synced {
            self.durable_lsn = self.last_lsn;
        }
    }

    fn marker(&mut self, is_synced: bool, material: &mut Material<'_>) {
        let marker = Marker {
            anchor_lsn: Lsn(u64::from(material.u8()).min(self.last_lsn)),
            snapshot_crc: 0xC0FF_EE00,
        };
        let mut sector = [0; SECTOR_BYTES];
        let encoded = encode_marker(&mut sector, &self.key, &self.meta(is_synced), marker);
        self.append(&sector, encoded);
    }

    fn seal(&mut self) {
        self.durable_lsn = self.last_lsn;
        let mut sector = [0; SECTOR_BYTES];
        let encoded = encode_seal(&mut sector, &self.key, &self.meta(true));
        self.append(&sector, encoded);
    }

    /// Overwrites a field of the last frame and makes its checksums right again.
    fn overwrite(&mut self, material: &mut Material<'_>, width: usize) {
        let frame = &mut self.file[self.frame_at..];
        if frame.len() < SECTOR_BYTES {
            return;
        }
        let at = usize::from(material.u16()) % frame.len();
        let len = width.min(frame.len() - at);
        frame[at..at + len].copy_from_slice(&material.array::<8>()[..len]);
        let payload_crc = crc32c::crc32c(&frame[FRAME_HEADER_BYTES..]);
        frame[52..56].copy_from_slice(&payload_crc.to_le_bytes());
        let crc = crc32c::crc32c(&CONFIG.hash_seed.to_le_bytes());
        let crc = crc32c::crc32c_append(crc, &frame[..60]);
        frame[60..64].copy_from_slice(&crc.to_le_bytes());
        self.chain = crc;
    }

    fn damage(&mut self, material: &mut Material<'_>) {
        let at = usize::from(material.u16()) % self.file.len();
        self.file[at] ^= material.u8();
    }

    fn sector(&self, material: &mut Material<'_>) -> std::ops::Range<usize> {
        let count = (self.file.len() - LOG_HEADER_BYTES) / SECTOR_BYTES;
        let start = LOG_HEADER_BYTES + usize::from(material.u8()) % count.max(1) * SECTOR_BYTES;
        start..(start + SECTOR_BYTES).min(self.file.len())
    }

    fn zero_sector(&mut self, material: &mut Material<'_>) {
        let sector = self.sector(material);
        self.file[sector].fill(0);
    }

    fn copy_sector(&mut self, material: &mut Material<'_>) {
        let (from, to) = (self.sector(material), self.sector(material));
        if from.len() == to.len() {
            self.file.copy_within(from, to.start);
        }
    }

    /// Takes bytes off the end.
    fn cut(&mut self, material: &mut Material<'_>) {
        let len = self.file.len() - usize::from(material.u16()) % self.file.len();
        self.file.truncate(len.max(LOG_HEADER_BYTES));
        self.frame_at = self.frame_at.min(self.file.len());
    }
}

fn check(
    scratch: &mut Scratch,
    header: &LogHeader,
    snapshot_lsn_max: Option<Lsn>,
    durable_is_known: bool,
) {
    let Scratch {
        file,
        repaired,
        buffer,
        record,
        ..
    } = scratch;
    let mut place = LOG_HEADER_BYTES as u64;
    let mut lsn = header.begins_after;
    let (mut frames, mut records) = (0u16, 0);
    let found = scan(
        &mut file.as_slice(),
        header,
        snapshot_lsn_max,
        buffer,
        |frame| {
            assert_eq!(frame.offset, place, "frames lie side by side");
            place = frame.end_offset();
            assert!(place <= file.len() as u64, "a frame lies within the file");
            lsn = check_records(frame, lsn, record);
            frames += 1;
            records += u64::from(frame.header.record_count);
            Ok(())
        },
    );
    let Ok(end) = found else { return };
    assert_eq!((end.end_offset, end.last_lsn), (place, lsn), "{end:?}");
    assert_eq!(
        (end.frames, end.records),
        (u64::from(frames), records),
        "{end:?}"
    );
    assert!(end.durable_lsn <= end.last_lsn, "{end:?}");
    assert!(
        end.end_offset + end.torn_bytes <= file.len() as u64,
        "{end:?}"
    );
    let durable_lsn = if durable_is_known {
        end.durable_lsn
    } else {
        header.begins_after
    };
    check_follower(file, header, &end, durable_lsn, buffer);
    check_repair(file, header, &end, repaired, buffer);
}

/// Every record is what its encoder writes, and there are as many as counted.
fn check_records(frame: &Frame<'_>, lsn_before: Lsn, record: &mut [u8]) -> Lsn {
    let mut last_lsn = lsn_before;
    let mut at = 0;
    for (lsn, command) in frame.commands() {
        assert_eq!(lsn.0, last_lsn.0 + 1, "positions are dense");
        last_lsn = lsn;
        let len = encode_record(&command, record).expect("room for any record");
        assert_eq!(record[..len], frame.payload[at..at + len], "{command:?}");
        at += len;
    }
    assert_eq!(last_lsn, frame.header.last_lsn(), "as many as counted");
    last_lsn
}

/// R98: a follower shows no less than what is durable and no more than there is.
fn check_follower(
    file: &[u8],
    header: &LogHeader,
    end: &LogEnd,
    durable_lsn: Lsn,
    buffer: &mut [u8],
) {
    let mut source = file;
    let mut follow = Follow::new(&mut source, header, durable_lsn, buffer);
    let start = Walk::new(header);
    let stop = follow.measure(&start).expect("the scan accepts the log");
    follow.survey(&stop).expect("the scan accepts the log");
    let stop = follow.measure(&stop).expect("the scan accepts the log");
    let known = follow.durable_lsn();
    assert!(
        durable_lsn <= known && known <= end.last_lsn,
        "{known:?} of {end:?}"
    );
    assert!(
        known <= stop.last_lsn && stop.last_lsn <= end.last_lsn,
        "{stop:?} of {end:?}"
    );
    let mut walk = start;
    let mut shown = header.begins_after;
    let taken = follow.advance(&mut walk, |frame| {
        shown = frame.header.last_lsn();
        Ok(())
    });
    assert!(
        taken.is_ok() && shown == stop.last_lsn,
        "{shown:?} of {stop:?}"
    );
    assert!(walk.last_lsn <= shown, "what is kept was shown");
}

/// What recovery writes leads to the same log, clean and durable.
fn check_repair(
    file: &[u8],
    header: &LogHeader,
    end: &LogEnd,
    repaired: &mut Vec<u8>,
    buffer: &mut [u8],
) {
    let repair = end.repair();
    repaired.clear();
    repaired.extend_from_slice(file);
    let at = |offset: u64| usize::try_from(offset).expect("a small file");
    repaired[at(repair.zero.start)..at(repair.zero.end)].fill(0);
    if let Some(offset) = repair.seal_offset {
        assert_eq!(offset, end.end_offset, "a seal follows the last frame");
        let room = at(offset) + 2 * SECTOR_BYTES;
        if repaired.len() < room {
            repaired.resize(room, 0);
        }
        if end.last_lsn < Lsn::MAX {
            let sector = &mut repaired[at(offset)..at(offset) + SECTOR_BYTES];
            let _ = encode_seal(sector, &LogKey::new(&header.config), &end.seal_meta());
        }
    }
    let again = scan(&mut repaired.as_slice(), header, None, buffer, |_| Ok(()))
        .expect("a repaired log scans");
    assert_eq!(
        (again.torn_bytes, again.last_lsn),
        (0, end.last_lsn),
        "{again:?} of {end:?}"
    );
    assert_eq!(again.records, end.records, "{again:?} of {end:?}");
}

/// Logs of every kind of frame; one with each order; a file header alone; nothing.
fn seeds() -> Vec<Vec<u8>> {
    let create = [1, 0, 0x00, 1, 1, 0x00, 2, 2, 0x01, 3, 3];
    let mixed = [
        4, 0, 0, 0, 1, 0, 1, 1, 0x11, 0, 2, 2, 1, 2, 0, 5, 0, 6, 0x10, 1, 0, 4, 4, 13, 1, 1, 2, 5,
        1, 5,
    ];
    let mut seeds = vec![
        vec![],
        [2, 1, 0x98, 0, 0, 0x20, 0, 0, 0, 0, 0, 0].to_vec(),
        [&[3, 9, 0, 0], create.as_slice()].concat(),
        mixed.to_vec(),
    ];
    for order in 8..16 {
        let mut orders = mixed.to_vec();
        orders.extend([order, 30, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
        seeds.push(orders);
    }
    seeds.retain(|seed| seed.len() <= TARGET.len_max);
    seeds
}
