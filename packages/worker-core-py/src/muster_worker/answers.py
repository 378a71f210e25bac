"""What a member says of its messages: published to their reply subjects, always by hand, because
the clients swallow an ack after a nak and know no reason for a term."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable

from .connection import Connection
from .msg import Msg
from .turn import Turn

# Acks in one write at most.
_MOST_AT_ONCE = 256
# While more messages are in hand an ack waits so long for company: each write costs as much as a
# message.
_PATIENCE_S = 0.001
# A confirmation that has not come by then will not: the ack or the answer was lost.
_CONFIRM_S = 5.0


class Answers:
    """Acks leave together: with the next pull request, at the end of the turn when nothing else is
    in hand, and within a millisecond in any case."""

    def __init__(self, connection: Connection, turn: Turn, *, confirm_acks: bool = False) -> None:
        self._connection = connection
        self._turn = turn
        self._confirms = _Confirms(connection) if confirm_acks else None
        self._acks: list[str] = []
        # Acks that could not be sent; a lost one costs a redelivery, so they wait.
        self._late_acks: list[str] = []
        self._timer: asyncio.TimerHandle | None = None
        self._stop_listening = connection.on_change(self._on_change)

    def ack(self, reply: str, is_last: bool) -> Awaitable[None] | None:
        """Publishes an ack; `is_last`: nothing else is in hand, so nothing is worth waiting for.

        Where acks are confirmed, what to await until the server has it or cannot say.
        """
        if self._confirms is not None and self._connection.is_up:
            return self._confirms.ack(reply)
        self._acks.append(reply)
        if len(self._acks) >= _MOST_AT_ONCE:
            self.flush()
        elif is_last:
            self._turn.at_end(self.flush)
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_PATIENCE_S, self.flush)
        return None

    def send(self, reply: str, text: str) -> None:
        """Publishes an answer that is worth nothing later: while disconnected it is dropped."""
        if self._connection.is_up:
            self._connection.send(reply, text.encode())

    def flush(self) -> None:
        """Publishes the acks that wait."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._acks:
            return
        replies, self._acks = self._acks, []
        if self._connection.is_up:
            self._publish(replies)
        else:
            self._late_acks += replies

    def close(self) -> None:
        """Publishes what waits, and takes nothing more."""
        self.flush()
        self._stop_listening()
        if self._confirms is not None:
            self._confirms.close()

    def _publish(self, replies: list[str]) -> None:
        lines = [f"PUB {reply} 4\r\n+ACK\r\n" for reply in replies]
        self._connection.put("".join(lines).encode())

    def _on_change(self, is_up: bool) -> None:
        if is_up and self._late_acks:
            replies, self._late_acks = self._late_acks, []
            self._publish(replies)


class _Confirms:
    """Acks that the server answers, over one inbox."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._inbox = connection.new_inbox()
        self._waiting: dict[str, tuple[float, asyncio.Future[None]]] = {}
        self._count = 0
        self._sweep: asyncio.TimerHandle | None = None
        self._listener = connection.listen(f"{self._inbox}.*", self._confirmed)
        self._stop_listening = connection.on_change(self._on_change)

    def ack(self, reply: str) -> Awaitable[None]:
        """Publishes an ack and gives what to wait for."""
        loop = asyncio.get_running_loop()
        self._count += 1
        own = f"{self._inbox}.{self._count}"
        done: asyncio.Future[None] = loop.create_future()
        self._waiting[own] = (time.monotonic() + _CONFIRM_S, done)
        self._connection.send(reply, b"+ACK", reply=own)
        if self._sweep is None:
            self._sweep = loop.call_later(_CONFIRM_S, self._end_overdue)
        return done

    def close(self) -> None:
        """Waits for nothing any more."""
        self._stop_listening()
        self._end_all()
        self._listener.unsubscribe()

    def _confirmed(self, msg: Msg) -> None:
        self._end(msg.subject)

    def _end(self, own: str) -> None:
        waiting = self._waiting.pop(own, None)
        if waiting is not None and not waiting[1].done():
            waiting[1].set_result(None)

    def _end_overdue(self) -> None:
        self._sweep = None
        for own, (until, _) in list(self._waiting.items()):
            if until > time.monotonic():
                break
            self._end(own)
        if self._waiting:
            self._sweep = asyncio.get_running_loop().call_later(_CONFIRM_S, self._end_overdue)

    def _end_all(self) -> None:
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        for own in list(self._waiting):
            self._end(own)

    def _on_change(self, is_up: bool) -> None:
        if not is_up:
            self._end_all()
