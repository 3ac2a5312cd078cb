"""Ids and names: the vectors that all languages share, and the rules (R103 to R107)."""

from __future__ import annotations

import copy
import pickle
import random
import uuid

import pytest
from conftest import load_vectors

from allocdb import Id, UsageError
from allocdb.ids import ID_MAX, NAME_NAMESPACE

NAMES = load_vectors("names.json")


def number_of(row: dict[str, str]) -> int:
    return int(row["hi"], 16) << 64 | int(row["lo"], 16)


def test_names_become_the_ids_of_the_shared_vectors() -> None:
    # R104, R105, R106
    assert len(NAMES["names"]) > 20
    assert str(NAME_NAMESPACE) == NAMES["namespace"]
    for row in NAMES["names"]:
        name = bytes.fromhex(row["utf8"]).decode()
        found = Id(name)
        assert (int(found), str(found.uuid)) == (number_of(row), row["id"]), name
        assert str(found) == bytes.fromhex(row["shown_utf8"]).decode(), name


def test_names_that_are_none_are_refused() -> None:
    # R103. What is no UTF-8 cannot be a Python str but as a lone surrogate.
    seen = 0
    for row in NAMES["refused_names"]:
        name = bytes.fromhex(row["utf8"]).decode("utf-8", "surrogateescape")
        with pytest.raises(UsageError, match="name|value"):
            Id(name)
        seen += 1
    assert seen >= 3


def test_texts_are_read_as_the_shared_vectors_say() -> None:
    # R107
    assert len(NAMES["texts"]) > 5
    for row in NAMES["texts"]:
        found = Id.parse(bytes.fromhex(row["utf8"]).decode())
        assert int(found) == number_of(row), row
        assert str(found) == bytes.fromhex(row["shown_utf8"]).decode(), row


def test_texts_that_are_no_id_are_refused() -> None:
    assert len(NAMES["refused_texts"]) > 5
    for row in NAMES["refused_texts"]:
        text = bytes.fromhex(row["utf8"]).decode("utf-8", "surrogateescape")
        with pytest.raises(UsageError):
            Id.parse(text)


def test_every_id_is_shown_as_the_shared_vectors_say_and_read_back() -> None:
    # R106, R107
    assert len(NAMES["ids"]) > 10
    for row in NAMES["ids"]:
        number = number_of(row)
        shown = bytes.fromhex(row["shown_utf8"]).decode()
        found = int.__new__(Id, number)
        assert str(found) == shown, row
        if number != 0:
            assert Id.parse(shown) == number


def test_random_ids_and_names_are_read_back_as_they_are_shown() -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    draw = random.Random(seed)
    for _ in range(3000):
        number = draw.randint(1, ID_MAX)
        if draw.random() < 0.5:
            # Close to a packed name: the version and variant digits are right.
            number = number & ~(15 << 76 | 15 << 60) | 8 << 76 | 8 << 60
            number &= ~(2 ** draw.randint(0, 60) - 1) | 8 << 60
        assert Id.parse(str(Id(number))) == number
        name = "".join(chr(draw.choice([33, 65, 233, 0x5EA7, 0x1F600])) for _ in range(3))
        assert str(Id(name)) == name and Id.parse(name) == Id(name)


def test_an_int_a_uuid_and_a_name_are_the_same_id() -> None:
    named = Id("seat_21A")
    assert named == Id(int(named)) == Id(named.uuid) == Id(named)
    assert named.name == "seat_21A"
    assert Id(7).name is None
    assert Id(uuid.UUID(int=7)) == 7


def test_a_long_name_is_a_version_5_uuid() -> None:
    # R105
    name = "a name of more than fifteen bytes"
    assert Id(name) == uuid.uuid5(NAME_NAMESPACE, name).int
    assert str(Id(name)) == str(uuid.uuid5(NAME_NAMESPACE, name))


def test_a_text_that_looks_like_a_uuid_is_a_name_where_an_id_is_asked_for() -> None:
    text = "00000000-0000-0000-0000-000000000007"
    assert Id(text) != 7
    assert Id.parse(text) == Id.parse(text.upper()) == 7


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (0, r"value is 0, must be 1 to 2\*\*128 - 1"),
        (-1, r"value is -1, must be 1 to"),
        (2**128, r"value is 340282366920938463463374607431768211456, must be"),
        (uuid.UUID(int=0), "value is the UUID of all zeros"),
        (True, "value is True, must be an int, a uuid.UUID or a str"),
        (1.5, "value is 1.5, must be an int, a uuid.UUID or a str"),
        (b"seat", "value is b'seat', must be an int, a uuid.UUID or a str"),
        (None, "value is None, must be"),
        ("", "value is a name of 0 bytes, must be 1 to 1024"),
        ("x" * 1025, "value is a name of 1025 bytes, must be 1 to 1024"),
        ("a\0b", r"value is 'a\\x00b', which holds a NUL at byte 1"),
        ("a\ud800", "value is 'a.ud800', whose character 1 is half a surrogate pair"),
    ],
)
def test_what_is_no_id_is_named_with_its_value_and_bound(value: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Id(value)  # type: ignore[arg-type]


def test_parse_takes_text_only() -> None:
    with pytest.raises(UsageError, match="text is 7, must be a str"):
        Id.parse(7)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="19 bytes: must be a UUID .* or a name of 1 to 15"):
        Id.parse("nineteen bytes long")


def test_an_id_is_a_number_that_prints_as_text() -> None:
    named = Id("gpu_3")
    assert f"{named}" == "gpu_3" and f"{named:>7}" == "  gpu_3"
    assert f"{Id(255):x}" == "ff"
    assert repr(named) == "Id('gpu_3')" and repr(Id(7)) == "Id(7)"
    assert repr(Id(2**100)) == "Id(0x10000000000000000000000000)"
    assert eval(repr(Id(2**100))) == 2**100
    assert {named: 1}[Id("gpu_3")] == 1
    for twin in (pickle.loads(pickle.dumps(named)), copy.copy(named), copy.deepcopy(named)):
        assert twin == named and str(twin) == "gpu_3"
    assert Id.random() != Id.random()
