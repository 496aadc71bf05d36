"""Is the journal's tree sealed, published and witnessed? For `confide doctor`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from confide.cli import show
from confide.cli.finding import Finding, note, ok, wrong
from confide.errors import ConfideError, Damaged

if TYPE_CHECKING:
    from confide.server.config import Config

LATE: Final = timedelta(seconds=60)


def sealed(config: Config) -> Iterator[Finding]:
    """Is the tree over the journal up to date, signed and published?"""
    from confide.audit.sequencer import Sequencer
    from confide.audit.tiles import Tiles

    tiles = Tiles(config.journal)
    try:
        waiting = Sequencer.waiting()
    except Damaged as problem:
        yield wrong("journal", str(problem))
        return
    late = waiting.since is not None and datetime.now(UTC) - waiting.since > LATE
    if late:
        text = (
            f"{show.many(waiting.entries, 'entry', 'entries')} wait for a place in the tree, the oldest since"
        )
        yield wrong(
            "journal",
            f"{text} {waiting.since:%Y-%m-%d %H:%M:%S} UTC",
            "confide serve seals them; see its log for why it does not",
        )
    else:
        yield ok(
            "journal", f"{show.many(waiting.sealed, 'entry', 'entries')} sealed, {waiting.entries:,} waiting"
        )
    try:
        head = tiles.head()
    except ConfideError as problem:
        yield wrong("journal", str(problem))
        return
    published = head.size if head else 0
    if published > waiting.sealed:
        yield wrong(
            "journal",
            f"{config.journal} has a larger tree than the database",
            "was the database put back from a backup? see docs/operations.md",
        )
    elif published < waiting.sealed:
        yield note("journal", f"{config.journal} is behind the database", "confide serve publishes there")


def witnessed(config: Config) -> Iterator[Finding]:
    """Do the witnesses that are named still cosign the journal's tree?"""
    from confide.audit.cosignatures import silent
    from confide.audit.notes import PublicKey

    if not config.journal_witnesses:
        text = "nobody outside cosigns its tree: whoever holds this machine could make another one"
        yield note("witness", text, "confide witness, on another machine")
        return
    keys = [PublicKey.parse(each) for each in config.journal_witnesses]
    quiet = silent(keys, datetime.now(UTC))
    for key in keys:
        if key.name in quiet:
            advice = (
                "look at its machine, and at journal.readers; if nobody can explain it, it is an incident"
            )
            yield wrong("witness", f"{key.name}: {quiet[key.name]}", advice)
        else:
            yield ok("witness", f"{key.name} cosigns")
