"""The `confide` command."""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code.

    Args:
        argv: The words after ``confide``; the process's own when absent.
    """
    from confide.cli import command  # a worker of an import needs none of the others

    return command.main(argv)
