"""A throw-away Spark cluster on this machine: a master and workers of their own, each a real process.

For the tests and for ``python -m benchmarks spark``. Everything listens on loopback only and lives in one
folder: configuration, logs, work directories, event log. Every process that belongs to the cluster, executors
and Python workers too, is known by a variable in its environment, so nothing else is ever ended and nothing
stays behind.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyspark

from tools.outside import ROOT

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SPARK_CLASS = Path(pyspark.__file__).parent / "bin" / "spark-class"
MARK = "CONFIDE_TEST_SPARK"
"""In the environment of each process of a cluster: the cluster's name, and the worker's behind a slash."""
PATIENCE = 120.0  # seconds that anything may take to start or to end, on a busy machine
QUICK = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"
"""A JVM that lives for seconds: start fast, do not optimise."""

LOGGING = """
rootLogger.level = info
rootLogger.appenderRef.out.ref = out
appender.out.type = {kind}
appender.out.name = out
{target}
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{{HH:mm:ss.SSS}} %p %c{{1}}: %m%n%ex
"""


@dataclass
class Cluster:
    """A running cluster.

    Attributes:
        folder: Everything that it writes: ``conf``, ``logs``, ``work``, ``local``, ``events``.
        url: ``spark://127.0.0.1:...``.
        java: JAVA_HOME.
        variables: What the environment of its nodes has besides, as an operator would set it there.
    """

    folder: Path
    java: Path
    variables: Mapping[str, str]
    memory: str
    options: str
    name: str = field(default_factory=lambda: secrets.token_hex(8))
    url: str = ""
    _nodes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def environment(self, node: str) -> dict[str, str]:
        """What a process on *node* finds in its environment; nothing of Confide's that is not *variables*."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return kept | {
            MARK: f"{self.name}/{node}",
            "JAVA_HOME": str(self.java),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_CONF_DIR": str(self.folder / "conf" / ("driver" if node == "driver" else "node")),
            "SPARK_LOCAL_DIRS": str(self.folder / "local" / node),
            "SPARK_DAEMON_MEMORY": "256m",
            "SPARK_DAEMON_JAVA_OPTS": self.options,
            "PYSPARK_PYTHON": sys.executable,
            "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
            **self.variables,
        }

    def start_master(self) -> None:
        self._start("master", "master.Master", "--host", "127.0.0.1", "--port", "0", "--webui-port", "0")
        self.url = self._said("master", r"Starting Spark master at (spark://\S+)")

    def start_workers(self, *nodes: str) -> None:
        for node in nodes:
            place = ["--host", "127.0.0.1", "--port", "0", "--webui-port", "0", "--cores", "1"]
            place += ["--memory", self.memory, "--work-dir", str(self.folder / "work" / node)]
            (self.folder / "logs" / node).unlink(missing_ok=True)  # of one that was killed
            self._start(node, "worker.Worker", *place, self.url)
        for node in nodes:
            self._said(node, r"(Successfully registered with master)")

    def processes(self, node: str = "") -> dict[int, str]:
        """The processes of the cluster that live now, or those of one node: id and command line."""
        return processes(f"{self.name}/{node}")

    def kill(self, node: str) -> int:
        """End a node as a power cut does: worker, executor and Python workers, all by SIGKILL.

        Returns:
            How many processes it had.
        """
        ended = 0
        # Once more until none is left: a process may have forked while the first ones were ended.
        while found := self.processes(node):
            for process in found:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
                    ended += 1
            if node in self._nodes:
                self._nodes[node].wait(PATIENCE)
            time.sleep(0.05)
        self._nodes.pop(node, None)
        shutil.rmtree(self.folder / "local" / node, ignore_errors=True)  # what it had for others is lost, too
        return ended

    def stop(self) -> None:
        for node in reversed(list(self._nodes)):
            self.kill(node)
        self.kill("")

    def _start(self, node: str, program: str, *arguments: str) -> None:
        # Should this process be killed, its cluster ends with it.
        setpriv = shutil.which("setpriv")
        with_us = [setpriv, "--pdeathsig", "TERM"] if setpriv else []
        with (self.folder / "logs" / node).open("ab") as log:
            self._nodes[node] = subprocess.Popen(
                [*with_us, SPARK_CLASS, f"org.apache.spark.deploy.{program}", *arguments],
                env=self.environment(node),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the tests; the cluster outlives them by a moment
            )

    def _said(self, node: str, pattern: str) -> str:
        log = self.folder / "logs" / node
        found = wait(
            lambda: re.search(pattern, log.read_text()) or self._nodes[node].poll() is not None,
            f"{node} starts",
        )
        if isinstance(found, re.Match):
            return found[1]
        raise RuntimeError(f"Spark's {node} did not start:\n{log.read_text()[-2000:]}")


@contextmanager
def cluster(
    java: Path,
    *,
    workers: int = 2,
    memory: str = "512m",
    options: str = QUICK,
    variables: Mapping[str, str] | None = None,
) -> Iterator[Cluster]:
    """Run a cluster whose workers have one core each."""
    folder = Path(tempfile.mkdtemp(prefix="confide-spark-"))
    for name in ("conf/driver", "conf/node", "logs", "work", "local", "events"):
        (folder / name).mkdir(parents=True)
    console = LOGGING.format(kind="Console", target="appender.out.target = SYSTEM_ERR")
    file = LOGGING.format(kind="File", target=f"appender.out.fileName = {folder / 'logs' / 'driver'}")
    (folder / "conf" / "node" / "log4j2.properties").write_text(console)
    (folder / "conf" / "driver" / "log4j2.properties").write_text(file)
    made = Cluster(folder, java, variables or {}, memory, options)
    try:
        made.start_master()
        made.start_workers(*(f"worker-{number}" for number in range(workers)))
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def session(on: Cluster, settings: Mapping[str, str] | None = None) -> Iterator[SparkSession]:
    """Connect this process to the cluster as a driver; its JVM is gone afterwards.

    Args:
        on: The cluster.
        settings: Of Spark, besides.
    """
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    wanted = {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": "512m",
        "spark.driver.extraJavaOptions": on.options,
        "spark.executor.memory": on.memory,
        "spark.executor.extraJavaOptions": on.options,
        "spark.eventLog.enabled": "true",
        "spark.eventLog.compress": "false",
        "spark.eventLog.dir": (on.folder / "events").as_uri(),
        "spark.log.level": "INFO",
        "spark.sql.shuffle.partitions": "4",
        "spark.sql.warehouse.dir": str(on.folder / "warehouse"),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        **(settings or {}),
    }
    builder = SparkSession.builder.master(on.url).appName("confide").config(map=wanted)
    with _environment(on.environment("driver")):
        made = builder.getOrCreate()
    try:
        yield made
    finally:
        made.stop()
        gateway = SparkContext._gateway
        SparkContext._gateway = SparkContext._jvm = None
        if gateway is not None:
            gateway.shutdown()
            gateway.proc.stdin.close()  # the JVM ends with it
            gateway.proc.wait(PATIENCE)


@contextmanager
def _environment(changed: Mapping[str, str]) -> Iterator[None]:
    """What the driver's JVM is to find; the programs of other tests find what was before."""
    before = dict(os.environ)
    os.environ |= changed
    os.environ.pop("SPARK_HOME", None)  # the Spark of the package, not one of the machine
    try:
        yield
    finally:
        os.environ.clear()
        os.environ |= before


def processes(mark: str) -> dict[int, str]:
    """The living processes in whose environment MARK begins with *mark*: id and command line."""
    found = {}
    for place in Path("/proc").glob("[0-9]*"):
        if int(place.name) == os.getpid():
            continue
        try:
            environment = (place / "environ").read_bytes().split(b"\0")
            if any(entry.startswith(f"{MARK}={mark}".encode()) for entry in environment):
                found[int(place.name)] = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:  # it has ended in between
            continue
    return found


def wait(question: Callable[[], Any], what: str) -> Any:
    """Ask again until the answer is true."""
    deadline = time.monotonic() + PATIENCE
    while not (answer := question()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {PATIENCE:.0f} s in vain: {what}")
        time.sleep(0.02)
    return answer
