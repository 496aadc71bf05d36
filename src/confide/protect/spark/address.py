"""How the machines of a cluster reach the KMS: what may stand in a plan that Spark logs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from confide.errors import KeyUnavailable, Misconfigured
from confide.protect.kms import Kms
from confide.protect.kms.file import FileKms

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_LOGGED: Final = ("spark.executorEnv.", "spark.yarn.appMasterEnv.", "spark.kubernetes.driverEnv.")


class KmsAddress(Protocol):
    """Where a KMS is and how to reach it, from any machine of the cluster.

    It travels in the plan of the query, which Spark may log: it holds no secret, only the name of the
    place where each machine finds one. It can be pickled and hashed.
    """

    def open(self) -> Kms:
        """Reach the KMS from the machine that this runs on.

        Raises:
            KeyUnavailable: It does not answer, or this machine has no access.
        """

    def __hash__(self) -> int: ...


@dataclass(frozen=True, slots=True)
class FileKmsAddress:
    """A root key in a file that each machine of the cluster has at the same place.

    Attributes:
        path: The file, from the root of the file system.
        passphrase_variable: The environment variable in which each machine has its passphrase, if it
            has one.
    """

    path: str
    passphrase_variable: str | None = None

    def __post_init__(self) -> None:
        if not Path(self.path).is_absolute():
            raise Misconfigured("the path of a KMS's file begins at the root: other machines read it, too")

    def open(self) -> Kms:
        """See :meth:`KmsAddress.open`."""
        passphrase = None
        if self.passphrase_variable is not None:
            passphrase = os.environ.get(self.passphrase_variable)
            if not passphrase:
                raise KeyUnavailable(f"this machine's environment has no {self.passphrase_variable}")
        return FileKms.open(self.path, passphrase)


def check(kms: KmsAddress, frame: DataFrame) -> None:
    """Refuse what would put a secret into the plan or the logs.

    Raises:
        Misconfigured: The Kms itself, or a passphrase that stands in Spark's configuration.
    """
    try:
        hash(kms)
        addressed = callable(getattr(kms, "open", None)) and not hasattr(kms, "unwrap")
    except TypeError:
        addressed = False
    if not addressed:
        raise Misconfigured("give the address of the KMS (such as FileKmsAddress), not the KMS itself")
    variable = getattr(kms, "passphrase_variable", None)
    for place in _LOGGED if variable else ():
        if frame.sparkSession.conf.get(f"{place}{variable}", None) is not None:
            raise Misconfigured(
                f"{place}{variable} would be in Spark's logs; set {variable} on each machine instead"
            )
