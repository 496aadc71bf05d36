"""The mathematics: FF1 on one value at a time, and seals."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import Figure, Peer, benchmark, seconds
from confide.cipher.ff1 import FF1
from confide.cipher.seal import SealingKey

MEASURED = "measured, 2 cores"


@benchmark
def ff1_scalar() -> Iterator[Figure]:
    """Nine digits, AES-256, a 16-byte tweak: a Social Security number under a patient's own tweak."""
    ff1 = FF1(bytes(range(32)), 10)
    digits, tweak = [1, 2, 3, 4, 5, 6, 7, 8, 9], bytes(16)
    once = seconds(lambda: ff1.encrypt(digits, tweak))
    yield Figure("FF1, one SSN", 1 / once, "values/s", Peer("fpe 0.1.2 (Cython)", 4_000, MEASURED))
    yield Figure("FF1, one SSN, for scale", 1 / once, "values/s", Peer("fastfpe (Rust)", 172_000, MEASURED))


@benchmark
def seals() -> Iterator[Figure]:
    key = SealingKey(bytes(range(32)))
    blob, context = bytes(512), b"practice|patient|Observation|id|1"
    sealed = key.seal(blob, context)
    yield Figure("seal 512 bytes", seconds(lambda: key.seal(blob, context)) * 1e6, "us")
    yield Figure("open 512 bytes", seconds(lambda: key.open(sealed, context)) * 1e6, "us")
