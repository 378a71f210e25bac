"""Takes what the server pushes to the group's deliver subject."""

from __future__ import annotations

from .connection import Connection
from .listener import Listener
from .msg import Msg
from .source import SourceOptions
from .tasks import Tasks


class Push:
    """There are no credits: what a member may hold is bounded by the group's max_ack_pending alone,
    and one stuck member can hold all of it.

    While it may not take messages it has no subscription, so the server gives them to the others.
    """

    def __init__(
        self,
        connection: Connection,
        subject: str,
        group: str,
        options: SourceOptions,
        *,
        tasks: Tasks,
    ) -> None:
        self._connection = connection
        self._subject = subject
        self._group = group
        self._o = options
        self._tasks = tasks
        self._subscription: Listener | None = None
        self._is_closed = False

    def wake(self) -> None:
        """Subscribes or unsubscribes."""
        may_take = not self._is_closed and self._o.may_pull()
        if may_take and self._subscription is None:
            self._subscription = self._connection.listen(
                self._subject, self._receive, queue=self._group
            )
        elif not may_take and self._subscription is not None:
            self._tasks.start(self._unsubscribe())

    async def drain(self) -> None:
        """Unsubscribes; returns when nothing more can arrive."""
        self._is_closed = True
        await self._unsubscribe()

    def _receive(self, msg: Msg) -> None:
        # Flow control and heartbeats of the server have no ack subject.
        if msg.reply.startswith("$JS.ACK."):
            self._o.on_message(msg)

    async def _unsubscribe(self) -> None:
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            await subscription.drain()
