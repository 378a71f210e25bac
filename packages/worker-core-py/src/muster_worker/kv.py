"""Buckets by raw requests, which also work across accounts where the library's calls do not."""

from __future__ import annotations

import json
from dataclasses import dataclass

from .errors import Conflict, Unreachable
from .wire import Wire

WRONG_LAST_SEQUENCE = 10071


@dataclass(frozen=True, kw_only=True)
class KvEntry:
    """What a key holds. `value` None: deleted or expired, the marker's revision remains."""

    revision: int
    value: bytes | None


async def kv_get(wire: Wire, bucket: str, key: str) -> KvEntry | None:
    """The entry of `key`, None when there never was one."""
    subject = f"{wire.api_prefix}.DIRECT.GET.KV_{bucket}.$KV.{bucket}.{key}"
    answer = await wire.request(subject)
    headers = answer.headers or {}
    status = headers.get("Status")
    sequence = headers.get("Nats-Sequence", "")
    if status == "404":
        return None
    if status is not None or not sequence.isdigit():
        raise Unreachable(f"{bucket} {key}: status {status} {headers.get('Description', '')}")
    is_marker = headers.get("KV-Operation") in ("DEL", "PURGE") or "Nats-Marker-Reason" in headers
    return KvEntry(revision=int(sequence), value=None if is_marker else answer.data)


async def kv_put(
    wire: Wire, bucket: str, key: str, value: bytes, revision: int, *, delete: bool = False
) -> int:
    """Compare and set; `revision` 0: must not exist. The new revision, or Conflict."""
    headers = {"Nats-Expected-Last-Subject-Sequence": str(revision)}
    if delete:
        headers["KV-Operation"] = "DEL"
    answer = await wire.request(f"$KV.{bucket}.{key}", value, headers)
    return pub_ack(answer.data, f"{bucket} {key}")


async def kv_create(wire: Wire, bucket: str, key: str, value: bytes) -> int:
    """Makes the key, also over the marker of a deleted one; Conflict when it has a value."""
    try:
        return await kv_put(wire, bucket, key, value, 0)
    except Conflict:
        entry = await kv_get(wire, bucket, key)
    if entry is not None and entry.value is not None:
        raise Conflict(f"{bucket} {key}")
    return await kv_put(wire, bucket, key, value, entry.revision if entry else 0)


async def kv_delete(wire: Wire, bucket: str, key: str, revision: int) -> None:
    """Deletes by compare and set."""
    await kv_put(wire, bucket, key, b"", revision, delete=True)


def pub_ack(data: bytes, what: str) -> int:
    """The sequence of a PubAck; Conflict or Unreachable when it is an error."""
    try:
        answer = json.loads(data)
        error = answer.get("error")
        sequence = answer.get("seq")
    except (ValueError, AttributeError):
        raise Unreachable(f"{what}: no PubAck") from None
    if error is not None:
        if error.get("err_code") == WRONG_LAST_SEQUENCE:
            raise Conflict(what)
        raise Unreachable(f"{what}: {error.get('description', error)}")
    if not isinstance(sequence, int) or not answer.get("stream"):
        raise Unreachable(f"{what}: no PubAck")
    return sequence
