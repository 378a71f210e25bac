"""Looks after a pull that has gone silent.

Clients have seen pulls stall after a leader change although messages wait. The consumer is asked
first, because silence is right when nothing waits, when it is paused, or when max_ack_pending is
used up.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

from .config import Config
from .errors import Unreachable
from .log import Log
from .pull import Pull
from .wire import Wire

_LOOKS_PER_STALL = 3


class Watchdog:
    """Runs until cancelled."""

    def __init__(
        self,
        *,
        wire: Wire,
        config: Config,
        log: Log,
        pull: Pull,
        is_pull_wanted: Callable[[], bool],
        on_stalled: Callable[[], None],
        stall_ms: int,
    ) -> None:
        """`is_pull_wanted`: False while the member takes nothing for a good reason. `stall_ms`:
        silence that is looked into."""
        self._wire = wire
        self._config = config
        self._log = log
        self._pull = pull
        self._is_pull_wanted = is_pull_wanted
        self._on_stalled = on_stalled
        self._stall_s = stall_ms / 1000
        self._said = ""

    async def run(self) -> None:
        """Looks three times in the time of a stall."""
        while True:
            await asyncio.sleep(self._stall_s / _LOOKS_PER_STALL)
            if self._is_silent():
                await self._look()

    def _is_silent(self) -> bool:
        silence_s = time.monotonic() - self._pull.last_message_at
        return silence_s > self._stall_s and self._is_pull_wanted() and self._pull.outstanding > 0

    async def _look(self) -> None:
        try:
            has_work = await self._has_work()
        except Unreachable as error:
            if str(error) != self._said:
                self._said = str(error)
                self._log.warning("consumer not seen", code="consumer_unknown", error=str(error))
            return
        self._said = ""
        if has_work and self._is_silent():
            self._log.warning("pull stalled", code="pull_stalled")
            # Counted from now: what the new pull brings takes a moment.
            self._pull.last_message_at = time.monotonic()
            self._pull.recreate()
            self._on_stalled()

    async def _has_work(self) -> bool:
        """Whether the consumer has messages for us that it may deliver."""
        c = self._config
        subject = f"{c.api_prefix}.CONSUMER.INFO.{c.stream}.{c.group}"
        msg = await self._wire.request(subject)
        try:
            info: dict[str, Any] = json.loads(msg.data)
            error = info.get("error")
            most = info.get("config", {}).get("max_ack_pending", -1)
            has_room = most <= 0 or info.get("num_ack_pending", 0) < most
            pending = info.get("num_pending", 0)
        except (ValueError, AttributeError, TypeError):
            raise Unreachable(f"consumer {c.group} of {c.stream}: no answer to read") from None
        if error is not None:
            raise Unreachable(f"consumer {c.group} of {c.stream}: {error}")
        return bool(pending > 0 and not info.get("paused") and has_room)
