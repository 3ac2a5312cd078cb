//! Names against their rule written down a second time, in digits; the vectors of all languages.

mod vectors;

use proptest::prelude::*;

use super::*;

/// R104 as a person would do it: with digits on paper.
fn packed_on_paper(name: &[u8]) -> String {
    let mut digits: Vec<char> = Vec::new();
    for index in 0..15 {
        let byte = name.get(index).copied().unwrap_or(0);
        digits.extend(format!("{byte:02x}").chars());
    }
    digits.insert(12, '8');
    digits.insert(16, '8');
    for hyphen in [8, 13, 18, 23] {
        digits.insert(hyphen, '-');
    }
    digits.into_iter().collect()
}

fn uuid(text: &str) -> u128 {
    parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn version_and_variant(id: u128) -> (u128, u128) {
    (id >> 76 & 0xF, id >> 62 & 0b11)
}

#[test]
fn a_name_of_15_bytes_is_packed_digit_by_digit() {
    // R104
    let cases = [
        ("a", "61000000-0000-8000-8000-000000000000"),
        ("seat_21A", "73656174-5f32-8314-8100-000000000000"),
        ("seat_21A_row_07", "73656174-5f32-8314-815f-726f775f3037"),
    ];
    for (name, id) in cases {
        assert_eq!(uuid_text(from_name(name.as_bytes()).unwrap()).as_str(), id);
        assert_eq!(packed_on_paper(name.as_bytes()), id);
    }
}

#[test]
fn a_name_of_16_bytes_is_hashed_as_the_standard_says() {
    // R105; the expected id by another implementation of UUIDv5.
    let id = from_name(b"conference-room-1").unwrap();
    assert_eq!(
        uuid_text(id).as_str(),
        "ba32d861-539e-5024-a1b1-5f67087fe1d2"
    );
    // The standard's own example: www.example.com in the namespace of domains.
    assert_eq!(
        hashed_in(
            0x6ba7_b810_9dad_11d1_80b4_00c0_4fd4_30c8,
            b"www.example.com"
        ),
        uuid("2ed6657d-e927-568b-95e1-2665a8aea6a2")
    );
    for len in [16, 17, 1023, 1024] {
        assert_eq!(
            version_and_variant(from_name(&vec![b'x'; len]).unwrap()),
            (5, 0b10)
        );
    }
}

#[test]
fn a_name_is_1_to_1024_bytes_of_utf8_without_nul() {
    // R103
    let cases: [(&[u8], &str); 7] = [
        (b"", "name is 0 bytes, must be 1 to 1024"),
        (&[b'x'; 1025], "name is 1025 bytes, must be 1 to 1024"),
        (b"\0", "name has a NUL at byte 0, must have none"),
        (b"seat\0", "name has a NUL at byte 4, must have none"),
        (b"caf\xe9", "name has 0xe9 at byte 3, must be UTF-8"),
        (
            b"ab\xc0\xafcdefghijklmnopq",
            "name has 0xc0 at byte 2, must be UTF-8",
        ),
        (b"\xed\xa0\x80", "name has 0xed at byte 0, must be UTF-8"),
    ];
    for (name, said) in cases {
        assert_eq!(from_name(name).unwrap_err().to_string(), said);
    }
    assert_eq!(
        from_name(b"").unwrap_err().of_len(70_000).to_string(),
        "name is 70000 bytes, must be 1 to 1024"
    );
}

#[test]
fn an_id_is_shown_as_its_name_only_if_that_name_gives_it() {
    // R106
    let seat = from_name(b"seat").unwrap();
    assert_eq!(format(seat).as_str(), "seat");
    let others = [
        ("spare bits", seat | 1 << 60),
        ("another version", seat ^ 0xC << 76),
        ("another variant", seat ^ 0xC << 60),
        ("zeros in the middle", seat | 1),
        ("no name", EIGHTS),
        ("not UTF-8", packed(b"caf\xe9").unwrap()),
        ("a control character", from_name(b"a\nb").unwrap()),
        ("one past ASCII", from_name("a\u{9b}b".as_bytes()).unwrap()),
        ("a UUID of zeros", 0),
        ("the greatest", u128::MAX),
    ];
    for (why, id) in others {
        assert_eq!(format(id).as_str(), uuid_text(id).as_str(), "{why}");
        assert_eq!(parse(format(id).as_str().as_bytes()), Ok(id), "{why}");
    }
}

#[test]
fn a_text_that_is_neither_a_packed_name_nor_a_uuid_is_refused() {
    // R107
    let uuid = *b"1F4C56BE-461b-5a1d-8b20-399c537dce72";
    assert_eq!(parse(&uuid), Ok(NAMESPACE));
    for len in (16..36).chain(37..60) {
        let said = parse(&vec![b'a'; len]).unwrap_err().to_string();
        let wanted = format!("text is {len} bytes, must be 1 to 15 (a name) or 36 (a UUID)");
        assert_eq!(said, wanted);
    }
    for offset in 0..UUID_CHARS {
        for byte in [
            b'g', b'-', b'0', b' ', 0, 0xFF, b'/', b':', b'@', b'G', b'`',
        ] {
            let mut text = uuid;
            text[offset] = byte;
            let is_hyphen = HYPHENS.contains(&offset);
            let is_right = if is_hyphen {
                byte == b'-'
            } else {
                byte == b'0'
            };
            match parse(&text) {
                Ok(_) => assert!(is_right),
                Err(error) => {
                    assert!(!is_right);
                    let place =
                        format!("text has {byte:#04x} at byte {offset}, where a UUID has a");
                    assert!(error.to_string().starts_with(&place), "{error}");
                }
            }
        }
    }
}

#[test]
fn the_texts_of_two_ids_are_never_the_same() {
    // A name that looks like the beginning of a UUID stays a name.
    for name in ["61000000-0000-8", "00000000", "8-4-4-4-12"] {
        let id = from_name(name.as_bytes()).unwrap();
        assert_eq!(format(id).as_str(), name);
        assert_eq!(uuid_text(id).as_str(), packed_on_paper(name.as_bytes()));
    }
}

/// Ids near the border between names and UUIDs: random ones never get there.
fn ids() -> impl Strategy<Value = u128> {
    let name_bytes = prop::collection::vec(any::<u8>(), 0..=15);
    let ascii = "[ -~]{1,15}".prop_map(|name| packed(name.as_bytes()).unwrap());
    let packed_bytes = name_bytes.prop_map(|bytes| packed(&bytes).unwrap());
    let flipped = ("[a-zä€]{1,5}", 0u32..128)
        .prop_map(|(name, bit)| packed(name.as_bytes()).unwrap() ^ 1u128 << bit);
    prop_oneof![
        any::<u128>(),
        any::<u64>().prop_map(u128::from),
        ascii,
        packed_bytes,
        flipped
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn reading_what_is_shown_gives_the_id_back(id in ids()) {
        // R107
        let shown = format(id);
        prop_assert_eq!(parse(shown.as_str().as_bytes()), Ok(id));
        prop_assert!(!shown.as_str().chars().any(char::is_control));
        // R106: shown as a name exactly if the name gives this id.
        if shown.len != UUID_CHARS {
            prop_assert_eq!(from_name(shown.as_str().as_bytes()), Ok(id));
            let on_paper = packed_on_paper(shown.as_str().as_bytes());
            prop_assert_eq!(on_paper, uuid_text(id).to_string());
        }
    }

    #[test]
    fn a_short_name_is_kept_whole(name in "\\PC{1,5}") {
        prop_assume!(name.len() <= NAME_PACKED_BYTES_MAX);
        let id = from_name(name.as_bytes()).unwrap();
        prop_assert_eq!(format(id).to_string(), name.clone());
        prop_assert_eq!(parse(name.as_bytes()), Ok(id));
        prop_assert_eq!(version_and_variant(id), (8, 0b10));
    }

    #[test]
    fn bytes_are_a_name_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..48)) {
        let is_name = !bytes.is_empty() && !bytes.contains(&0) && str::from_utf8(&bytes).is_ok();
        prop_assert_eq!(from_name(&bytes).is_ok(), is_name);
        match parse(&bytes) {
            Ok(id) if bytes.len() == UUID_CHARS => {
                let text = str::from_utf8(&bytes).unwrap().to_lowercase();
                prop_assert_eq!(uuid_text(id).to_string(), text);
            }
            Ok(id) => prop_assert_eq!(from_name(&bytes), Ok(id)),
            Err(_) => prop_assert!(!is_name || bytes.len() > NAME_PACKED_BYTES_MAX),
        }
    }
}
