"""Buckets by raw requests: no streams API, so that they need the least permissions and cross
accounts, where the library's calls do not."""

from __future__ import annotations

from typing import NamedTuple

from .errors import Unreachable
from .headers import encode_headers, read_headers, read_status
from .pub_ack import read_pub_ack
from .wire import Wire

_WRONG_LAST_SEQUENCE = 10071
_NOT_FOUND = 404
_EXPECT = "Nats-Expected-Last-Subject-Sequence"
_EXPECT_NONE = encode_headers({_EXPECT: "0"})


class KvEntry(NamedTuple):
    """What a key holds. `value` None: absent (revision 0), or deleted, which still has a revision
    to compare with."""

    revision: int
    value: bytes | None


class Kv:
    """All methods raise Unreachable."""

    def __init__(self, wire: Wire, api_prefix: str) -> None:
        self._wire = wire
        self._api_prefix = api_prefix

    async def get(self, bucket: str, key: str) -> KvEntry:
        """The entry of a key."""
        subject = f"{self._api_prefix}.DIRECT.GET.KV_{bucket}.$KV.{bucket}.{key}"
        msg = await self._wire.request(subject)
        if read_status(msg.head) == _NOT_FOUND:
            return KvEntry(0, None)
        code, description, values = read_headers(msg.head)
        revision = values.get("Nats-Sequence", "")
        if code != 0 or not (revision.isascii() and revision.isdigit()):
            raise Unreachable(f"get {bucket}/{key}: status {code} {description}".rstrip())
        is_marker = values.get("KV-Operation") in ("DEL", "PURGE")
        if is_marker or values.get("Nats-Marker-Reason"):
            return KvEntry(int(revision), None)
        return KvEntry(int(revision), msg.data)

    async def put(self, bucket: str, key: str, value: bytes, revision: int) -> int | None:
        """Puts a value if the key's last revision is the one given (0: the key must not exist).

        The new revision; None when somebody else's put came before.
        """
        head = encode_headers({_EXPECT: str(revision)}) if revision else _EXPECT_NONE
        return await self._write(bucket, key, value, head)

    async def create(self, bucket: str, key: str, value: bytes) -> int | None:
        """Puts a value where the key does not exist or was deleted."""
        made = await self.put(bucket, key, value, 0)
        if made is not None:
            return made
        entry = await self.get(bucket, key)
        return (
            None if entry.value is not None else await self.put(bucket, key, value, entry.revision)
        )

    async def delete(self, bucket: str, key: str, revision: int) -> int | None:
        """Deletes a key whose last revision is the one given."""
        head = encode_headers({"KV-Operation": "DEL", _EXPECT: str(revision)})
        return await self._write(bucket, key, b"", head)

    async def _write(self, bucket: str, key: str, value: bytes, head: bytes) -> int | None:
        ack = read_pub_ack(await self._wire.request(f"$KV.{bucket}.{key}", value, head))
        if ack.is_ok:
            return ack.sequence
        if ack.error_code == _WRONG_LAST_SEQUENCE:
            return None
        raise Unreachable(f"put {bucket}/{key}: {ack.error} ({ack.error_code})")
