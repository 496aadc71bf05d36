"""FF1 over columns, beside its peers in the same run: a million nine-digit SSNs, AES-256, a 16-byte tweak."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache, partial
from statistics import median

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from benchmarks import Figure, LeftOut, Peer, benchmark
from confide.cipher.alphabet import Alphabet
from confide.cipher.columns.processes import CREW
from confide.cipher.ff1_columns import FF1Columns

ROWS = 1_000_000
PEER_ROWS = 10_000
ROUNDS = 9
TURNS = 25
KEY = bytes(range(32))
TWEAK = bytes(range(16))
HERE = "measured in this run"

Work = tuple[Callable[[], object], int]
"""What to run, and how many values it does."""


def side_by_side(works: dict[str, Work], rounds: int = ROUNDS) -> dict[str, float]:
    """Values per second of each: the median of rounds in which all take turns on a busy machine."""
    took: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, (work, values) in works.items():
            started = time.perf_counter()
            work()
            took[name].append((time.perf_counter() - started) / values)
    return {name: 1 / median(times) for name, times in took.items()}


def ssns() -> np.ndarray:
    """Nine-digit numbers, the same in each run."""
    return np.random.default_rng(1).integers(0, 10**9, ROWS, np.uint64)


def as_text(numbers: np.ndarray) -> np.ndarray:
    """(rows, 9) bytes."""
    return (numbers[:, None] // 10 ** np.arange(8, -1, -1, dtype=np.uint64) % 10 + 48).astype(np.uint8)


def peers(values: list[str]) -> dict[str, Work]:
    """What one would call otherwise, one value at a time, in the way that its own documentation shows."""
    try:
        import fastfpe
        import ffx
        import pyffx
        from ff3 import FF3Cipher
    except ImportError as missing:
        raise LeftOut(f"{missing.name} is not installed (pip install 'confide[bench]')") from missing
    key, tweak, digits = KEY.hex(), TWEAK.hex(), "0123456789"
    ff1, ff3, other = ffx.FF1(KEY, radix=10), FF3Cipher(key, TWEAK[:7].hex()), pyffx.String(KEY, digits, 9)
    # Two of them are FF1, and must say what we say.
    ours = FF1Columns(KEY, 10).encrypt_text(codes_of(values[:100]), Alphabet(digits), TWEAK)
    expected = ["".join(map(chr, row)) for row in ours]
    assert [fastfpe.ff1.encrypt(key, tweak, digits, value) for value in values[:100]] == expected
    assert [ff1.encrypt(value, tweak=TWEAK) for value in values[:100]] == expected

    def each(encrypt: Callable[[str], str], share: int = 1) -> Work:
        some = values[: len(values) // share]
        return lambda: [encrypt(value) for value in some], len(some)

    return {
        "fastfpe (Rust)": each(lambda value: fastfpe.ff1.encrypt(key, tweak, digits, value)),
        "libffx": each(lambda value: ff1.encrypt(value, tweak=TWEAK), 4),
        "ff3 (FF3-1)": each(ff3.encrypt, 10),
        "pyffx (FFX)": each(other.encrypt, 10),
    }


def codes_of(values: list[str]) -> np.ndarray:
    return np.frombuffer("".join(values).encode(), np.uint8).reshape(len(values), -1)


def aes_alone() -> Work:
    """Ten blocks for each value, which FF1 cannot do without, and nothing else."""
    rows = 1 << 16
    blocks, out = bytes(16 * rows), bytearray(16 * (rows + 1))
    aes = Cipher(algorithms.AES(KEY), modes.ECB()).encryptor()
    return lambda: [aes.update_into(blocks, out) for _ in range(10 * ROWS // rows)], ROWS // rows * rows


@cache
def measured() -> dict[str, float]:
    """Everything in one go, so that every ratio is of one run."""
    numbers = ssns()
    text = as_text(numbers)
    tweaks = np.random.default_rng(2).integers(0, 256, (ROWS, 16), np.uint8)
    ff1, digits = FF1Columns(KEY, 10), Alphabet("0123456789")
    return side_by_side(
        {
            "AES": aes_alone(),
            "numbers": (lambda: ff1.encrypt_numbers(numbers, 9, TWEAK), ROWS),
            "text": (lambda: ff1.encrypt_text(text, digits, TWEAK), ROWS),
            "tweaks": (lambda: ff1.encrypt_text(text, digits, tweaks), ROWS),
            "back": (lambda: ff1.decrypt_text(text, digits, TWEAK), ROWS),
            **peers(["".join(map(chr, row)) for row in text[:PEER_ROWS]]),
        }
    )


@benchmark
def ff1_columns() -> Iterator[Figure]:
    rate = measured()
    fastest = Peer("fastfpe (Rust)", rate["fastfpe (Rust)"], HERE)
    yield Figure("FF1, column of integers", rate["numbers"], "values/s", fastest, 60 * fastest.value)
    yield Figure("FF1, column of 9 bytes", rate["text"], "values/s", fastest, 40 * fastest.value)
    yield Figure("FF1, column of 9 bytes, decrypt", rate["back"], "values/s", fastest)
    yield Figure("FF1, 9 bytes, a tweak per row", rate["tweaks"], "values/s", fastest)
    for name in ("libffx", "ff3 (FF3-1)", "pyffx (FFX)"):
        yield Figure("FF1, column of 9 bytes", rate["text"], "values/s", Peer(name, rate[name], HERE))
    # Ten blocks of AES a value are the limit; the ratio is our share of it.
    limit = Peer("AES alone", rate["AES"], HERE)
    yield Figure("FF1, integers, share of the AES limit", rate["numbers"], "values/s", limit)
    yield Figure("FF1, 9 bytes, share of the AES limit", rate["text"], "values/s", limit)


@benchmark
def ff1_columns_on_two_cores() -> Iterator[Figure]:
    """One core and two take turns, so that whatever else the machine does meets both."""
    if (os.cpu_count() or 1) < 2:
        raise LeftOut("this machine has one core")
    numbers, text = ssns(), as_text(ssns())
    tweaks = np.random.default_rng(2).integers(0, 256, (ROWS, 16), np.uint8)
    ff1, digits = FF1Columns(KEY, 10), Alphabet("0123456789")
    ways = {
        "integers": lambda cores: ff1.encrypt_numbers(numbers, 9, TWEAK, threads=cores),
        "9 bytes": lambda cores: ff1.encrypt_text(text, digits, TWEAK, threads=cores),
        "9 bytes, a tweak per row": lambda cores: ff1.encrypt_text(text, digits, tweaks, threads=cores),
    }
    while not CREW.ready:  # the other process starts with the first column, and is there for those after
        ways["integers"](2)
    for name, way in ways.items():
        one, two = in_turns(partial(way, 1), partial(way, 2))
        yield two_cores(f"FF1, two cores, {name}", ROWS, one, two, 1.7)
    alone, values = aes_alone()
    other, _ = aes_alone()
    with ThreadPoolExecutor(2) as pool:

        def together() -> None:
            wait([pool.submit(alone), pool.submit(other)])

        one, two = in_turns(lambda: (alone(), other()), together)
    # What two cores of this machine are to one, for what FF1 cannot do without
    yield two_cores("AES alone, two cores", 2 * values, one, two)


def two_cores(name: str, values: int, one: float, two: float, times: float | None = None) -> Figure:
    peer = Peer("one core", values / one, HERE)
    return Figure(name, values / two, "values/s", peer, times and times * peer.value)


def in_turns(*ways: Callable[[], object]) -> list[float]:
    """Seconds that each takes: the median of rounds in which they take turns."""
    took: list[list[float]] = [[] for _ in ways]
    for _ in range(TURNS):
        for way, times in zip(ways, took, strict=True):
            started = time.perf_counter()
            way()
            times.append(time.perf_counter() - started)
    return [median(times) for times in took]
