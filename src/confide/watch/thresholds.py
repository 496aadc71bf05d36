"""The numbers of ``thresholds.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final

_WRITTEN: Final[Mapping[str, Mapping[str, Any]]] = tomllib.loads(
    (files("confide.watch") / "thresholds.toml").read_text(encoding="utf-8")
)
WEIGHTS: Final[Mapping[str, int]] = MappingProxyType(dict(_WRITTEN["weights"]))
RUNGS: Final = _WRITTEN["rungs"]
LOOK: Final[int] = _WRITTEN["look"]["weight"]
EVIDENCE: Final[int] = _WRITTEN["look"]["evidence"]


def of(section: str) -> Mapping[str, Any]:
    """Return the numbers of one detector."""
    return MappingProxyType(dict(_WRITTEN[section]))
