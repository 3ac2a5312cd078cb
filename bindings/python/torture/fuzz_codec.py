"""Fuzzes the response decoder of the package, guided by coverage.

A small loop of its own: the codec's source is compiled with a mark in every block and at every
operand of a condition, inputs are changed at random, and those that reach a mark that none before
has reached are kept and changed further. The laws: a decoder answers or raises ``DecodeError``,
nothing else; and what it answers stands in the message at the documented offsets, read here without
its help. It speaks the lines that ``crates/allocdb-testing/src/layer.rs`` describes.

Rejected: ``sys.settrace``, which is ten times slower than marks in the code, and a fuzzer from a
package index, which has no wheels for every Python that this package runs on.
"""

from __future__ import annotations

import argparse
import ast
import json
import random
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any, Callable, cast

ROOT = Path(__file__).resolve().parents[3]
SOURCE = ROOT / "bindings/python/src/allocdb/_codec.py"
VECTORS = ROOT / "crates/allocdb-node/vectors/codec.json"
# The planted bug: a count of ids is believed, whatever the message's length.
RIGHT = "count > BUNDLE_LEN_MAX or end - at < 128 + 16 * count"
WRONG = "count > BUNDLE_LEN_MAX"
MESSAGE_BYTES_MAX = 2048


class Marker(ast.NodeTransformer):
    """Puts a mark into every block, and a pair of marks around every operand of and/or."""

    def __init__(self) -> None:
        self.count = 0

    def _next(self, places: int) -> ast.Constant:
        self.count += places
        return ast.Constant(self.count - places)

    def _block(self, body: list[ast.stmt]) -> list[ast.stmt]:
        place = ast.Subscript(ast.Name("_marks", ast.Load()), self._next(1), ast.Store())
        return [ast.Assign([place], ast.Constant(1)), *body]

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self.generic_visit(node)
        node.body = self._block(node.body)
        return node

    def visit_If(self, node: ast.If) -> ast.If:
        self.generic_visit(node)
        node.body = self._block(node.body)
        node.orelse = self._block(node.orelse)
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.BoolOp:
        self.generic_visit(node)
        node.values = [
            ast.Call(ast.Name("_mark", ast.Load()), [self._next(2), value], [])
            for value in node.values
        ]
        return node


def marked_codec(is_canary: bool) -> tuple[Any, bytearray]:
    """The codec as a module with marks, and the marks."""
    text = SOURCE.read_text()
    if is_canary:
        assert RIGHT in text, "the planted bug has lost its place"
        text = text.replace(RIGHT, WRONG)
    marker = Marker()
    tree = ast.fix_missing_locations(marker.visit(ast.parse(text)))
    marks = bytearray(marker.count)

    def mark(place: int, value: Any) -> Any:
        marks[place + bool(value)] = 1
        return value

    module = ModuleType("_codec")
    module.__dict__.update(_marks=marks, _mark=mark)
    sys.modules["_codec"] = module
    exec(compile(tree, str(SOURCE), "exec"), module.__dict__)
    return cast(Any, module), marks


def number(message: bytes, at: int, size: int) -> int:
    """The number of `size` bytes at an offset."""
    return int.from_bytes(message[at : at + size], "little")


def numbers(message: bytes, at: int, sizes: str) -> tuple[int, ...]:
    """Numbers that stand side by side, of so many bytes each: 4, 8, or x for 16."""
    out = []
    for size in sizes:
        width = 16 if size == "x" else int(size)
        out.append(number(message, at, width))
        at += width
    return tuple(out)


def check(codec: Any, message: bytes) -> None:
    """One message through the decoders, as the package calls them."""
    end = len(message)
    try:
        size, kind, tag = codec.header(message, 0, end)
        assert (size, tag) == (number(message, 0, 4), number(message, 8, 8))
        quick = codec.resource_or_none(message, end)
        if codec.failure(message, 0, end, kind) is not None:
            assert quick is None and number(message, 16, 4) != 0
            return
        check_body(codec, message, kind, end)
    except codec.DecodeError:
        pass


def check_body(codec: Any, message: bytes, kind: int, end: int) -> None:
    """The body of a response that was not refused."""
    if kind == codec.TICK:
        assert codec.tick_result(message, 0, end) == numbers(message, 24, "8884")
    elif kind == codec.GET_RESOURCE:
        assert codec.resource(message, 0, end) == numbers(message, 24, "xxx84")
    elif kind == codec.GET_RESERVATION:
        row, ids = codec.reservation(message, 0, end)
        assert row == numbers(message, 24, "xxx888844")
        assert tuple(ids) == numbers(message, 128, "x" * number(message, 120, 4))
    elif kind in (codec.LIST_RESOURCES, codec.LIST_RESERVATIONS):
        is_resources = kind == codec.LIST_RESOURCES
        row_bytes = codec.RESOURCE_ROW_BYTES if is_resources else codec.RESERVATION_ROW_BYTES
        decode = codec.resource_row if is_resources else codec.reservation_row
        sizes = "xxx84" if is_resources else "xxx888844"
        cursor, lsn, places = codec.list_page(message, 0, end, row_bytes)
        assert (cursor, lsn, len(places)) == numbers(message, 24, "884")
        for place in places:
            assert decode(message, place) == numbers(message, place, sizes)
    elif kind == codec.HEALTH:
        assert codec.health_words(message, 0, end) == numbers(message, 24, "8" * 128)
    elif kind == codec.CONFIGURATION:
        assert codec.configuration(message, 0, end)[:2] == numbers(message, 24, "x8")
    elif kind == codec.RECOVERY_REPORT:
        report = codec.recovery_report(message, 0, end)
        assert report[1:] == numbers(message, 32, "88888888")
    elif kind == codec.CHECKPOINT:
        assert codec.checkpoint(message, 0, end) == numbers(message, 24, "8888884")
    else:
        answer = codec.outcome(message, 0, end)
        assert answer[2] == number(message, 24, 8) and answer[6] == number(message, 56, 4)


VALUES = (0, 1, 2, 3, 16, 24, 72, 88, 127, 128, 255)


def changed(draw: random.Random, corpus: list[bytes]) -> bytes:
    """An input of the corpus with a few changes; its length field is right in most."""
    message = bytearray(corpus[int(draw.random() * len(corpus))])
    for _ in range(1 + int(draw.random() * 3)):
        choice = draw.random()
        at = int(draw.random() * (len(message) or 1))
        if choice < 0.5 and message:
            message[at] = VALUES[int(draw.random() * len(VALUES))]
        elif choice < 0.65 and message:
            message[at] = int(draw.random() * 256)
        elif choice < 0.75:
            del message[at : at + 1 + int(draw.random() * 32)]
        elif choice < 0.85:
            message[at:at] = bytes(1 + int(draw.random() * 32))
        elif len(message) >= 128:
            # Where counts stand.
            place = 40 if choice < 0.93 else 120
            message[place] = int(draw.random() * 8)
    del message[MESSAGE_BYTES_MAX:]
    if len(message) >= 4 and draw.random() < 0.8:
        message[:4] = len(message).to_bytes(4, "little")
    return bytes(message)


def fuzz(arguments: argparse.Namespace, tell: Callable[[str], None]) -> bool:
    """Runs to the goal or the time's end; whether nothing was found."""
    codec, marks = marked_codec(arguments.canary)
    blank = bytes(len(marks))
    draw = random.Random(arguments.seed)
    vectors = json.loads(VECTORS.read_text())
    waiting = [bytes.fromhex(row["hex"]) for row in vectors["responses"]]
    corpus = list(waiting)
    begun = told = time.monotonic()
    seen = runs = 0
    while runs < arguments.goal:
        message = waiting.pop() if waiting else changed(draw, corpus)
        marks[:] = blank
        try:
            check(codec, message)
        except Exception as error:
            tell(f"progress {runs}")
            what = f"{type(error).__name__} {error}"
            tell(f"found python, seed {arguments.seed}: {what}; message {message.hex()}")
            return False
        reached = int.from_bytes(marks, "little")
        if reached & ~seen:
            seen |= reached
            corpus.append(message)
        runs += 1
        if runs % 4096 == 0:
            now = time.monotonic()
            if now - told > 0.25:
                told = now
                tell(f"progress {runs}")
            if 0 < arguments.seconds <= now - begun:
                break
    tell(f"progress {runs}")
    tell(f"figure executions {runs}")
    tell(f"figure marks {seen.bit_count()}")
    tell(f"figure corpus {len(corpus)}")
    tell(f"figure per_second {int(runs / (time.monotonic() - begun + 0.001))}")
    return True


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--goal", type=int, default=1_000_000, help="executions")
    parser.add_argument("--seconds", type=float, default=0, help="0 is no limit")
    parser.add_argument("--seed", type=int, default=1, help="repeats a run")
    help_canary = "plant a bug: passes only if it is found"
    parser.add_argument("--canary", action="store_true", help=help_canary)
    arguments = parser.parse_args()
    if not arguments.canary:
        return 0 if fuzz(arguments, lambda line: print(line, flush=True)) else 1
    lines: list[str] = []
    if fuzz(arguments, lines.append):
        print("found python: the planted bug was not found", flush=True)
        return 1
    print("log the planted bug was found:", lines[-2], "executions", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
