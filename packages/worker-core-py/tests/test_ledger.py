"""Rows that change while a message joins them."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest
from support import Group

from muster_worker.errors import Unreachable
from muster_worker.kv import Kv
from muster_worker.ledger.kv import KvLedger
from muster_worker.ledger.ledger import LookUp
from muster_worker.log import create_log
from muster_worker.message import Message
from muster_worker.msg import Msg
from muster_worker.open_connection import open_connection
from muster_worker.protocol.keys import LEDGER, ledger_key
from muster_worker.wire import Wire


@pytest.fixture
async def ledger(group: Group) -> AsyncIterator[KvLedger]:
    config = group.config()
    connection = await open_connection(config, create_log("debug", {}, group.logs))
    yield KvLedger(Kv(Wire(connection), "$JS.API"), config)
    await connection.close()


def older_copy(group: Group) -> Message:
    """Sequence 7, stored before the one at 42 died."""
    msg = Msg("", "", b"{}")
    return Message(msg, group.stream, group.group, 7, "100", 2, event_id="e1")


async def put_row(group: Group, message: Message, **changes: Any) -> None:
    row = {
        "v": 1,
        "status": "dead",
        "event_id": message.event_id,
        "body_sha256": message.body_sha256,
        "sequence": 42,
        "store_time": "200",
        "sequences": [],
        "more": 0,
        "member": "m",
        "language": "py",
        "at": "2026-01-02T03:04:05.000Z",
        **changes,
    }
    await group.put(LEDGER, ledger_key(group.stream, group.group, message.event_id), row)


async def sequences(group: Group) -> list[int]:
    row = await group.row("e1")
    assert row is not None
    return list(row["sequences"])


async def test_a_stale_message_joins_the_row_as_it_is_now(group: Group, ledger: KvLedger) -> None:
    message = older_copy(group)
    await put_row(group, message)
    seen = await ledger.look_up(message)

    # Another stale copy was quicker: both are in the row.
    await put_row(group, message, sequences=[5])
    assert (await ledger.join(message, seen)).decision == "stale"
    assert await sequences(group) == [5, 7]

    # It is in the row: nothing is written again.
    await ledger.join(message, await ledger.look_up(message))
    assert await sequences(group) == [5, 7]

    # The event was done meanwhile with another body: the message is no stale one any more.
    await put_row(group, message, status="done", body_sha256="0" * 64)
    assert (await ledger.join(message, seen)).decision == "conflict"
    assert await sequences(group) == []


@pytest.mark.parametrize("status", ["done", "dead"])
async def test_a_row_that_keeps_changing_is_unreachable(
    group: Group, ledger: KvLedger, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = older_copy(group)
    look_up = ledger.look_up
    others = itertools.count(50)

    async def raced(message: Message) -> LookUp:
        found = await look_up(message)
        await put_row(group, message, status=status, sequences=[next(others)])
        return found

    monkeypatch.setattr(ledger, "look_up", raced)
    await put_row(group, message, status=status)
    with pytest.raises(Unreachable):
        await ledger.join(message, await ledger.look_up(message))
    assert next(others) == 56
