"""Which format a file has: by the end of its name, unless somebody says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final

from confide.errors import Invalid


class Form(StrEnum):
    """The format of a table. The value is what ``--format-in`` and ``--format-out`` take."""

    CSV = "csv"
    TSV = "tsv"
    NDJSON = "ndjson"
    PARQUET = "parquet"
    ARROW = "arrow"
    ARROW_STREAM = "arrow-stream"

    @property
    def typed(self) -> bool:
        """Whether its columns have types of their own."""
        return self in {Form.PARQUET, Form.ARROW, Form.ARROW_STREAM}

    @property
    def delimited(self) -> bool:
        """Whether it is text with a separator between the fields."""
        return self in {Form.CSV, Form.TSV}


ENDINGS: Final[Mapping[str, Form]] = {
    ".csv": Form.CSV,
    ".tsv": Form.TSV,
    ".tab": Form.TSV,
    ".ndjson": Form.NDJSON,
    ".jsonl": Form.NDJSON,
    ".parquet": Form.PARQUET,
    ".pq": Form.PARQUET,
    ".arrow": Form.ARROW,
    ".feather": Form.ARROW,
    ".ipc": Form.ARROW,
    ".arrows": Form.ARROW_STREAM,
}
PACKED: Final = ".gz"


def form_of(path: Path, asked: str | None = None) -> Form:
    """The format of a file.

    Args:
        path: Its name; with ``.gz`` behind it, it is packed.
        asked: The format whatever the name says.

    Raises:
        Invalid: The name tells none, or a typed format is to be packed.
    """
    if asked is not None:
        try:
            form = Form(asked)
        except ValueError:
            raise Invalid(f"no such format (there are: {', '.join(Form)})") from None
    else:
        name = path.name.lower().removesuffix(PACKED)
        found = next((form for ending, form in ENDINGS.items() if name.endswith(ending)), None)
        if found is None:
            raise Invalid(
                f"the name of {path} does not tell its format (it ends in {', '.join(ENDINGS)};"
                " or say --format-in or --format-out)"
            )
        form = found
    if is_packed(path) and form.typed:
        raise Invalid(f"{path}: only CSV, TSV and NDJSON are packed with gzip; {form} packs itself")
    return form


def is_packed(path: Path) -> bool:
    """Whether the file is packed with gzip."""
    return path.name.lower().endswith(PACKED)
