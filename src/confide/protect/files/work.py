"""What a worker does with one unit: read it, change the columns that the plan names, write it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from confide.errors import BrokenCells, BrokenRow, Invalid, MalformedColumn
from confide.protect.columns import column as columns
from confide.protect.columns.keyring import ColumnKeyring
from confide.protect.files.plan import Change, Plan
from confide.protect.files.sheets import Sheet, as_text, open_sheet


@dataclass(frozen=True, slots=True)
class Wrong:
    """Values of one column that are not what it should hold.

    Attributes:
        rows: Counted from 0 in the unit.
        what: What is wrong with them.
        broken: They are seals that do not open.
    """

    rows: tuple[int, ...]
    what: str
    broken: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a unit.

    Attributes:
        rows: How many it has.
        content: What is to be written; nothing where something is wrong.
        wrong: By column.
    """

    rows: int
    content: bytes | memoryview = field(default=b"", repr=False)
    wrong: Mapping[str, Wrong] = field(default_factory=dict)


class Worker:
    """Works on units of one file."""

    def __init__(self, plan: Plan, keyring: ColumnKeyring) -> None:
        self._plan = plan
        self._keyring = keyring

    def do(self, content: bytes) -> Answer:
        """Work on one unit.

        Raises:
            BrokenRow: A row cannot be read; counted from 0 in the unit.
            Invalid: A column cannot be worked on at all.
        """
        sheet = open_sheet(content, self._plan.reads)
        changed: dict[str, pa.Array] = {}
        wrong: dict[str, Wrong] = {}
        for change in self._plan.changes:
            try:
                changed[change.name] = self._change(sheet, change)
            except MalformedColumn as problem:
                wrong[change.name] = Wrong(problem.rows, problem.what)
            except BrokenCells as problem:
                wrong[change.name] = Wrong(problem.rows, "hold seals that do not open", broken=True)
            except BrokenRow:
                raise
            except Invalid as problem:
                raise Invalid(f"column {change.name}: {problem}") from None
        if wrong:
            return Answer(len(sheet), wrong=wrong)
        return Answer(len(sheet), sheet.write(changed, self._plan.writes))

    def _change(self, sheet: Sheet, change: Change) -> pa.Array:
        array = sheet.column(change.name)
        if not change.native:
            array = as_text(array)
            if change.digits:
                array = pc.utf8_lpad(array, change.digits, "0")
        run = columns.reveal if self._plan.reveals else columns.protect
        return run(
            array,
            change.element,
            self._keyring,
            malformed=change.malformed,
            method=change.method,
            alphabet=change.alphabet,
            version=change.version,
        )
