"""What is done with each column of one file, decided before any work: which types go in and come out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import pyarrow as pa

from confide.errors import Invalid
from confide.protect.columns.kinds import KINDS, ColumnElement, Malformed, Method
from confide.protect.files.formats import Form
from confide.protect.files.recipe import Recipe, Treatment
from confide.protect.files.sheets import JSON, Reading, Writing, fits_text, is_text, returns, type_of
from confide.protect.files.source import Objects, Source

_NAMED: Final = 20
_PANDAS: Final = b"pandas"


@dataclass(frozen=True, slots=True)
class Change:
    """What is done with one column.

    Attributes:
        name: The column.
        element: What it holds.
        method: How it is protected.
        alphabet: Another one than the element's.
        malformed: What becomes of malformed values.
        version: Of the keyring; None where each seal says it.
        digits: How many digits numbers have whose leading zeros are lost; 0 for other columns.
        native: It is worked on in its own type, and not as text.
    """

    name: str
    element: ColumnElement
    method: Method
    alphabet: str | None
    malformed: Malformed
    version: int | None
    digits: int = 0
    native: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done with a file.

    Attributes:
        reads: How it is read.
        writes: How it is written.
        changes: Columns whose values change.
        reveals: Whether they are revealed, and not protected.
        types: What types protected columns had, where they are text now.
    """

    reads: Reading
    writes: Writing
    changes: tuple[Change, ...]
    reveals: bool
    types: Mapping[str, str]

    def noted(self, recipe: Recipe) -> Recipe:
        """The recipe with the types of columns, for whoever reveals them."""
        more = {name: replace(recipe.columns[name], type=type) for name, type in self.types.items()}
        return recipe.also(more)


def reading(source: Source) -> Reading:
    """How the units of a file are read."""
    texts = source.texts if isinstance(source, Objects) else frozenset[str]()
    return Reading(source.form, tuple(source.names), texts)


def check_names(recipe: Recipe, source: Source, *, plain: Iterable[str] = ()) -> None:
    """Whether the file has all columns that are named.

    Raises:
        Invalid: It lacks one; the message lists those that it has.
    """
    unknown = [name for name in (*recipe.columns, *plain) if name not in source.names]
    if unknown:
        there = ", ".join(source.names[:_NAMED]) + (", ..." if len(source.names) > _NAMED else "")
        raise Invalid(f"{source.path} has no column {', '.join(unknown)} (there are: {there})")


def plan(
    source: Source, recipe: Recipe, form_out: Form, *, reveals: bool, malformed: Malformed, version: int
) -> Plan:
    """Decide.

    Args:
        source: The file.
        recipe: What is done with its columns; those that it does not name stay.
        form_out: The format that comes out.
        reveals: Reveal, and not protect.
        malformed: Where the recipe does not say.
        version: Of the keyring.

    Raises:
        Invalid: A column's type does not fit what is to be done with it, or the format that comes out.
    """
    schema = source.schema
    if schema is None and form_out.typed:
        schema = source.types() if isinstance(source, Objects) else _all_text(source.names)
    names = [name for name in source.names if _how(recipe, name).method is not Method.DROP]
    if not names:
        raise Invalid("no column is left")
    hows = {name: _how(recipe, name) for name in names}
    moving = [name for name, how in hows.items() if (how.returns if reveals else how.changes)]
    version_of = {name: None if reveals and hows[name].method is Method.SEAL else version for name in moving}
    changes = [
        _change(source, name, hows[name], form_out, malformed, version_of[name], reveals=reveals)
        for name in moving
    ]
    after = {each.name: _after(source, each, hows[each.name], reveals=reveals) for each in changes}
    as_json = frozenset[str]()
    if form_out is Form.NDJSON and reveals:
        as_json = frozenset(name for name in moving if _is_json(hows[name].type))
    if not form_out.typed:
        _check_plain(source, [name for name in names if name not in after], form_out)
    made = None if schema is None or not form_out.typed else _schema(schema, names, after)
    types = {} if reveals else _types(source, changes)
    return Plan(
        reading(source),
        Writing(form_out, tuple(names), made, as_json),
        tuple(changes),
        reveals,
        types,
    )


def _how(recipe: Recipe, name: str) -> Treatment:
    return recipe.columns.get(name) or Treatment(None, Method.KEEP)


def _all_text(names: Iterable[str]) -> pa.Schema:
    return pa.schema([(name, pa.string()) for name in names])


def _type(source: Source, name: str) -> pa.DataType | None:
    return None if source.schema is None else source.schema.field(name).type


def _change(
    source: Source,
    name: str,
    how: Treatment,
    form_out: Form,
    malformed: Malformed,
    version: int | None,
    *,
    reveals: bool,
) -> Change:
    assert how.element is not None  # noqa: S101 - what changes has one
    choice = how.malformed or malformed
    if reveals and choice is Malformed.SEAL:
        choice = Malformed.REFUSE  # what was sealed instead opens
    kind, before = KINDS[how.element], _type(source, name)
    change = Change(name, how.element, how.method, how.alphabet, choice, version)
    if before is None or is_text(before):
        return change
    if not fits_text(before):
        raise Invalid(f"column {name} is of type {before}, which cannot be protected")
    if how.method is Method.GENERALISE and (pa.types.is_date(before) or pa.types.is_timestamp(before)):
        return replace(change, native=form_out.typed)
    if how.method is not Method.FF1:
        return change
    if not pa.types.is_integer(before):
        raise Invalid(
            f"column {name} is of type {before}; {kind.label} is text or whole numbers (seal or convert it)"
        )
    if not kind.fixed:
        return change
    wide = before.bit_width >= (32 if kind.most < 10 else 64)
    native = form_out.typed and choice is not Malformed.SEAL and wide
    return replace(change, native=native, digits=0 if native else kind.most)


def _after(source: Source, change: Change, how: Treatment, *, reveals: bool) -> pa.DataType:
    """The type that a column has then."""
    before = _type(source, change.name)
    if change.native:
        return before
    if reveals:
        return type_of(how.type) or pa.string()
    stays = before is not None and is_text(before) and not pa.types.is_dictionary(before)
    return before if stays else pa.string()


def _types(source: Source, changes: Iterable[Change]) -> dict[str, str]:
    """The types that columns had which are text then, for whoever reveals them."""
    types = {}
    for change in changes:
        before = _type(source, change.name)
        if change.native or change.method not in {Method.FF1, Method.SEAL}:
            continue
        if isinstance(source, Objects) and change.name not in source.texts:
            types[change.name] = JSON
        elif before is not None and not is_text(before) and returns(before):
            types[change.name] = str(before)
    return types


def _is_json(type: str) -> bool:
    kind = type_of(type)
    return type == JSON or (kind is not None and (pa.types.is_integer(kind) or pa.types.is_boolean(kind)))


def _check_plain(source: Source, names: Iterable[str], form_out: Form) -> None:
    """Columns that stay can be written as text."""
    for name in names:
        kind = _type(source, name)
        nested = form_out.delimited and isinstance(source, Objects) and name in source.nested
        if nested or (form_out.delimited and kind is not None and not fits_text(kind)):
            raise Invalid(
                f"column {name} cannot be written as {form_out} (drop it, or choose another format)"
            )


def _schema(schema: pa.Schema, names: Iterable[str], after: Mapping[str, pa.DataType]) -> pa.Schema:
    """The types that come out."""
    fields = []
    for name in names:
        field = schema.field(name)
        if name in after:
            field = pa.field(name, after[name], metadata=None)
        fields.append(field)
    return pa.schema(fields, metadata=_for_pandas(schema.metadata or {}, names, after))


def _for_pandas(
    metadata: Mapping[bytes, bytes], names: Iterable[str], after: Mapping[str, pa.DataType]
) -> dict[bytes, bytes]:
    """What pandas has noted of its index, without what is not so any more.

    Other notes stay behind: Spark's says what types columns had, and nobody knows what is in the others.
    """
    try:
        noted = json.loads(metadata[_PANDAS])
        kept = {name: noted[name] for name in ("index_columns", "column_indexes", "pandas_version")}
        there = set(names)
        kept["index_columns"] = [
            each for each in kept["index_columns"] if isinstance(each, dict) or each in there
        ]
        columns = [each for each in noted["columns"] if each["field_name"] in there]
        text = {"pandas_type": "unicode", "numpy_type": "object", "metadata": None}
        kept["columns"] = [each | text if each["field_name"] in after else each for each in columns]
    except (KeyError, TypeError, ValueError):
        return {}
    return {_PANDAS: json.dumps(kept).encode()}
