"""Options: every C option as a keyword, checked, and seen to take effect."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, Opener

import allocdb
from allocdb import Clock, Id, LogLevel, Sync, UsageError, _library
from allocdb.options import OPTION_NAMES, Options, native_options


def test_the_structs_are_those_of_the_frozen_layout() -> None:
    layouts = (ROOT / "crates/allocdb-ffi/abi/layouts.txt").read_text().splitlines()
    checked = 0
    structs = {"allocdb_options": _library.NativeOptions, "allocdb_error": _library.NativeError,
               "allocdb_id": _library.NativeId}
    for line in layouts:
        if not line or line.startswith("#"):
            continue
        struct, field, offset, size = line.split()
        if struct not in structs:
            continue
        if field == "-":
            assert ctypes.sizeof(structs[struct]) == int(size), line
        else:
            found = getattr(structs[struct], field)
            assert (found.offset, found.size) == (int(offset), int(size)), line
        checked += 1
    assert checked > 35


def test_every_c_option_is_a_keyword() -> None:
    fields = {name for name, *_ in _library.NativeOptions._fields_}
    fields -= {"struct_size", "flags", "reserved0", "log_function", "log_context"}
    flags = {"existing", "new", "read_only", "allow_network_fs", "auto_expire"}
    assert set(OPTION_NAMES) == fields | flags == set(Options.__annotations__)


def test_values_land_in_their_fields() -> None:
    for name in OPTION_NAMES:
        native = native_options({name: None})
        assert native.flags == 0
    native = native_options({"max_resources": 7, "sync": "os", "clock": Clock.HOST,
                             "log_level": "info", "database_id": 2**64 + 5, "new": True,
                             "allow_network_fs": True, "auto_expire": False, "existing": False})
    assert native.struct_size == ctypes.sizeof(native) and native.max_resources == 7
    assert (native.sync, native.clock, native.log_level) == (1, 1, LogLevel.INFO)
    assert (native.database_id.lo, native.database_id.hi) == (5, 1)
    assert native.flags == 2 | 8 | 16
    assert native_options({"auto_expire": True, "sync": Sync.FULL}).flags == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_resource": 5}, "max_resource is no option; there are: allow_network_fs, "),
        ({"max_resources": -1}, "max_resources is -1, must be 0 to 2**32 - 1"),
        ({"max_resources": 2**32}, "max_resources is 4294967296, must be 0 to 2**32 - 1"),
        ({"shard_id": 2**64}, "must be 0 to 2**64 - 1"),
        ({"max_ttl_slots": 1.5}, "max_ttl_slots is 1.5, must be an int"),
        ({"max_ttl_slots": True}, "max_ttl_slots is True, must be an int"),
        ({"sync": "always"}, "sync is 'always', must be one of 'full', 'os'"),
        ({"sync": 1}, "sync is 1, must be one of"),
        ({"sync": Sync(7)}, "must be one of 'full', 'os'"),
        ({"clock": "Host"}, "clock is 'Host', must be one of 'system', 'host'"),
        ({"log_level": "debug"}, "must be one of 'error', 'warning', 'info'"),
        ({"new": 1}, "new is 1, must be True or False"),
        ({"database_id": 0}, "database_id is 0, must be 1 to"),
        ({"max_bundle_len": 1025}, "max_bundle_len is 1025, must be 1 to 1024"),
        ({"slot_duration_ms": 86_400_001}, "slot_duration_ms is 86400001, must be 1 to 86400000"),
        ({"max_reservations": 2**28 + 1}, "max_reservations is 268435457, must be 1 to 268435456"),
    ],
)
def test_options_that_are_not_allowed_are_named(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        allocdb.open(tmp_path / "db", **options)
    assert not list(tmp_path.glob("db/*.adb"))


def test_a_path_with_a_nul_is_refused(db: allocdb.Database) -> None:
    with pytest.raises(UsageError, match="holds a NUL"):
        allocdb.open("a\0b")


def test_what_is_stored_is_shown_and_kept(opened: Opener, tmp_path: Path) -> None:
    db = opened(tmp_path / "db", database_id="theatre", shard_id=7, max_queue=99)
    found = db.configuration
    assert (found.database_id, found.shard_id) == (Id("theatre"), 7)
    assert (found.slot_duration_ms, found.max_bundle_len, found.max_queue) == (1000, 8, 99)
    assert not hasattr(found, "hash_seed")
    db.create(1)
    token = db.reserve(1, "alice", ttl=5).token
    assert token >> 64 == 7
    db.close()
    with allocdb.open(tmp_path / "db", existing=True) as again:
        assert again.configuration.max_bundle_len == 8
        assert again.configuration.max_queue == 8192
        assert again.get_reservation(token) is not None


def test_defaults_are_the_documented_ones(tmp_path: Path) -> None:
    with allocdb.open(tmp_path / "db") as db:
        found = db.configuration
        assert found.slot_duration_ms == 100 and found.operation_window_slots == 300
        assert (found.max_resources, found.max_reservations) == (65_536, 262_144)
        assert (found.max_operations, found.max_bundle_len) == (524_288, 64)
        assert abs(db.slot_now() - db._handle.slot_now()) <= 1
        assert db.create("x").operation.valid_until_slot >= db.slot_now() + 299


def test_a_path_may_be_str_bytes_or_a_path(tmp_path: Path) -> None:
    for path in (str(tmp_path / "a"), bytes(tmp_path / "b"), tmp_path / "c", tmp_path / "Sälë"):
        with allocdb.open(path, max_resources=10) as db:
            assert Path(db.path).is_dir() and repr(db) == f"<Database {db.path!r}>"


def test_the_memory_bound_is_told_beforehand() -> None:
    small = allocdb.memory_bound(max_resources=10, max_reservations=10, max_operations=10)
    assert 0 < small < allocdb.memory_bound() < 2**32
    with pytest.raises(UsageError, match="max_resources is 268435457, must be 1 to 268435456"):
        allocdb.memory_bound(max_resources=2**28 + 1)


def test_capacities_may_grow_and_never_shrink(opened: Opener, tmp_path: Path) -> None:
    # R92, R95
    db = opened(tmp_path / "db", max_resources=10)
    with db.batch() as batch:
        for number in range(1, 12):
            batch.create(number)
    assert batch.results[-1].code is allocdb.ResultCode.RESOURCE_TABLE_FULL
    db.close()
    db = opened(tmp_path / "db", max_resources=20)
    assert db.configuration.max_resources == 20 and db.create(11).ok
    assert {row.resource_id for row in db.list_resources()} == set(range(1, 12))
    db.close()
    with pytest.raises(allocdb.ConfigMismatchError, match="max_resources"):
        opened(tmp_path / "db", max_resources=10)
