"""A new, empty installation in a folder, for tests and for checks that must load the settings.

``python -m tools.installation COMMAND...`` runs the command with one, and removes it afterwards.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit


def lay(folder: Path) -> dict[str, str]:
    """Make data folder, key file and session key in *folder*; return the environment that points to them.

    It is what ``confide init`` lays, without a database, for one machine: plain HTTP on loopback.
    """
    from confide.protect.kms.file import FileKms
    from confide.server import config

    environment = {"CONFIDE_DATA": str(folder / "data"), "CONFIDE_PLAIN_HTTP": "true"}
    (folder / "data").mkdir(mode=0o700)
    laid = config.read(environment)
    laid.keyring.parent.mkdir(mode=0o700)
    FileKms.create(laid.keyring, now=datetime.now(UTC))
    config.create_secret(laid.secret)
    return environment | {"DJANGO_SETTINGS_MODULE": "confide.server.settings"}


@contextmanager
def fresh_postgres(url: str) -> Iterator[dict[str, str]]:
    """Two new databases beside the one at *url*, dropped afterwards."""
    import psycopg
    from psycopg.sql import SQL, Identifier

    names = [f"confide_{secrets.token_hex(4)}" for _ in range(2)]
    with psycopg.connect(url, autocommit=True) as connection:
        for name in names:
            connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        main, keys = (urlsplit(url)._replace(path=f"/{name}").geturl() for name in names)
        try:
            yield {"DATABASE_URL": main, "KEYS_DATABASE_URL": keys}
        finally:
            for name in names:
                connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


def copy_postgres(source: str, target: str) -> None:
    """Make *target*, a database that nobody uses, the same as *source*, beside it."""
    import psycopg
    from psycopg.sql import SQL, Identifier

    old, new = (Identifier(urlsplit(url).path.removeprefix("/")) for url in (source, target))
    with psycopg.connect(urlsplit(source)._replace(path="/postgres").geturl(), autocommit=True) as connection:
        connection.execute(SQL("DROP DATABASE {}").format(new))
        connection.execute(SQL("CREATE DATABASE {} TEMPLATE {}").format(new, old))


def main(command: list[str]) -> int:
    with tempfile.TemporaryDirectory(prefix="confide-settings-") as folder:
        return subprocess.run(command, env=os.environ | lay(Path(folder)), check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
