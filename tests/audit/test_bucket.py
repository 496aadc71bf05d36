"""Checkpoints in a bucket with object lock, on an S3 that runs on this machine."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from confide.audit import bucket, outlets
from confide.audit.outlets import EVERY, Outlet
from tests.audit import made
from tools.outside import free_port

NOTES = [made.sign([made.leaf(n) for n in range(size)]) for size in (3, 5)]
PATIENCE = 60


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    pytest.importorskip("moto", reason="left out: moto")
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
                break
            except OSError:
                assert process.poll() is None, "the S3 has ended"
                assert time.monotonic() < deadline, "the S3 does not start"
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def s3(address: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The owner of the account, with buckets with and without object lock."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "owner")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    owner = bucket._client("us-east-1", address)
    for name, locked in (("kept", True), ("open", False)):
        owner.create_bucket(Bucket=name, ObjectLockEnabledForBucket=locked)
    return owner


def test_each_checkpoint_is_an_object_that_nobody_unmakes(s3: Any, address: str, tmp_path: Path) -> None:
    from botocore.exceptions import ClientError

    now = datetime.now(UTC)
    place = Outlet.parse(f"s3:kept/elm/journal?days=30&region=us-east-1&endpoint={address}")
    for n, note in enumerate(NOTES):
        assert outlets.send([place], note, tmp_path, now + n * EVERY) == []
    keys = [each["Key"] for each in s3.list_objects_v2(Bucket="kept")["Contents"]]
    assert keys == [f"elm/journal/{size:020}.note" for size in (3, 5)]
    got = s3.get_object(Bucket="kept", Key=keys[1])
    assert got["Body"].read().decode() == NOTES[1]
    assert got["ObjectLockMode"] == "COMPLIANCE"
    assert got["ObjectLockRetainUntilDate"] - now >= timedelta(days=30)
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.delete_object(Bucket="kept", Key=keys[1], VersionId=got["VersionId"])


def test_a_bucket_that_locks_nothing_does_not_do(s3: Any, address: str, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    for name in ("open", "nowhere"):
        place = Outlet.parse(f"s3:{name}?region=us-east-1&endpoint={address}")
        (failed,) = outlets.send([place], NOTES[0], tmp_path, now)
        assert failed.startswith("s3: the bucket does not take checkpoints"), failed
    gone = Outlet.parse(f"s3:kept?region=us-east-1&endpoint=http://127.0.0.1:{free_port()}")
    assert outlets.send([gone], NOTES[0], tmp_path, now) == [
        "s3: the bucket does not answer (EndpointConnectionError)"
    ]
