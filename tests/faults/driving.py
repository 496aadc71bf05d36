"""Programs that do one long piece of work in a process of their own, to be killed in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress

PATIENCE = 600  # seconds


def drive(driver, premises, *words):
    """Start the program *driver* on the premises' installation."""
    with (premises.folder / "logs").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, str(driver), *map(str, words)],
            env=premises.environment,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )


def finish(driver, premises, *words):
    """Let it end by itself; the words that it says."""
    process = drive(driver, premises, *words)
    said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, premises.logs()[-3000:]
    return said.split()


def kill(process):
    """Kill it with all that it has started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
