"""Files that are read: opened by their format, with the columns they have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from confide.errors import Invalid, Unknown
from confide.protect.files.formats import Form
from confide.protect.files.texts import Delimited, Objects
from confide.protect.files.typed import Arrow, Parquet
from confide.protect.files.units import Unit, reading

__all__ = ["Delimited", "Objects", "Source", "Unit", "open_source"]


class Source(Protocol):
    """A file that is read.

    Attributes:
        path: Where it is.
        form: Its format.
        names: The columns, in order.
        schema: The types of its columns, where the format has types.
        size: In bytes.
    """

    path: Path
    form: Form
    names: list[str]
    schema: pa.Schema | None
    size: int

    def units(self, every: int = 0) -> Iterator[Unit]:
        """All rows in order; or only some, so many bytes of the file apart.

        Raises:
            Invalid: The file is not what its format says.
            Unavailable: It cannot be read any more.
        """


def open_source(path: Path, form: Form) -> Source:
    """Look at a file: its columns.

    Raises:
        Unknown: There is no such file.
        Invalid: It is not what its format says, or two columns have one name.
    """
    if not path.exists():
        raise Unknown(f"there is no {path} (is the path right?)")
    if not path.is_file():
        raise Invalid(f"{path} is not a file")
    source: Source
    with reading(path):
        if form.delimited:
            source = Delimited(path, form)
        elif form is Form.NDJSON:
            source = Objects(path)
        elif form is Form.PARQUET:
            source = Parquet(path)
        else:
            source = Arrow(path)
    twice = sorted({name for name in source.names if source.names.count(name) > 1})
    if twice:
        raise Invalid(f"{path} has two columns of one name: {', '.join(twice)}")
    return source
