//! The golden vectors: every byte of the API, written once and compared for ever.
//!
//! `vectors/codec.json` holds requests, responses, malformed and refused calls, and a transcript of
//! calls on a new database, each as hexadecimal bytes beside its values in words. C, Python and Go
//! check their own codecs against it. `ALLOCDB_UPDATE=1 cargo test -p allocdb-node golden` writes
//! it anew; a change in an existing line is a change of the API and needs a new version number.
//! Numbers of vectors are decimal strings, because a number in JSON loses digits past 2^53.

mod fields;
mod material;

use fields::{Json, config_fields, hex, object, request_fields, response_fields, text};
use material::bad_calls;
pub(super) use material::transcript_calls;

use super::*;
use crate::status;
use crate::vectors;
use crate::wire::execute::response_bound;
use crate::wire::figures::{self, Figures, NAMES};
use crate::wire::message::{HEADER_BYTES, KIND_CONNECTION_LEAST, Reason, VERSION};
use crate::wire::response::{Body as Answer, ListWriter, ReservationRow, ResourceRow};
use crate::wire::{Failure, Fault};
use allocdb_core::outcome::{NO_INDEX, ResultCode};
use allocdb_core::state::{ReservationState, ResourceState};

/// Every number that the messages speak in.
fn constants() -> Vec<(&'static str, Json)> {
    let numbers = |rows: Vec<(&str, u64)>| {
        object(
            rows.into_iter()
                .map(|(name, number)| (name, Json::from(number))),
        )
    };
    let kinds = Kind::ALL
        .iter()
        .map(|kind| (kind.name(), u64::from(kind.number())));
    let reasons = REASONS
        .iter()
        .map(|reason| (reason.name(), u64::from(*reason as u8)));
    let statuses = status::ALL.iter().map(|row| (row.1, u64::from(row.0)));
    let codes = ResultCode::ALL
        .iter()
        .map(|code| (code.name(), u64::from(*code as u8)));
    let resource_states = ResourceState::ALL
        .iter()
        .map(|state| (state.name(), u64::from(*state as u8)));
    let reservation_states = (1..=6)
        .filter_map(ReservationState::from_number)
        .map(|state| (state.name(), u64::from(state as u8)));
    let words = NAMES.iter().zip(0..).map(|(name, index)| (*name, index));
    let arrays = [
        ("commands_by_kind", figures::COMMANDS_WORD),
        ("outcomes_by_code", figures::OUTCOMES_WORD),
        ("sync_histogram", figures::SYNCS_WORD),
    ];
    let words = words.chain(arrays.map(|(name, index)| (name, index as u64)));
    let sizes = vec![
        ("version", u64::from(VERSION)),
        ("header_bytes", HEADER_BYTES as u64),
        ("kind_connection_least", u64::from(KIND_CONNECTION_LEAST)),
        ("list_rows_max", u64::from(request::LIST_ROWS_MAX)),
        ("id_count_max", u64::from(request::ID_COUNT_MAX)),
        ("outcome_bytes", response::OUTCOME_BYTES as u64),
        ("no_index", u64::from(NO_INDEX)),
    ];
    vec![
        ("constants", numbers(sizes)),
        ("kinds", numbers(kinds.collect())),
        ("reasons", numbers(reasons.collect())),
        ("statuses", numbers(statuses.collect())),
        ("result_codes", numbers(codes.collect())),
        ("resource_states", numbers(resource_states.collect())),
        ("reservation_states", numbers(reservation_states.collect())),
        ("health_words", numbers(words.collect())),
    ]
}

const REASONS: [Reason; 8] = [
    Reason::Short,
    Reason::Length,
    Reason::Version,
    Reason::Kind,
    Reason::Flags,
    Reason::Reserved,
    Reason::Count,
    Reason::Value,
];

/// Three requests of every kind: values that tell fields apart, the least and the greatest.
fn request_vectors() -> Json {
    let mut vectors = Vec::new();
    for distinct in distinct_material() {
        let least = Material {
            words: [0, 0, 0, 1],
            wide: [1, 1, 1],
            small: [0, 0],
            ids: vec![1u128.to_le_bytes()],
            ..distinct
        };
        let greatest = Material {
            words: [u64::MAX; 4],
            wide: [u128::MAX; 3],
            // A count is taken modulo its bound plus one, so these are the bounds.
            small: [u32::MAX, greatest_count(distinct.kind)],
            ids: (0..1024u128)
                .map(|n| (u128::MAX - n).to_le_bytes())
                .take(64)
                .collect(),
            ..distinct
        };
        let named = [
            ("distinct", &distinct),
            ("least", &least),
            ("greatest", &greatest),
        ];
        for (name, material) in named {
            let request = material.request();
            vectors.push(object([
                (
                    "name",
                    Json::String(format!("{} {name}", material.kind.name())),
                ),
                ("kind", Json::from(material.kind.number())),
                ("fields", request_fields(&request)),
                (
                    "response_bytes_max",
                    Json::from(response::len_max(&request.body) as u64),
                ),
                ("hex", hex(&bytes_of(&request))),
            ]));
        }
    }
    Json::Array(vectors)
}

fn greatest_count(kind: Kind) -> u32 {
    if kind == Kind::GetReservation {
        request::ID_COUNT_MAX
    } else {
        request::LIST_ROWS_MAX
    }
}

/// Two answers and two failures of every kind.
fn response_vectors() -> Json {
    let mut vectors = Vec::new();
    let mut push = |name: &str, bytes: &[u8]| {
        let (response, len) = response::decode(bytes).expect("a response");
        assert_eq!(len, bytes.len());
        vectors.push(object([
            (
                "name",
                Json::String(format!("{} {name}", response.kind.name())),
            ),
            ("kind", Json::from(response.kind.response_number())),
            ("fields", response_fields(&response)),
            ("hex", hex(bytes)),
        ]));
    };
    for kind in Kind::ALL {
        push("distinct", &answer_of(kind, 0xA1A2_A3A4_A5A6_A7A8, 1000));
        push("greatest", &answer_of(kind, u64::MAX, u64::MAX));
        let failures = [
            (
                "halted",
                Failure {
                    status: status::E_HALTED,
                    os_errno: 5,
                    detail: [0; 4],
                },
            ),
            (
                "failed greatest",
                Failure {
                    status: 499,
                    os_errno: -1,
                    detail: [u64::MAX; 4],
                },
            ),
        ];
        for (name, failure) in failures {
            let mut out = [0xEE; 2048];
            let len = response::write_failure(&mut out, kind, 3, &failure);
            push(name, &out[..len]);
        }
    }
    Json::Array(vectors)
}

/// An answer whose numbers count up from `base`, or stay there where there is no up.
fn answer_of(kind: Kind, tag: u64, base: u64) -> Vec<u8> {
    let mut next = base;
    let mut number = || {
        next = next.saturating_add(1);
        next
    };
    let mut out = vec![0xEE; 4096];
    let wide = |low: u64| u128::from(low) << 64 | u128::from(low);
    let narrow = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    let row = |number: &mut dyn FnMut() -> u64| ResourceRow {
        resource_id: ResourceId(wide(number())),
        reservation_id: ReservationId(wide(number())),
        holder_id: HolderId(wide(number())),
        version: number(),
        state: narrow(number() % 4 + 1),
    };
    let reservation_row = |number: &mut dyn FnMut() -> u64| ReservationRow {
        reservation_id: ReservationId(wide(number())),
        holder_id: HolderId(wide(number())),
        first_resource_id: ResourceId(wide(number())),
        created_lsn: Lsn(number()),
        deadline_slot: Slot(number()),
        ended_lsn: Lsn(number()),
        retire_after_slot: Slot(number()),
        state: narrow(number() % 6 + 1),
        resource_count: narrow(number()),
    };
    let len = match kind {
        Kind::GetReservation => {
            let row = reservation_row(&mut number);
            let ids = (1..=3).map(ResourceId);
            response::write_reservation(&mut out, tag, &row, ids, 3)
        }
        Kind::ListResources => {
            let mut list = ListWriter::new(&mut out, kind, 2);
            (0..2).for_each(|_| assert!(list.push_resource(&row(&mut number))));
            list.finish(tag, number(), Lsn(number()))
        }
        Kind::ListReservations => {
            let mut list = ListWriter::new(&mut out, kind, 2);
            (0..2).for_each(|_| assert!(list.push_reservation(&reservation_row(&mut number))));
            list.finish(tag, number(), Lsn(number()))
        }
        _ => {
            let body = match kind {
                Kind::GetResource => Answer::Resource(row(&mut number)),
                _ => plain_answer(kind, &mut number),
            };
            response::write_fixed(&mut out, kind, tag, &body)
        }
    };
    out.truncate(len);
    out
}

fn plain_answer(kind: Kind, number: &mut dyn FnMut() -> u64) -> Answer<'static> {
    let narrow = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    match kind {
        Kind::Tick => Answer::Tick(TickResult {
            lsn: Lsn(number()),
            slot: Slot(number()),
            due_count: number(),
            expired_count: narrow(number()),
        }),
        Kind::Health => Answer::Health(Figures([0; figures::WORD_COUNT].map(|_: u64| number()))),
        Kind::Configuration => {
            let mut bounds = small_bounds();
            bounds.max_batch_bytes = number();
            Answer::Configuration(bounds)
        }
        Kind::RecoveryReport => Answer::RecoveryReport(RecoveryReport {
            kind: crate::report::StartKind::SnapshotAndWal,
            snapshot_lsn: Lsn(number()),
            frames_replayed: number(),
            records_replayed: number(),
            last_lsn: Lsn(number()),
            last_slot: Slot(number()),
            torn_bytes: number(),
            rewritten_bytes: number(),
            duration_ns: number(),
        }),
        Kind::Checkpoint => Answer::Checkpoint(CheckpointReport {
            anchor_lsn: Lsn(number()),
            written: true,
            snapshot_bytes: number(),
            log_bytes_before: number(),
            log_bytes_after: number(),
            duration_ns: number(),
            stall_ns: number(),
        }),
        _ => Answer::Outcome(Outcome {
            lsn: Lsn(number()),
            code: ResultCode::ALL[usize::from(kind.number()) % ResultCode::ALL.len()],
            reservation_id: ReservationId(7 << 64 | u128::from(number())),
            deadline_slot: Slot(number()),
            failed_index: narrow(number()),
            from_retry_cache: kind == Kind::GetOperation,
        }),
    }
}

/// Calls that are refused whole: the first as they are made here, the others by the configuration.
fn refused_vectors() -> (Json, Json) {
    let (mut malformed, mut refused) = (Vec::new(), Vec::new());
    for (name, bytes) in bad_calls() {
        let error = response_bound(&small_config(), &bytes).expect_err(&name);
        let said = Json::Array(error.detail().iter().map(text).collect());
        match error {
            CallError::Malformed {
                index,
                fault:
                    Fault {
                        offset,
                        reason,
                        field,
                    },
            } => {
                malformed.push(object([
                    ("name", Json::String(name)),
                    ("index", Json::from(index)),
                    ("offset", Json::from(offset as u64)),
                    ("reason", text(&reason.name())),
                    ("field", text(&field)),
                    ("hex", hex(&bytes)),
                ]));
            }
            other => refused.push(object([
                ("name", Json::String(name)),
                ("status", Json::from(other.status())),
                ("detail", said),
                ("hex", hex(&bytes)),
            ])),
        }
    }
    (Json::Array(malformed), Json::Array(refused))
}

fn transcript() -> Json {
    let plain = Plain::new(small_bounds());
    let calls = transcript_calls().into_iter().map(|(name, request)| {
        let out = plain.call(&request).expect("a valid call");
        let said = responses(&out).iter().map(response_fields).collect();
        object([
            ("name", text(&name)),
            ("request", hex(&request)),
            ("response", hex(&out)),
            ("responses", Json::Array(said)),
        ])
    });
    let calls = Json::Array(calls.collect());
    object([
        ("options", object(config_fields(&small_config()))),
        ("calls", calls),
    ])
}

fn document() -> String {
    let mut fields = constants();
    let (malformed, refused) = refused_vectors();
    fields.extend([
        ("configuration", object(config_fields(&small_config()))),
        ("requests", request_vectors()),
        ("responses", response_vectors()),
        ("malformed", malformed),
        ("refused", refused),
        ("transcript", transcript()),
    ]);
    format!("{:#}\n", object(fields))
}

#[test]
fn golden_vectors_are_what_the_codec_makes() {
    vectors::check("codec.json", &document());
}

#[test]
fn golden_vectors_are_json_that_others_can_read() {
    let kept = std::fs::read_to_string(vectors::path("codec.json")).expect("the vectors are there");
    let value: serde_json::Value = serde_json::from_str(&kept).expect("JSON");
    let count = |name: &str| value[name].as_array().map_or(0, Vec::len);
    assert_eq!((count("requests"), count("responses")), (3 * 18, 4 * 18));
    assert!(count("malformed") >= 25 && count("refused") >= 5);
    // The request vectors decode to what encodes to the same bytes.
    for vector in value["requests"].as_array().unwrap() {
        let text = vector["hex"].as_str().unwrap();
        let bytes: Vec<u8> = (0..text.len() / 2)
            .map(|index| u8::from_str_radix(&text[2 * index..2 * index + 2], 16).unwrap())
            .collect();
        let (request, _) = request::decode(&bytes).unwrap();
        assert_eq!(bytes_of(&request), bytes, "{}", vector["name"]);
    }
}
