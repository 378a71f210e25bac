"""Dead letters of a queue group.

There is no message to give back while the stream does not take one, so it is kept in the process
and tried again; what does not fit is lost, said, and counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from .dead_letter import DeadLetters, Failure
from .errors import Unreachable
from .headers import Headers
from .log import Log
from .message import Message
from .protocol.attempts import Record
from .tasks import Tasks

_AGAIN_S = 1.0


class _Letter(NamedTuple):
    """A dead letter that the stream has not taken yet."""

    message: Message
    reason: str
    headers: Headers


class QueueLetters:
    """Keeps at most `most` of them."""

    def __init__(
        self,
        *,
        dead_letters: DeadLetters,
        most: Callable[[], int],
        tasks: Tasks,
        log: Log,
        on_lost: Callable[[], None],
    ) -> None:
        self._dead_letters = dead_letters
        self._most = most
        self._tasks = tasks
        self._log = log
        self._on_lost = on_lost
        self._kept = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def send(
        self, message: Message, failure: Failure, contract: str, record: Record | None
    ) -> None:
        """Sets a message aside, now or as soon as the stream takes it."""
        if self._kept >= self._most():
            self.lost(message, "its dead letter does not fit either", is_said=True)
            return
        headers = self._dead_letters.headers(message, failure, contract, record)
        self._kept += 1
        self._idle.clear()
        self._tasks.start(self._publish(_Letter(message, failure.reason, headers)))

    def lost(self, message: Message, why: str, *, is_said: bool) -> None:
        """A message that nobody will see again."""
        self._on_lost()
        if is_said:
            self._log.error("message lost", code="queue_lost", event_id=message.event_id, error=why)

    async def drain(self) -> None:
        """Returns when all are published."""
        await self._idle.wait()

    async def _publish(self, letter: _Letter) -> None:
        is_said = False
        try:
            while True:
                try:
                    await self._dead_letters.publish(
                        letter.reason, letter.headers, letter.message.body
                    )
                    return
                except Unreachable as error:
                    if not is_said:
                        is_said = True
                        self._log.warning(
                            "dead letter waits",
                            code="unreachable",
                            event_id=letter.message.event_id,
                            error=str(error),
                        )
                await asyncio.sleep(_AGAIN_S)
        finally:
            self._kept -= 1
            if self._kept == 0:
                self._idle.set()
