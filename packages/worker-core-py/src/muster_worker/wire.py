"""Requests over one inbox, as many under way as there are callers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from .connection import Connection
from .errors import Unreachable
from .headers import encode_headers, read_status
from .msg import Msg
from .needs import forbidden_subject

REQUEST_TIMEOUT_S = 5.0
"""Seconds an answer may take, the wait for a connection included."""

_NO_RESPONDERS = 503
# How often requests that nobody answered are looked for: one timer for all.
_SWEEP_S = 0.25


class _Waiting:
    __slots__ = ("answer", "subject", "until")

    def __init__(self, subject: str, until: float, answer: asyncio.Future[Msg]) -> None:
        self.subject = subject
        self.until = until
        self.answer = answer


class Wire:
    """Every failure is Unreachable: no connection, no responders, time-out, too large."""

    def __init__(self, connection: Connection, timeout_s: float = REQUEST_TIMEOUT_S) -> None:
        self._connection = connection
        self._timeout_s = timeout_s
        self._inbox = connection.new_inbox()
        # In the order of their deadlines, because all have the same time.
        self._waiting: dict[str, _Waiting] = {}
        self._count = 0
        self._sweep: asyncio.TimerHandle | None = None
        self._listener = connection.listen(f"{self._inbox}.*", self._answered)
        self._stop_listening = connection.on_change(self._on_change)
        connection.on_forbidden(self._on_forbidden)

    async def request(
        self, subject: str, body: bytes = b"", headers: Mapping[str, str] | bytes = b""
    ) -> Msg:
        """Sends a request and waits for its answer; waits for the connection first, within the same
        time. `headers` may be a block that is encoded already."""
        until = time.monotonic() + self._timeout_s
        if not self._connection.is_up:
            await self._wait_for_connection(subject)
        head = headers if isinstance(headers, bytes) else encode_headers(headers)
        # The server cuts the connection of a client that sends more.
        size, most = len(head) + len(body), self._connection.max_payload
        if size > most:
            raise Unreachable(f"request to {subject}: {size} bytes, the server takes {most}")
        self._count += 1
        reply = f"{self._inbox}.{self._count}"
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Msg] = loop.create_future()
        self._waiting[reply] = _Waiting(subject, until, answer)
        if self._sweep is None:
            self._sweep = loop.call_later(_SWEEP_S, self._end_overdue)
        self._connection.send(subject, body, reply=reply, head=head)
        try:
            return await answer
        finally:
            self._waiting.pop(reply, None)

    def close(self) -> None:
        """Fails what waits, and takes no more answers."""
        self._stop_listening()
        self._fail_all("closed")
        self._listener.unsubscribe()

    def _answered(self, msg: Msg) -> None:
        waiting = self._waiting.pop(msg.subject, None)
        if waiting is None or waiting.answer.done():
            return
        if not msg.data and read_status(msg.head) == _NO_RESPONDERS:
            waiting.answer.set_exception(_unreachable(waiting, "no responders"))
        else:
            waiting.answer.set_result(msg)

    def _on_change(self, is_up: bool) -> None:
        # Answers to what is on its way are lost with the connection: waiting would gain nothing.
        if not is_up:
            self._fail_all("connection lost")

    def _on_forbidden(self, refusal: str) -> None:
        # The server does not answer a publish that it does not permit.
        forbidden = forbidden_subject(refusal)
        for one in self._waiting.values():
            if forbidden == ("publish", one.subject, None) and not one.answer.done():
                one.answer.set_exception(_unreachable(one, refusal))

    def _end_overdue(self) -> None:
        self._sweep = None
        time_now = time.monotonic()
        for reply, waiting in list(self._waiting.items()):
            if waiting.until > time_now:
                break
            del self._waiting[reply]
            if not waiting.answer.done():
                why = f"no answer in {round(self._timeout_s * 1000)} ms"
                waiting.answer.set_exception(_unreachable(waiting, why))
        if self._waiting:
            self._sweep = asyncio.get_running_loop().call_later(_SWEEP_S, self._end_overdue)

    def _fail_all(self, why: str) -> None:
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        waiting, self._waiting = self._waiting, {}
        for one in waiting.values():
            if not one.answer.done():
                one.answer.set_exception(_unreachable(one, why))

    async def _wait_for_connection(self, subject: str) -> None:
        up = asyncio.Event()
        stop = self._connection.on_change(lambda is_up: up.set() if is_up else None)
        try:
            await asyncio.wait_for(up.wait(), self._timeout_s)
        except asyncio.TimeoutError:
            raise Unreachable(f"request to {subject}: not connected") from None
        finally:
            stop()


def _unreachable(waiting: _Waiting, why: str) -> Unreachable:
    return Unreachable(f"request to {waiting.subject}: {why}")
