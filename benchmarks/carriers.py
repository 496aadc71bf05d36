"""Columns as people have them: what each kind of column costs beside FF1 itself, measured in the same run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from benchmarks import Figure, LeftOut, Peer, benchmark, seconds

ROWS = 500_000
HERE = "the same run"


@benchmark
def social_security_numbers() -> Iterator[Figure]:
    """Nine digits in every carrier, on one core; the peer is FF1 over integers that lie ready."""
    try:
        import numpy as np
        import pandas as pd
        import polars as pl
        import pyarrow as pa

        from confide.cipher.ff1_columns import FF1Columns
        from confide.columns import ColumnKeyring, protect
    except ImportError as missing:
        raise LeftOut(f"{missing.name} is not installed") from None
    keyring = ColumnKeyring.random()
    numbers = np.random.default_rng(1).permutation(10**9 // ROWS * np.arange(ROWS, dtype=np.uint64))
    bare = [f"{number:09}" for number in numbers.tolist()]
    dashed = [f"{ssn[:3]}-{ssn[3:5]}-{ssn[5:]}" for ssn in bare]
    some = [ssn if row % 2 else other for row, (ssn, other) in enumerate(zip(bare, dashed, strict=True))]
    ff1, tweak = FF1Columns(keyring.ff1(), 10), keyring.tweak("ssn")
    carried = {
        "uint64": numbers,
        "NumPy S9": np.array(bare, "S9"),
        "NumPy U9": np.array(bare, "U9"),
        "list of str": bare,
        "Arrow string": pa.array(bare),
        "Arrow string, 078-05-1120": pa.array(dashed),
        "Arrow string, half with separators": pa.array(some),
        "Arrow string, a third null": pa.array([ssn if row % 3 else None for row, ssn in enumerate(dashed)]),
        "pandas str": pd.Series(dashed),
        "pandas object": pd.Series(dashed, dtype=object),
        "Polars String": pl.Series(dashed),
    }
    for name, column in carried.items():
        # Each beside its own measurement of the peer: a shared machine is not equally fast all the time.
        raw = ROWS / seconds(lambda: ff1.encrypt_numbers(numbers, 9, tweak), at_least=0.1)
        once = seconds(lambda column=column: protect(column, "ssn", keyring), at_least=0.1)
        peer = Peer("FF1 over integers", raw, HERE)
        yield Figure(f"protect, SSN, {name}", ROWS / once, "values/s", peer)


@benchmark
def other_elements() -> Iterator[Figure]:
    """One Arrow column of each sort of element, on one core."""
    try:
        import pyarrow as pa

        from confide.columns import ColumnKeyring, protect, reveal
    except ImportError as missing:
        raise LeftOut(f"{missing.name} is not installed") from None
    keyring, rows = ColumnKeyring.random(), ROWS // 5

    def column(write: Callable[[int], str]) -> pa.Array:
        return pa.array([write(row) for row in range(rows)])

    names = column(lambda row: f"Person {row} Example")
    sealed = protect(names, "name", keyring)
    measured = {
        "phone, (555) 010-4477": (column(lambda n: f"(555) {n % 1000:03}-4477"), "phone", {}),
        "MRN, letters and digits": (column(lambda n: f"MRN{n:08}"), "mrn", {}),
        "card number with check digit": (column(lambda _: "4111111111111111"), "card", {}),
        "identifier in Cyrillic": (
            column(lambda n: f"БВ-{n:08}"),
            "identifier",
            {"alphabet": "0123456789БВГДЖЗ"},
        ),
        "SSN with a tweak per row": (column(lambda n: f"{n:09}"), "ssn", {"tweaks": names}),
        "name, sealed": (names, "name", {}),
        "name, pseudonym": (names, "name", {"method": "pseudonym"}),
        "birth date, year": (
            column(lambda n: f"19{n % 100:02}-05-12"),
            "birth-date",
            {"method": "generalise"},
        ),
    }
    for name, (values, element, asked) in measured.items():
        once = seconds(partial(protect, values, element, keyring, **asked), at_least=0.1)
        yield Figure(f"columns, {name}", rows / once, "values/s")
    once = seconds(partial(reveal, sealed, "name", keyring), at_least=0.1)
    yield Figure("columns, name, opened", rows / once, "values/s")
