//! Requests of the byte API: whatever the bytes, a request or the place of a fault, and what is
//! accepted is what its own encoder writes.
//!
//! The laws: `decode` does not panic; a fault's offset lies where a message may have a field; an
//! accepted message lies whole within the bytes, re-encodes to exactly these bytes, and decodes
//! again to the same request when it stands alone, one byte short (refused) or in front of others.
//!
//! The surprising choice: the length field is taken from the input's own length in every second
//! input. A fuzzer finds lengths by itself, but spends most of its runs on messages that are cut.

use std::cell::RefCell;

use allocdb_core::canary::Canary;
use allocdb_node::wire::message::{Kind, VERSION};
use allocdb_node::wire::request::{self, REQUEST_BYTES_MAX};

use super::Target;

/// The target.
pub const TARGET: Target = Target {
    name: "request",
    len_max: 192,
    allocation_bytes_max: 0,
    run,
    seeds,
    canary: Canary::RequestReservedIgnored,
};

const HEADER_BYTES: usize = 16;

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch {
        input: vec![0; TARGET.len_max],
        encoded: vec![0; REQUEST_BYTES_MAX],
    });
}

struct Scratch {
    input: Vec<u8>,
    encoded: Vec<u8>,
}

/// Tries one input: a byte that says whether the length is put right, then the messages.
pub fn run(data: &[u8]) {
    let Some((&mode, bytes)) = data.split_first() else {
        return;
    };
    SCRATCH.with_borrow_mut(|scratch| {
        let Scratch { input, encoded } = scratch;
        let len = bytes.len().min(input.len());
        let input = &mut input[..len];
        input.copy_from_slice(&bytes[..len]);
        if mode % 2 == 1 && len >= HEADER_BYTES {
            let len = u32::try_from(len).expect("short");
            input[..4].copy_from_slice(&len.to_le_bytes());
        }
        check_all(input, encoded);
    });
}

/// A call is any number of messages back to back.
fn check_all(mut bytes: &[u8], encoded: &mut [u8]) {
    while let Some(len) = check(bytes, encoded) {
        bytes = &bytes[len..];
    }
}

fn check(bytes: &[u8], encoded: &mut [u8]) -> Option<usize> {
    let (request, len) = match request::decode(bytes) {
        Ok(accepted) => accepted,
        Err(fault) => {
            assert!(fault.offset < REQUEST_BYTES_MAX, "{fault:?}");
            return None;
        }
    };
    assert!(len >= HEADER_BYTES, "a message of {len} bytes");
    let message = &bytes[..len];
    assert_eq!(request::encode(&request, encoded), Some(len));
    assert_eq!(&encoded[..len], message, "{request:?}");
    assert_eq!(request::decode(message), Ok((request, len)));
    assert!(
        request::decode(&message[..len - 1]).is_err(),
        "a cut message was accepted: {request:?}"
    );
    Some(len)
}

/// One message of every kind, each with small numbers in all fields.
fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for kind in Kind::ALL {
        for len in (HEADER_BYTES..=144).step_by(8) {
            let mut message = vec![0; len];
            message[0] = u8::try_from(len).expect("short");
            message[4] = VERSION;
            message[5] = kind.number();
            for at in (HEADER_BYTES..len).step_by(8) {
                message[at] = 1;
            }
            // A reserve's count, and words that must be zero.
            if kind == Kind::Reserve && len >= 80 {
                message[72] = u8::try_from((len - 80) / 16).expect("few");
            }
            if kind.is_command() || request::decode(&message).is_ok() {
                seeds.push([&[0], message.as_slice()].concat());
            }
        }
    }
    seeds.retain(|seed| request::decode(&seed[1..]).is_ok());
    seeds
}
