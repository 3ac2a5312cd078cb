"""The codec against the golden vectors, byte for byte; against a live database; against garbage."""

from __future__ import annotations

import ctypes
import random
from pathlib import Path
from typing import Any

import pytest
import allocdb
from allocdb import _codec, _library
from allocdb._codec import DecodeError
from allocdb.figures import health_of

TARGETS = {1: "resource_id", 2: "resource_id", 7: "reservation_id", 8: "reservation_id"}
CONFIGURATION_FIELDS = (
    "database_id shard_id slot_duration_ms max_ttl_slots operation_window_slots "
    "history_window_slots max_resources max_reservations max_operations max_bundle_len "
    "max_expiration_bucket_len max_expirations_per_tick max_batch_commands max_queue "
    "max_batch_bytes"
).split()
REPORT_FIELDS = (
    "kind snapshot_lsn frames_replayed records_replayed last_lsn last_slot torn_bytes "
    "rewritten_bytes duration_ns"
).split()
CHECKPOINT_FIELDS = (
    "anchor_lsn snapshot_bytes log_bytes_before log_bytes_after duration_ns stall_ns written"
).split()
RESOURCE_FIELDS = "resource_id reservation_id holder_id version state".split()
RESERVATION_FIELDS = (
    "reservation_id holder_id first_resource_id created_lsn deadline_slot ended_lsn "
    "retire_after_slot state resource_count"
).split()


def encode(row: dict[str, Any]) -> bytes:
    """The request of a vector, by this package's encoders."""
    kind, buffer = row["kind"], bytearray(1 << 15)
    ids = [int(number) for number in row["fields"].get("resource_ids", ())]
    f = {k: int(v) for k, v in row["fields"].items() if isinstance(v, str)}
    tag = f["tag"]
    if kind in TARGETS or kind in (3, 4, 5, 6):
        start = buffer, 0
        common = tag, f["slot"], f["operation_id"], f["valid_until_slot"]
        if kind in TARGETS:
            size = _codec.put_target(*start, kind, *common, f[TARGETS[kind]])
        elif kind == _codec.RESERVE:
            size = _codec.put_reserve(*start, *common, ids, f["holder_id"], f["ttl_slots"])
        elif kind == _codec.EXTEND:
            held = f["reservation_id"], f["holder_id"]
            size = _codec.put_extend(*start, *common, *held, f["ttl_slots"])
        else:
            size = _codec.put_held(*start, kind, *common, f["reservation_id"], f["holder_id"])
    elif kind == _codec.TICK:
        size = _codec.put_tick(buffer, 0, tag, f["slot"], f["limit"])
    elif kind == _codec.GET_RESERVATION:
        fence_and_id = f["required_lsn"], f["reservation_id"]
        size = _codec.put_get_reservation(buffer, 0, tag, *fence_and_id, f["capacity"])
    elif kind in (_codec.GET_RESOURCE, _codec.GET_OPERATION):
        id = f["resource_id" if kind == _codec.GET_RESOURCE else "operation_id"]
        size = _codec.put_get(buffer, 0, kind, tag, f["required_lsn"], id)
    elif kind in (_codec.LIST_RESOURCES, _codec.LIST_RESERVATIONS):
        rest = f["cursor"], f["holder_id"], f["state_mask"], f["row_count_max"]
        size = _codec.put_list(buffer, 0, kind, tag, f["required_lsn"], *rest)
    elif kind == _codec.HEALTH:
        size = _codec.put_health(buffer, 0, tag, f["slot"])
    else:
        size = _codec.put_plain(buffer, 0, kind, tag)
    return bytes(buffer[:size])


def named(fields: list[str], values: Any) -> dict[str, int]:
    return dict(zip(fields, values, strict=True))


def decode(response: bytes, at: int, end: int) -> dict[str, Any]:
    """Everything that this package's decoders find in a response, named as in the vectors."""
    _, kind, tag = _codec.header(response, at, end)
    failed = _codec.failure(response, at, end, kind)
    if failed is not None:
        status, os_errno, detail = failed
        return {"tag": tag, "status": status, "os_errno": os_errno, "detail": list(detail)}
    found: dict[str, Any] = {"tag": tag, "status": 0}
    if kind <= _codec.RECLAIM or kind == _codec.GET_OPERATION:
        _, _, lsn, lo, hi, deadline, code, failed_index, cached, _ = _codec.outcome(
            response, at, end
        )
        found.update(lsn=lsn, reservation_id=hi << 64 | lo, deadline_slot=deadline, code=code)
        found.update(failed_index=failed_index, from_retry_cache=cached)
    elif kind == _codec.TICK:
        values = _codec.tick_result(response, at, end)
        found.update(named("lsn slot due_count expired_count".split(), values))
    elif kind == _codec.GET_RESOURCE:
        found.update(named(RESOURCE_FIELDS, _codec.resource(response, at, end)))
    elif kind == _codec.GET_RESERVATION:
        row, ids = _codec.reservation(response, at, end)
        found.update(named(RESERVATION_FIELDS, row), resource_ids=ids)
    elif kind in (_codec.LIST_RESOURCES, _codec.LIST_RESERVATIONS):
        found.update(decode_list(response, at, end, kind))
    elif kind == _codec.CONFIGURATION:
        found.update(named(CONFIGURATION_FIELDS, _codec.configuration(response, at, end)))
    elif kind == _codec.RECOVERY_REPORT:
        found.update(named(REPORT_FIELDS, _codec.recovery_report(response, at, end)))
    elif kind == _codec.CHECKPOINT:
        found.update(named(CHECKPOINT_FIELDS, _codec.checkpoint(response, at, end)))
    elif kind == _codec.HEALTH:
        found.update(words=list(_codec.health_words(response, at, end)))
    return found


def decode_list(response: bytes, at: int, end: int, kind: int) -> dict[str, Any]:
    is_resources = kind == _codec.LIST_RESOURCES
    row_bytes = _codec.RESOURCE_ROW_BYTES if is_resources else _codec.RESERVATION_ROW_BYTES
    next_cursor, applied_lsn, places = _codec.list_page(response, at, end, row_bytes)
    rows = [
        named(RESOURCE_FIELDS, _codec.resource_row(response, place))
        if is_resources
        else named(RESERVATION_FIELDS, _codec.reservation_row(response, place))
        for place in places
    ]
    return {"next_cursor": next_cursor, "applied_lsn": applied_lsn, "rows": rows}


def numbers(value: Any) -> Any:
    """The vectors' decimal strings as numbers."""
    if isinstance(value, dict):
        return {key: numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [numbers(item) for item in value]
    return int(value)


def raw_call(db: allocdb.Database, request: bytes) -> bytes:
    """``allocdb_call`` itself; raises what the package raises."""
    sent = ctypes.create_string_buffer(request, len(request) or 1)
    received = ctypes.create_string_buffer(1 << 20)
    size, error = ctypes.c_size_t(), _library.NativeError()
    status = _library.call(
        db._handle.pointer, ctypes.addressof(sent), len(request), ctypes.addressof(received),
        len(received), ctypes.addressof(size), ctypes.addressof(error),
    )
    if status:
        raise db._handle.failure(status, error)
    return received.raw[: size.value]


def vector_options(options: dict[str, str]) -> dict[str, Any]:
    return {name: int(value) for name, value in options.items()}


def test_requests_are_encoded_byte_for_byte(codec_vectors: dict[str, Any]) -> None:
    assert {row["kind"] for row in codec_vectors["requests"]} == set(
        codec_vectors["kinds"].values()
    )
    for row in codec_vectors["requests"]:
        assert encode(row).hex() == row["hex"], row["name"]


def test_responses_are_decoded_field_by_field(codec_vectors: dict[str, Any]) -> None:
    assert len(codec_vectors["responses"]) > 50
    for row in codec_vectors["responses"]:
        response = bytes.fromhex(row["hex"])
        assert decode(response, 0, len(response)) == numbers(row["fields"]), row["name"]


def test_numbers_are_those_of_the_vectors(codec_vectors: dict[str, Any]) -> None:
    pairs: list[tuple[str, Any]] = [
        ("statuses", allocdb.Status),
        ("result_codes", allocdb.ResultCode),
        ("resource_states", allocdb.ResourceState),
        ("reservation_states", allocdb.ReservationState),
    ]
    for key, kind in pairs:
        known = {member.name.lower(): int(member) for member in kind}
        wanted = {name.lower(): number for name, number in codec_vectors[key].items()}
        assert known == wanted, key
    words = codec_vectors["health_words"]
    health = health_of(tuple(1000 + word for word in range(128)))
    for name, word in words.items():
        if word < 48 and word > 1:
            assert getattr(health, name) == 1000 + word, name
    assert health.commands_by_kind[allocdb.CommandKind.RESERVE] == 1000 + 48 + 3
    assert health.outcomes_by_code[allocdb.ResultCode.RESOURCE_BUSY] == 1000 + 64 + 4
    assert health.sync_histogram[0] == 1000 + 96


def test_a_live_database_answers_the_transcript_byte_for_byte(
    codec_vectors: dict[str, Any], tmp_path: Path
) -> None:
    transcript = codec_vectors["transcript"]
    options = vector_options(transcript["options"])
    with allocdb.open(tmp_path / "db", sync="os", **options) as db:
        for call in transcript["calls"]:
            response = raw_call(db, bytes.fromhex(call["request"]))
            assert response.hex() == call["response"], call["name"]
            at, found = 0, []
            while at < len(response):
                size = int.from_bytes(response[at : at + 4], "little")
                found.append(decode(response, at, at + size))
                at += size
            assert found == numbers(call["responses"]), call["name"]


def test_malformed_requests_are_refused_at_their_place(
    codec_vectors: dict[str, Any], tmp_path: Path
) -> None:
    options = vector_options(codec_vectors["transcript"]["options"])
    with allocdb.open(tmp_path / "db", sync="os", **options) as db:
        for row in codec_vectors["malformed"]:
            with pytest.raises(allocdb.RejectedError) as caught:
                raw_call(db, bytes.fromhex(row["hex"]))
            error = caught.value
            assert error.status is allocdb.Status.E_MALFORMED, row["name"]
            reason = codec_vectors["reasons"][row["reason"]]
            assert error.detail[:3] == (row["index"], row["offset"], reason), row["name"]
        for row in codec_vectors["refused"]:
            with pytest.raises(allocdb.RejectedError) as caught:
                raw_call(db, bytes.fromhex(row["hex"]))
            assert caught.value.status == row["status"], row["name"]
            assert list(caught.value.detail) == numbers(row["detail"]), row["name"]
        assert db.health().last_lsn == 0


def test_truncated_responses_raise_and_never_read_on(codec_vectors: dict[str, Any]) -> None:
    for row in codec_vectors["responses"]:
        response = bytes.fromhex(row["hex"])
        for end in range(len(response)):
            with pytest.raises(DecodeError):
                decode(response[:end], 0, end)
        with pytest.raises(DecodeError):
            decode(response + b"\0", 0, len(response) + 1)


def test_garbage_raises_or_is_decoded_and_never_crashes(codec_vectors: dict[str, Any]) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    draw = random.Random(seed)
    rows = [bytes.fromhex(row["hex"]) for row in codec_vectors["responses"]]
    refused = 0
    for _ in range(20_000):
        response = bytearray(draw.choice(rows))
        for _ in range(draw.randint(1, 4)):
            # The front, where lengths, kinds and counts are, more often than the rest.
            bound = draw.choice([24, 64, len(response)])
            response[draw.randrange(min(bound, len(response)))] = draw.choice([0, 1, 255, 128])
        try:
            decode(bytes(response), 0, len(response))
        except DecodeError:
            refused += 1
    for _ in range(5_000):
        response = bytearray(draw.randbytes(draw.randint(0, 200)))
        with pytest.raises(DecodeError):
            decode(bytes(response), 0, len(response))
    assert refused > 1000


def test_a_count_beyond_the_response_is_refused(codec_vectors: dict[str, Any]) -> None:
    # id_count, row_count
    places = {_codec.GET_RESERVATION: 120, _codec.LIST_RESOURCES: 40, _codec.LIST_RESERVATIONS: 40}
    tried = 0
    for row in codec_vectors["responses"]:
        kind = row["kind"] & 0x7F
        if kind not in places or row["fields"]["status"] != "0":
            continue
        for count in (9, 8193, 2**32 - 1):
            response = bytearray.fromhex(row["hex"])
            response[places[kind] : places[kind] + 4] = count.to_bytes(4, "little")
            with pytest.raises(DecodeError, match=f"count is {count}"):
                decode(bytes(response), 0, len(response))
            tried += 1
    assert tried >= 9


def test_the_fast_path_agrees_with_the_careful_one(codec_vectors: dict[str, Any]) -> None:
    for row in codec_vectors["responses"]:
        response, kind = bytes.fromhex(row["hex"]), row["kind"] & 0x7F
        is_ok = row["fields"]["status"] == "0"
        fields = _codec.resource_or_none(response, len(response))
        assert (fields is not None) == (is_ok and kind == _codec.GET_RESOURCE)
        if fields is not None:
            assert fields == _codec.resource(response, 0, len(response))
