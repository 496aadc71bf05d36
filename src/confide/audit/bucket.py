"""A bucket with object lock as a place for checkpoints: what lies there nobody changes before its day.

In the mode that S3 calls compliance that holds for the account's owner too: whoever takes over this machine
with its credentials can add checkpoints, and cannot unmake one. ``pip install confide[s3]`` brings what it
takes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final, Self
from urllib.parse import parse_qsl, urlsplit

from confide.errors import Invalid, Unavailable

DAYS: Final = 2192
"""For how long an object is locked unless something else is said: six years."""

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_KNOWN: Final = {"days", "region", "endpoint"}
_WANTED: Final = (
    "a bucket is s3:NAME/PREFIX?days=2192&region=REGION, with endpoint=https://... for another S3"
)


@dataclass(frozen=True, slots=True)
class Bucket:
    """One bucket, and where in it.

    Attributes:
        name: The bucket's.
        prefix: What every key begins with; empty, or with a slash at its end.
        days: For how long each object is locked, from when it is put there.
        region: Of the bucket; empty for that of the environment.
        endpoint: Of an S3 that is not Amazon's; empty for theirs.
    """

    name: str
    prefix: str
    days: int
    region: str
    endpoint: str

    @classmethod
    def parse(cls, place: str) -> Self:
        """Read ``NAME/PREFIX?days=2192&region=eu-central-1&endpoint=https://...``; all but the name may miss.

        Credentials are taken from where the vendor's own programs take them (environment, file, the machine's
        role), never from here, for this is written in a configuration.

        Raises:
            Invalid: It is not like that.
        """
        try:
            parts = urlsplit(f"//{place}")
            said = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
            days = int(said.get("days", DAYS))
        except ValueError:
            raise Invalid(_WANTED) from None
        endpoint = said.get("endpoint", "")
        good = _NAME.fullmatch(parts.netloc) and not parts.fragment and said.keys() <= _KNOWN and days > 0
        if not good or (endpoint and urlsplit(endpoint).scheme not in {"http", "https"}):
            raise Invalid(_WANTED)
        prefix = parts.path.strip("/")
        return cls(parts.netloc, prefix and f"{prefix}/", days, said.get("region", ""), endpoint)

    def put(self, note: str, size: int, now: datetime) -> None:
        """Put a checkpoint there, locked.

        Args:
            note: The signed note.
            size: The tree's, which is the object's name.
            now: Aware UTC.

        Raises:
            Unavailable: It was not taken; a bucket without object lock does not take it either.
        """
        client = _client(self.region, self.endpoint)
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            client.put_object(
                Bucket=self.name,
                Key=f"{self.prefix}{size:020}.note",
                Body=note.encode(),
                ContentType="text/plain; charset=utf-8",
                ObjectLockMode="COMPLIANCE",
                ObjectLockRetainUntilDate=now + timedelta(days=self.days),
            )
        except ClientError as problem:
            code = problem.response.get("Error", {}).get("Code", "")
            raise Unavailable(f"the bucket does not take checkpoints ({code})") from None
        except BotoCoreError as problem:
            raise Unavailable(f"the bucket does not answer ({type(problem).__name__})") from None


@cache
def _client(region: str, endpoint: str) -> Any:
    """Make what speaks to S3; it is safe between threads."""
    try:
        import boto3
        from botocore.config import Config
    except ImportError:
        raise Unavailable("what speaks to S3 is not installed (pip install confide[s3])") from None
    return boto3.client(
        "s3",
        region_name=region or None,
        endpoint_url=endpoint or None,
        config=Config(connect_timeout=5, read_timeout=20, retries={"max_attempts": 2}),
    )
