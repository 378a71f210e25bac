"""Pull requests over one inbox, so that a member holds about twice its concurrency, never more."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass

from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from .errors import Unreachable
from .log import Log
from .wire import REQUEST_TIMEOUT_S, Wire

EXPIRES_S = 5.0
"""A request lives this long, so that a pause takes hold."""
VOID_AFTER_S = 2.0
"""A request the server did not end this long after its expiry never will be."""
BACK_OFF_S = 0.25
"""Before the next pull when the consumer is gone or the server says something odd."""


@dataclass(kw_only=True)
class PullRequest:
    """A request under way."""

    credits: int
    void_at: float


@dataclass(frozen=True, kw_only=True)
class PullLimits:
    """How much may be pulled now. `concurrency` 0: nothing."""

    concurrency: int
    held: int


class Puller:
    """Keeps the member supplied."""

    def __init__(
        self,
        wire: Wire,
        log: Log,
        *,
        subject: str,
        limits: Callable[[], PullLimits],
        on_message: Callable[[Msg], None],
    ) -> None:
        self._wire = wire
        self._log = log
        self._subject = subject
        self._limits = limits
        self._on_message = on_message
        self._inbox = wire.connection.new_inbox()
        self._subscription: Subscription | None = None
        self._requests: dict[int, PullRequest] = {}
        self._number = 0
        self._wake = asyncio.Event()
        self._not_before = 0.0
        self._complaint: str | None = None
        self._stopped = False

    @property
    def outstanding(self) -> int:
        """Messages the server may still send."""
        return sum(request.credits for request in self._requests.values())

    def wake(self) -> None:
        """Something changed: look again."""
        self._wake.set()

    def forget(self) -> None:
        """After a reconnect: requests from before are void."""
        self._requests.clear()
        self.wake()

    async def start(self) -> None:
        """Subscribes to the inbox. Nothing is ever dropped as slow: credits bound what comes."""
        self._subscription = await self._wire.connection.subscribe(
            f"{self._inbox}.*", cb=self._receive, pending_msgs_limit=0, pending_bytes_limit=0
        )

    async def run(self) -> None:
        """Pulls until stopped."""
        while not self._stopped:
            self._wake.clear()
            pause = await self._pull()
            try:
                await asyncio.wait_for(self._wake.wait(), pause)
            except asyncio.TimeoutError:
                continue

    async def stop(self) -> None:
        """No more messages after this; what still came was given to `on_message`."""
        self._stopped = True
        self.wake()
        if self._subscription is None:
            return
        try:
            connection = self._wire.connection
            await connection.drain_subscription(self._subscription, REQUEST_TIMEOUT_S)
        except Exception as error:
            self._log.debug("inbox not drained", error=str(error) or type(error).__name__)

    async def _pull(self) -> float:
        """One look; the seconds until the next one at the latest."""
        now = time.monotonic()
        for number, request in list(self._requests.items()):
            if request.void_at <= now:
                del self._requests[number]
        if now < self._not_before:
            return self._not_before - now
        limits = self._limits()
        outstanding = self.outstanding
        wanted = 2 * limits.concurrency - limits.held - outstanding
        enough = 2 * wanted >= limits.concurrency or outstanding == 0
        if limits.concurrency > 0 and wanted > 0 and enough:
            await self._request(wanted)
        return min((r.void_at for r in self._requests.values()), default=now + 1) - now + 0.001

    async def _request(self, batch: int) -> None:
        self._number += 1
        number = self._number
        void_at = time.monotonic() + EXPIRES_S + VOID_AFTER_S
        self._requests[number] = PullRequest(credits=batch, void_at=void_at)
        body = json.dumps({"batch": batch, "expires": int(EXPIRES_S * 1e9)}).encode()
        try:
            await self._wire.publish(self._subject, body, reply=f"{self._inbox}.{number}")
        except Unreachable:
            self._requests.pop(number, None)
            self._not_before = time.monotonic() + BACK_OFF_S

    async def _receive(self, msg: Msg) -> None:
        if msg.reply.startswith("$JS.ACK."):
            self._use_credit()
            self._complaint = None
            self._on_message(msg)
            return
        status = (msg.headers or {}).get("Status")
        number = msg.subject.rpartition(".")[2]
        if status is None or status == "100" or not number.isdigit():
            return
        self._requests.pop(int(number), None)
        description = (msg.headers or {}).get("Description", "")
        # Every 409 waits: "Exceeded MaxWaiting" and its like come back at once otherwise.
        if status not in ("404", "408"):
            self._not_before = time.monotonic() + BACK_OFF_S
            complaint = f"{status} {description}".strip()
            if complaint != self._complaint:
                self._log.warning("pull refused", code=status, error=complaint)
            self._complaint = complaint
        self.wake()

    def _use_credit(self) -> None:
        # The server fills requests in their order; a message does not say which one it fills.
        for number, request in self._requests.items():
            request.credits -= 1
            if request.credits <= 0:
                del self._requests[number]
            return
