"""Publishes messages of one contract to streams."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self

from nats.aio.client import Client

from .errors import MusterError
from .event_id import new_event_id
from .protocol.names import is_name
from .protocol.verdict import create_verdict
from .publish_error import Ids, PublishError
from .publish_message import outgoing
from .publish_pipe import PublishPipe


class Published(NamedTuple):
    """What a stream has accepted."""

    stream: str
    sequence: int
    duplicate: bool
    """The stream had a message of the same `Nats-Msg-Id` already: `sequence` is that one's."""
    event_id: str


@dataclass(frozen=True, kw_only=True)
class PublishItem:
    """One message of `publish_all`; the fields are those of `publish`."""

    subject: str
    value: Any
    event_id: str | None = None
    msg_id: str | Literal[False] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    contract: str | Literal[False] | None = None


class Publisher:
    """Many messages are in flight, each has its own answer.

    A message is accepted when `publish` returns. When it raises PublishError `unreachable`, that is
    not known: publish the same value again with the same event id, the stream or the ledger drops
    the second copy.

    >>> async with Publisher(nc, schema) as orders:  # doctest: +SKIP
    ...     await orders.publish("orders.created", order, event_id=f"{order['id']}.created")
    """

    def __init__(
        self,
        client: Client,
        contract: Mapping[str, Any],
        *,
        name: str | None = None,
        timeout_ms: int = 5000,
        max_in_flight: int = 256,
    ) -> None:
        """`client`: an open connection; it stays its owner's to close. `contract`: its JSON Schema;
        what is published must match it. `name`: of the contract, sent as `Muster-Contract`;
        default: the schema's title. `timeout_ms`: how long an answer may take, and how long a
        message waits for the connection. `max_in_flight`: messages sent and not answered yet; more
        wait their turn.

        Raises MusterError `bad_name` for the contract's name, `bad_schema` where it cannot be
        judged by.
        """
        self._client = client
        self._contract = _checked_name(name or contract.get("title"))
        self._judge = create_verdict(self._contract, dict(contract))
        self._most = max_in_flight
        self._pipe = PublishPipe(client, timeout_s=timeout_ms / 1000, max_in_flight=max_in_flight)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self.drain()

    async def publish(
        self,
        subject: str,
        value: Any,
        *,
        event_id: str | None = None,
        msg_id: str | Literal[False] | None = None,
        headers: Mapping[str, str] | None = None,
        contract: str | Literal[False] | None = None,
    ) -> Published:
        """Publishes a value and returns what the stream has accepted, or raises PublishError.

        `event_id`: the event's business identity, `<order id>.<event>` or the like: publishing it
        again is the same event; default: a new UUIDv7. `msg_id`: by which the stream drops a second
        copy inside its dedupe window (2 minutes by default); default: the event id. A corrected
        version of a dead event needs another one. False: none, every copy is stored. `headers`:
        further ones, printable ASCII; a `traceparent` here is kept. `contract`: another name for
        `Muster-Contract`; False: none, the group takes its default.
        """
        return await self._publish(
            PublishItem(
                subject=subject,
                value=value,
                event_id=event_id,
                msg_id=msg_id,
                headers=headers or {},
                contract=contract,
            )
        )

    async def publish_all(self, items: Iterable[PublishItem]) -> list[Published | PublishError]:
        """Publishes many and returns what became of each, in their order; none that fails ends it.

        The iterable is read as fast as messages are answered.
        """
        results: dict[int, Published | PublishError] = {}
        room = asyncio.Semaphore(self._most)

        async def one(at: int, item: PublishItem) -> None:
            try:
                results[at] = await self._publish(item)
            except PublishError as error:
                results[at] = error
            finally:
                room.release()

        async with asyncio.TaskGroup() as group:
            for at, item in enumerate(items):
                await room.acquire()
                group.create_task(one(at, item))
        return [results[at] for at in range(len(results))]

    async def drain(self) -> None:
        """Takes no more (`closed`), and returns when everything has its answer. The connection
        stays open."""
        await self._pipe.drain()

    async def _publish(self, item: PublishItem) -> Published:
        ids = Ids(item.subject, new_event_id() if item.event_id is None else item.event_id)
        message = outgoing(
            ids,
            item.value,
            contract=self._contract if item.contract is None else item.contract,
            msg_id=ids.event_id if item.msg_id is None else item.msg_id,
            headers=item.headers,
            judge=self._judge,
            limit_bytes=self._client.max_payload,
        )
        ack = await self._pipe.send(message)
        return Published(ack.stream, ack.sequence, ack.is_duplicate, ids.event_id)


def _checked_name(name: Any) -> str:
    """As the key of a bucket: names joined by dots."""
    parts = name.split(".") if isinstance(name, str) else []
    if not isinstance(name, str) or len(parts) > 5 or not all(map(is_name, parts)):
        what = "has no title" if name is None else f"{name!r} is no name"
        raise MusterError("bad_name", f"contract {what}: order.v1 would be one")
    return name
