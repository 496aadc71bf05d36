"""Protect and reveal columns of Spark's DataFrames, on the workers of a cluster.

    from confide.spark import ColumnKeyring, FileKmsAddress, protect, reveal

    keyring = ColumnKeyring.open("columns.keyring")
    frame = protect(frame, {"ssn": "ssn"}, keyring=keyring, kms=FileKmsAddress("/etc/confide/spark.key"))

Whoever holds the keyring can reveal what it protected: there is no budget and no journal here.
"""

from __future__ import annotations

from confide.errors import MalformedColumn, Misconfigured

try:
    from confide.protect.spark.frames import protect, reveal
except ModuleNotFoundError as missing:
    if (missing.name or "").partition(".")[0] not in {"numpy", "pyarrow", "pyspark"}:
        raise
    raise Misconfigured("Spark needs PySpark and pyarrow (pip install 'confide[spark]')") from None
from confide.protect.columns.keyring import ColumnKeyring
from confide.protect.columns.kinds import ColumnElement, Malformed, Method
from confide.protect.kms.file import FileKms
from confide.protect.spark.address import FileKmsAddress, KmsAddress
from confide.protect.spark.steps import ColumnRule

__all__ = [
    "ColumnElement",
    "ColumnKeyring",
    "ColumnRule",
    "FileKms",
    "FileKmsAddress",
    "KmsAddress",
    "Malformed",
    "MalformedColumn",
    "Method",
    "protect",
    "reveal",
]
