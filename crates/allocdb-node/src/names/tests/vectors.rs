//! The golden vectors of names: what every language must make of the same texts and ids.
//!
//! `vectors/names.json` holds names with their ids, texts with theirs, ids with their texts, and
//! what is refused, with the reason. `ALLOCDB_UPDATE=1 cargo test -p allocdb-node names` writes it
//! anew; a change in an existing line is a change of every database's ids. Bytes stand as
//! hexadecimal digits beside the JSON string, so that a reader without a JSON library, such as the
//! C test, needs no more than lines; bytes that are no UTF-8 have no JSON string.

use std::fmt::Write as _;

use serde_json::Value as Json;

use super::super::*;
use crate::vectors;

fn text(value: &str) -> Json {
    Json::String(value.to_string())
}

fn hex(bytes: &[u8]) -> Json {
    Json::String(bytes.iter().fold(String::new(), |mut out, byte| {
        write!(out, "{byte:02x}").unwrap();
        out
    }))
}

fn object<'a>(fields: impl IntoIterator<Item = (&'a str, Json)>) -> Json {
    let fields = fields.into_iter();
    Json::Object(
        fields
            .map(|(name, value)| (name.to_string(), value))
            .collect(),
    )
}

/// What went in: a JSON string where there is one, and the bytes.
fn given(field: &'static str, bytes: &[u8]) -> Vec<(&'static str, Json)> {
    let string = str::from_utf8(bytes).map_or(Json::Null, text);
    vec![(field, string), ("utf8", hex(bytes))]
}

/// An id in the forms that languages have for it, and what it is shown as.
fn id_fields(id: u128) -> Vec<(&'static str, Json)> {
    let shown = format(id);
    vec![
        ("id", text(uuid_text(id).as_str())),
        ("hi", Json::String(format!("{:016x}", id >> 64))),
        (
            "lo",
            Json::String(format!("{:016x}", id & u128::from(u64::MAX))),
        ),
        ("shown", text(shown.as_str())),
        ("shown_utf8", hex(shown.as_str().as_bytes())),
    ]
}

/// One byte to sixteen, and what people call their resources.
#[rustfmt::skip]
const PLAIN_NAMES: &[&str] = &[
    "a", "Z", "0", "~", " ", "ab", "abc", "abcd", "abcde", "abcdef", "abcdefg", "abcdefgh",
    "abcdefghi", "abcdefghij", "abcdefghijk", "abcdefghijkl", "abcdefghijklm", "abcdefghijklmn",
    "abcdefghijklmno", "abcdefghijklmnop",
    "seat_21A", "seat_21a", "seat_21A ", " seat_21A", "gpu_3", "lock:orders", "room 12", "alice",
    "ALICE", "user@example", "a/b/c", "\"quoted\"", "back\\slash", "100%", "<b>&amp;", "null",
    "-1", "0x10", "conference-room-1", "tenant-42/region-eu-west/gpu-node-7",
    "alice@mail.example",
];

/// Two, three and four bytes a character; such that end at 15 bytes, and such that cross them.
#[rustfmt::skip]
const WIDE_NAMES: &[&str] = &[
    "é", "ß", "中", "座位", "😀", "Straße", "Ελληνικά", "e\u{301}", "\u{feff}bom", "\u{200b}",
    "\u{2028}", "\u{a0}", "\u{7fff}", "\u{10ffff}", "\u{e000}", "\u{fffd}",
    "座位座位座", "座位座位座位", "0123456789abcé", "0123456789abcdé", "0123456789ab座",
    "0123456789abc座", "0123456789a😀", "0123456789abc😀", "éééééééa", "éééééééé",
];

/// An id each, but not shown.
#[rustfmt::skip]
const CONTROL_NAMES: &[&str] = &[
    "\u{1}", "\t", "\n", "\r\n", "\u{1b}[2J", "\u{1f}", "\u{7f}", "a\u{7f}b", "\u{80}", "\u{9f}",
    "a\u{9b}b", "tab\tin a longer name",
];

/// What looks like a UUID is a name all the same.
#[rustfmt::skip]
const UUID_NAMES: &[&str] = &[
    "61000000-0000-8", "00000000", "1f4c56be-461b-5a1d-8b20-399c537dce72",
    "1F4C56BE-461B-5A1D-8B20-399C537DCE72", "1f4c56be461b5a1d8b20399c537dce72",
    "00000000-0000-0000-0000-000000000000", "{1f4c56be-461b-5a1d-8b20-399c537dce72}",
];

fn names() -> Vec<Vec<u8>> {
    let lists = [PLAIN_NAMES, WIDE_NAMES, CONTROL_NAMES, UUID_NAMES].concat();
    let mut names: Vec<Vec<u8>> = lists.iter().map(|name| name.as_bytes().to_vec()).collect();
    // Lengths around a block of the hash, up to the longest.
    let long = [
        17, 31, 32, 55, 56, 63, 64, 65, 119, 120, 127, 128, 255, 256, 1000, 1023, 1024,
    ];
    names.extend(long.map(|len| {
        b"0123456789abcdef"
            .iter()
            .copied()
            .cycle()
            .take(len)
            .collect()
    }));
    names.push("座".repeat(341).into_bytes());
    names.push("😀".repeat(256).into_bytes());
    names
}

fn refused_names() -> Vec<Vec<u8>> {
    let mut refused: Vec<Vec<u8>> = vec![vec![b'x'; 1025], vec![b'x'; 2000]];
    refused.push("座".repeat(342).into_bytes());
    let bytes: [&[u8]; 16] = [
        b"",
        b"\0",
        b"\0a",
        b"seat\0",
        b"se\0at",
        b"a name of more than 15 bytes with \0 in it",
        b"\x80",
        b"\xff",
        b"caf\xe9",
        b"ab\xc3",
        b"\xc0\x80",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xe5\xba",
        b"0123456789abcde\xe5",
        b"a name of more than 15 bytes with \xfe in it",
    ];
    refused.extend(bytes.map(<[u8]>::to_vec));
    refused
}

#[rustfmt::skip]
const TEXTS: &[&str] = &[
    "seat_21A", "a", "abcdefghijklmno", "座位座位座", "\u{1b}[2J", "0", "61000000-0000-8",
    "1f4c56be-461b-5a1d-8b20-399c537dce72", "1F4C56BE-461B-5A1D-8B20-399C537DCE72",
    "1f4c56Be-461B-5a1d-8B20-399c537DCE72", "00000000-0000-0000-0000-000000000000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
    "61000000-0000-8000-8000-000000000000", "73656174-5f32-8314-8100-000000000000",
    "73656174-5F32-8314-8100-000000000000", "00000000-0000-0000-0000-000000000001",
    "9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d", "01234567-89ab-cdef-0123-456789abcdef",
];

/// NULs, hyphens elsewhere or none, digits that are none, other forms of a UUID.
#[rustfmt::skip]
const REFUSED_TEXTS: &[&str] = &[
    "", "\0", "seat\0",
    "1f4c56be4-61b-5a1d-8b20-399c537dce72", "1f4c56be-461b5-a1d-8b20-399c537dce72",
    "1f4c56be-461b-5a1d8-b20-399c537dce72", "1f4c56be-461b-5a1d-8b203-99c537dce72",
    "1f4c56be_461b_5a1d_8b20_399c537dce72", "1f4c56be461b5a1d8b20399c537dce720000",
    "1f4c56be-461b-5a1d-8b20-399c537dce7-", "------------------------------------",
    "gf4c56be-461b-5a1d-8b20-399c537dce72", "1f4c56be-461b-5a1d-8b20-399c537dce7g",
    "1f4c56be-461b-5a1d-8b20-399c537dce7 ", " 1f4c56be-461b-5a1d-8b20-399c537dce7",
    "+f4c56be-461b-5a1d-8b20-399c537dce72", "0x4c56be-461b-5a1d-8b20-399c537dce72",
    "1f4c56be-461b-5a1d-8b20-399c537dce\u{663}", "1f4c56be-461b-5a1d-8b20-399c537dce7\0",
    "a name of exactly 36 characters here", "{1f4c56be-461b-5a1d-8b20-399c537dce72}",
    "urn:uuid:1f4c56be-461b-5a1d-8b20-399c537dce72", "1f4c56be461b5a1d8b20399c537dce72",
    "conference-room-1",
];

fn texts() -> Vec<Vec<u8>> {
    TEXTS.iter().map(|text| text.as_bytes().to_vec()).collect()
}

fn refused_texts() -> Vec<Vec<u8>> {
    let uuid = "1f4c56be-461b-5a1d-8b20-399c537dce72";
    let texts = REFUSED_TEXTS.iter();
    let mut refused: Vec<Vec<u8>> = texts.map(|text| text.as_bytes().to_vec()).collect();
    // A UUID with its end missing, and with something behind.
    refused.extend((16..UUID_CHARS).map(|len| uuid.as_bytes()[..len].to_vec()));
    refused.extend((37..40).map(|len| uuid.bytes().cycle().take(len).collect()));
    refused.push(vec![b'x'; 1024]);
    refused.push(vec![b'x'; 1025]);
    refused.push(b"caf\xe9".to_vec());
    refused.push(b"1f4c56be-461b-5a1d-8b20-399c537dce7\xff".to_vec());
    refused
}

fn shown_ids() -> Vec<(&'static str, u128)> {
    let name = |bytes: &[u8]| packed(bytes).expect("at most 15 bytes");
    let seat = name(b"seat_21A");
    vec![
        ("a packed name", seat),
        ("15 bytes", name(b"abcdefghijklmno")),
        ("a name with spaces at both ends", name(b" a ")),
        (
            "a character that ends at byte 15",
            name("0123456789abcé".as_bytes()),
        ),
        (
            "U+00A0, the first after the control characters",
            name("\u{a0}".as_bytes()),
        ),
        ("U+0020, the first after the others", name(b" ")),
        ("zero", 0),
        ("one", 1),
        ("the greatest", u128::MAX),
        ("a packed name of no byte", EIGHTS),
        ("the first spare bit", seat | 1 << 60),
        ("the second spare bit", seat | 1 << 61),
        ("both spare bits", seat | 3 << 60),
        ("variant 0", seat & !(0xF << 60)),
        ("variant 11", seat | 0xC << 60),
        ("version 4", seat ^ 0xC << 76),
        ("version 9", seat | 1 << 76),
        ("version 0", seat & !(0xF << 76)),
        ("a zero at the beginning", name(b"\0a")),
        ("a zero in the middle", name(b"a\0b")),
        ("only the last byte", name(b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0z")),
        ("not UTF-8", name(b"caf\xe9")),
        ("a cut character at the end", name(b"0123456789abcd\xc3")),
        ("a surrogate", name(b"\xed\xa0\x80")),
        ("an overlong NUL", name(b"\xc0\x80")),
        ("U+0001", name(b"\x01")),
        ("a line feed within", name(b"a\nb")),
        ("an escape", name(b"\x1b[2J")),
        ("U+001F at the end", name(b"a\x1f")),
        ("U+007F", name(b"\x7f")),
        ("U+0080", name("\u{80}".as_bytes())),
        ("U+009F within", name("a\u{9f}b".as_bytes())),
        (
            "version 4, random",
            0x9b1d_eb4d_3b7d_4bad_9bdd_2b0d_7b3d_cb6d,
        ),
        (
            "version 5, a hashed name",
            hashed_in(NAMESPACE, b"conference-room-1"),
        ),
        (
            "version 8, random",
            0x9b1d_eb4d_3b7d_8bad_8bdd_2b0d_7b3d_cb6d,
        ),
        ("a reservation of shard 7", 7 << 64 | 0x2A),
    ]
}

/// A refusal: what went in, and what is said about it.
fn refusal(field: &'static str, bytes: &[u8], error: &NameError) -> Json {
    let mut fields = given(field, bytes);
    fields.push(("reason", text(error.fault.name())));
    fields.push(("message", text(&error.to_string())));
    object(fields)
}

fn document() -> String {
    let named = names().into_iter().map(|name| {
        let mut fields = given("name", &name);
        fields.extend(id_fields(from_name(&name).expect("a name")));
        object(fields)
    });
    let parsed = texts().into_iter().map(|text| {
        let mut fields = given("text", &text);
        fields.extend(id_fields(parse(&text).expect("a text")));
        object(fields)
    });
    let shown = shown_ids().into_iter().map(|(why, id)| {
        let mut fields = vec![("what", text(why))];
        fields.extend(id_fields(id));
        object(fields)
    });
    let refused_names = refused_names().into_iter();
    let refused_names =
        refused_names.map(|name| refusal("name", &name, &from_name(&name).expect_err("refused")));
    let refused_texts = refused_texts().into_iter();
    let refused_texts =
        refused_texts.map(|text| refusal("text", &text, &parse(&text).expect_err("refused")));
    let document = object([
        ("namespace", text(uuid_text(NAMESPACE).as_str())),
        ("name_bytes_max", Json::from(NAME_BYTES_MAX)),
        ("name_packed_bytes_max", Json::from(NAME_PACKED_BYTES_MAX)),
        ("names", named.collect()),
        ("refused_names", refused_names.collect()),
        ("texts", parsed.collect()),
        ("refused_texts", refused_texts.collect()),
        ("ids", shown.collect()),
    ]);
    format!("{document:#}\n")
}

#[test]
fn golden_vectors_are_what_names_make() {
    vectors::check("names.json", &document());
}

#[test]
fn golden_vectors_are_enough_and_each_of_its_own() {
    let value: Json = serde_json::from_str(&document()).expect("JSON");
    let list = |name: &str| value[name].as_array().expect("a list").clone();
    let counts = [
        ("names", 60),
        ("refused_names", 15),
        ("texts", 15),
        ("refused_texts", 40),
        ("ids", 30),
    ];
    for (name, least) in counts {
        assert!(list(name).len() >= least, "{name}: {}", list(name).len());
    }
    // Different names are different ids.
    let names = list("names");
    for field in ["utf8", "id"] {
        let mut all: Vec<_> = names.iter().map(|name| name[field].to_string()).collect();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), names.len(), "{field}");
    }
    // Every reason is there.
    let refused = [list("refused_names"), list("refused_texts")].concat();
    for reason in ["length", "nul", "utf8", "digit", "hyphen"] {
        assert!(
            refused.iter().any(|one| one["reason"] == reason),
            "{reason}"
        );
    }
}
