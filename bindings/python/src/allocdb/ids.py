"""Ids: 128-bit numbers, UUIDs, and names.

Every id of AllocDB is a number from 1 to 2**128 - 1, chosen by the caller (the database makes those
of reservations). Where this package takes an id it takes

- an ``int``: that number;
- a ``uuid.UUID``: its number;
- a ``str``: always a name, never the text of a UUID.

A name is 1 to 1,024 bytes of UTF-8 without NUL (R103). At most 15 bytes are packed reversibly into
a version 8 UUID (R104)::

    name     n0 n1 n2 n3 n4 n5 | n6 n7 ...                 15 bytes, padded with zeros
    digits   the 30 hexadecimal digits of these, with an 8 put in as digit 13 and as digit 17 of 32

and the id is shown as that text everywhere (R106). A longer name becomes a version 5 UUID in a
fixed namespace (R105) and is shown as a UUID. All languages share the rule; its vectors are in
``crates/allocdb-node/vectors/names.json``. It is written in Python here and not asked of the
library, because a call through ctypes costs more than the arithmetic.
"""

from __future__ import annotations

import functools
import uuid
from typing import Union

from .errors import UsageError

IdLike = Union[int, uuid.UUID, str]
"""What is taken wherever an id is asked for."""

ID_MAX = 2**128 - 1
NAME_BYTES_MAX = 1024
PACKED_BYTES_MAX = 15
NAME_NAMESPACE = uuid.UUID("1f4c56be-461b-5a1d-8b20-399c537dce72")
"""The namespace of names that are too long to be packed."""


class Id(int):
    """An id as results show it: an ``int`` that prints as its name where it is a packed one, else
    as a UUID.

    ``Id(value)`` takes what every id parameter takes: a number, a ``uuid.UUID``, or a name.

    >>> Id("seat_21A")
    Id('seat_21A')
    >>> print(Id("seat_21A"))
    seat_21A
    >>> Id("seat_21A").uuid
    UUID('73656174-5f32-8314-8100-000000000000')
    >>> print(Id(7))
    00000000-0000-0000-0000-000000000007
    >>> Id(7) == 7
    True

    Raises :class:`UsageError` for a number outside 1 to 2**128 - 1 and for a name that is none.
    Safe in any thread.
    """

    __slots__ = ()

    def __new__(cls, value: IdLike) -> Id:
        return int.__new__(cls, id_number(value, "value"))

    @classmethod
    def parse(cls, text: str) -> Id:
        """The id that is shown as ``text``: the inverse of ``str(id)``, for every id (R107).

        36 characters in the form of a UUID, in either case of letters, are that UUID; any other
        text of 1 to 15 bytes of UTF-8 is a packed name. A longer text is refused, because hashing
        what may be a mistyped UUID would make a new id of it: use ``Id(name)`` for a long name.

        >>> Id.parse(str(Id(7))) == 7
        True
        >>> Id.parse("seat_21A") == Id("seat_21A")
        True

        Raises :class:`UsageError`. Safe in any thread.
        """
        if not isinstance(text, str):
            raise UsageError(f"text is {_shown(text)}, must be a str")
        if len(text) == 36 and _is_uuid(text):
            return int.__new__(cls, int(text.replace("-", ""), 16))
        name = _name_bytes(text, "text")
        if len(name) > PACKED_BYTES_MAX:
            raise UsageError(
                f"text is {_shown(text)}, {len(name)} bytes: must be a UUID (8-4-4-4-12) or a name "
                f"of 1 to {PACKED_BYTES_MAX} bytes"
            )
        return cls(_pack(name))

    @classmethod
    def random(cls) -> Id:
        """A random id (a version 4 UUID). Safe in any thread."""
        return cls(uuid.uuid4().int)

    @property
    def uuid(self) -> uuid.UUID:
        """The same id as a ``uuid.UUID``."""
        return uuid.UUID(int=int(self))

    @property
    def name(self) -> str | None:
        """The name that is packed into this id; ``None`` where it is not a packed name, or holds a
        control character (R106).
        """
        return _unpack(int(self))

    def __str__(self) -> str:
        name = self.name
        return str(self.uuid) if name is None else name

    def __repr__(self) -> str:
        name = self.name
        if name is not None:
            return f"Id({name!r})"
        number = int(self)
        return f"Id({number})" if number < 2**32 else f"Id({number:#x})"

    def __format__(self, spec: str) -> str:
        # In a format string an id is text, as in print(); only an explicit number format is one.
        if spec and spec[-1] in "bcdoxXneEfFgG%":
            return int.__format__(self, spec)
        return format(str(self), spec)

    def __reduce__(self) -> tuple[type[Id], tuple[int]]:
        return Id, (int(self),)


def id_number(value: IdLike, field: str) -> int:
    """``value`` as a number; names ``field`` in the :class:`UsageError` where it is none."""
    if type(value) is int and 0 < value <= ID_MAX:
        return value
    if isinstance(value, str):
        try:
            return _id_of_name(value)
        except UsageError:
            _name_bytes(value, field)
            raise
    if isinstance(value, int) and not isinstance(value, bool):
        if 0 < value <= ID_MAX:
            return int(value)
        raise UsageError(f"{field} is {int(value)}, must be 1 to 2**128 - 1")
    if isinstance(value, uuid.UUID):
        if value.int != 0:
            return value.int
        raise UsageError(f"{field} is the UUID of all zeros, which is never an id")
    raise UsageError(f"{field} is {_shown(value)}, must be an int, a uuid.UUID or a str (a name)")


def shown_id(number: int) -> Id | None:
    """An id of a response: ``None`` for zero, which stands for "none"."""
    return int.__new__(Id, number) if number else None


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _name_bytes(name: str, field: str) -> bytes:
    try:
        text = name.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UsageError(
            f"{field} is {_shown(name)}, whose character {error.start} is half a surrogate pair: "
            "not UTF-8"
        ) from None
    if not 1 <= len(text) <= NAME_BYTES_MAX:
        raise UsageError(
            f"{field} is a name of {len(text)} bytes, must be 1 to {NAME_BYTES_MAX}"
        )
    if b"\0" in text:
        raise UsageError(f"{field} is {_shown(name)}, which holds a NUL at byte {text.index(0)}")
    return text


# The same few thousand names come again and again; the bound keeps strangers from filling memory.
@functools.lru_cache(maxsize=8192)
def _id_of_name(name: str) -> int:
    text = _name_bytes(name, "name")
    if len(text) <= PACKED_BYTES_MAX:
        return _pack(text)
    return uuid.uuid5(NAME_NAMESPACE, name).int


def _pack(text: bytes) -> int:
    """R104. The 120 bits in three parts, with an 8 between each two of them."""
    bits = int.from_bytes(text.ljust(PACKED_BYTES_MAX, b"\0"), "big")
    high, middle, low = bits >> 72, (bits >> 60) & 0xFFF, bits & (2**60 - 1)
    return high << 80 | 8 << 76 | middle << 64 | 8 << 60 | low


def _unpack(number: int) -> str | None:
    """R106: the name, where the id is exactly what :func:`_pack` makes of a printable one."""
    if (number >> 76) & 15 != 8 or (number >> 60) & 15 != 8:
        return None
    high, middle, low = number >> 80, (number >> 64) & 0xFFF, number & (2**60 - 1)
    text = (high << 72 | middle << 60 | low).to_bytes(PACKED_BYTES_MAX, "big").rstrip(b"\0")
    if not text or b"\0" in text:
        return None
    try:
        name = text.decode("utf-8")
    except UnicodeDecodeError:
        return None
    is_control = any(ord(c) < 0x20 or 0x7F <= ord(c) <= 0x9F for c in name)
    return None if is_control else name


def _is_uuid(text: str) -> bool:
    """The form 8-4-4-4-12; ``int(text, 16)`` alone would take underscores and other digits too."""
    if any(text[at] != "-" for at in (8, 13, 18, 23)):
        return False
    digits = text.replace("-", "")
    return len(digits) == 32 and all(c in "0123456789abcdefABCDEF" for c in digits)
