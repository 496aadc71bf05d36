"""Protect and reveal a DataFrame: everything is checked here, nothing runs yet."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from pyspark.errors import PySparkException, PySparkImportError
from pyspark.sql import functions, types

from confide.errors import Invalid, Misconfigured
from confide.protect.columns.keyring import ColumnKeyring
from confide.protect.columns.kinds import Malformed
from confide.protect.spark import address
from confide.protect.spark.address import KmsAddress
from confide.protect.spark.steps import Columns, steps
from confide.protect.spark.work import PARTITION, ColumnWork

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_SEED_BYTES: Final = 16


def protect(
    frame: DataFrame,
    columns: Columns,
    *,
    keyring: ColumnKeyring | bytes,
    kms: KmsAddress,
    malformed: Malformed | str = Malformed.REFUSE,
    version: int | None = None,
) -> DataFrame:
    """Protect columns of a DataFrame, on the workers, whenever it is computed.

    Args:
        frame: Any; the columns that are not named, nested ones too, stay as they are.
        columns: By name of the column: its element ("ssn"), or a rule.
        keyring: A column keyring, or what its ``wrap`` gave under the Kms: then no key is ever here.
        kms: Under which Kms the keyring travels; each worker, and the caller with a keyring, reaches it.
        malformed: What becomes of values that are not what their element asks for: ``refuse`` (the job
            fails, and names column, partition and rows), ``null`` or ``seal``.
        version: Of the keyring; its current one when absent.

    Returns:
        A DataFrame with the same columns and rows. What is sealed has become text. Computed again, it is
        the same DataFrame; another call seals anew.

    Raises:
        Invalid: There is no such column, element or method, or a column's type does not fit. No job ran.
        Misconfigured: *kms* is no address, a passphrase stands in Spark's configuration, or a package that
            PySpark needs is missing.
        KeyUnavailable: The Kms cannot be reached from here.
    """
    return _plan(frame, columns, keyring, kms, malformed, version, forward=True)


def reveal(
    frame: DataFrame,
    columns: Columns,
    *,
    keyring: ColumnKeyring | bytes,
    kms: KmsAddress,
    malformed: Malformed | str = Malformed.REFUSE,
    version: int | None = None,
) -> DataFrame:
    """Undo :func:`protect`; the arguments are the same, and so is what it raises."""
    return _plan(frame, columns, keyring, kms, malformed, version, forward=False)


def _plan(
    frame: DataFrame,
    columns: Columns,
    keyring: ColumnKeyring | bytes,
    kms: KmsAddress,
    malformed: Malformed | str,
    version: int | None,
    *,
    forward: bool,
) -> DataFrame:
    # A query that runs over midnight, or again, calls the same people ninety; a stream goes on for years.
    today = None if frame.isStreaming else datetime.now(UTC).date()
    planned = steps(frame.columns, columns, malformed, version, today, forward=forward)
    fields = list(frame.schema.fields)
    for step in planned:
        fields[step.position] = step.field(fields[step.position])
    address.check(kms, frame)
    wrapped = keyring if isinstance(keyring, bytes) else keyring.wrap(kms.open())
    work = ColumnWork(planned, wrapped, kms, os.urandom(_SEED_BYTES), frame.isStreaming)
    # Columns go by their place: names may come twice, or have dots in them.
    places = [f"c{place}" for place in range(len(fields))]
    schema = types.StructType(
        [
            types.StructField(place, field.dataType, field.nullable, field.metadata)
            for place, field in zip(places, fields, strict=True)
        ]
    )
    try:
        rows = frame.toDF(*places).withColumn(PARTITION, functions.spark_partition_id())
        return rows.mapInArrow(work, schema).toDF(*frame.columns)
    except PySparkImportError:
        raise Misconfigured("PySpark asks for pandas, too (pip install 'confide[spark]')") from None
    except PySparkException as error:
        reason = error.getCondition()
    raise Invalid(f"Spark does not carry these columns through Arrow ({reason})")
