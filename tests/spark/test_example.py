"""The example of the page for data engineers, as it stands there, on the cores of one machine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from confide.spark import ColumnKeyring
from tools.outside import ROOT
from tools.spark import QUICK

PAGE = ROOT / "docs" / "data-engineers.md"


def test_the_example_of_the_page(java: Path, tmp_path: Path) -> None:
    section = PAGE.read_text().partition("\n## Spark\n")[2].partition("\n## ")[0]
    example = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert example
    people = pa.table(
        {
            "ssn": ["078-05-1120", "219-09-9999", None],
            "name": ["Ada Núñez", "Bo Smith", "Cy Young"],
            "born": [date(1931, 1, 2), date(1987, 6, 5), None],
            "phone": ["(207) 555-0143", "+1 207 555 0199", "none"],
            "state": ["ME", "TX", "ME"],
        }
    )
    pq.write_table(people, tmp_path / "people.parquet")
    ColumnKeyring.create(tmp_path / "research.keyring")
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ} | {
        "JAVA_HOME": str(java),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": sys.executable,
        "PYTHONPATH": str(ROOT / "src"),
        "PYSPARK_SUBMIT_ARGS": " ".join(
            [
                "--master local[2] --conf spark.ui.enabled=false --conf spark.sql.shuffle.partitions=2",
                f"--driver-java-options '{QUICK}' pyspark-shell",
            ]
        ),
    }
    ran = subprocess.run(
        [sys.executable, "-c", example[1].replace("/etc/confide/", f"{tmp_path}/")],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert re.search(r"\|\s+ME\|\s+2\|", ran.stdout), "counted without a key"
    protected = pq.read_table(tmp_path / "protected.parquet").to_pylist()
    assert protected[0]["ssn"][3] == "-"
    assert not {row["name"] for row in protected} & set(people["name"].to_pylist())
    revealed = pq.read_table(tmp_path / "maine.parquet").to_pylist()
    assert revealed == [row for row in people.to_pylist() if row["state"] == "ME"]
