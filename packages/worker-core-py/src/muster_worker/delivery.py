"""One delivery up to its handler: look up, admit, parse and validate."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from .contracts import Contracts
from .dead import Dead
from .dead_letter import Failure
from .ends import Delivery, SettleParts
from .errors import Unreachable
from .hold import Held
from .log import Log
from .message import Message
from .protocol.attempts import admit, last_failure
from .protocol.verdict import Judge, Verdict

NOT_COUNTED_DELAY_MS = 5000
"""Delay of what is given back because something does not answer; no attempt is counted."""

BIG_BODY_BYTES = 64 * 1024
"""A larger body is judged in a thread: the loop must go on extending."""


class Ready(NamedTuple):
    """A delivery with its parsed body, ready for its handler."""

    delivery: Delivery
    value: Any
    is_suspect: bool
    """It may have killed its last process: it runs alone, and its start is noted first."""


class Steps:
    """The steps before the handler."""

    def __init__(
        self,
        parts: SettleParts,
        *,
        dead: Dead,
        contracts: Contracts,
        log: Log,
        on_unreachable: Callable[[Unreachable], None],
    ) -> None:
        """`on_unreachable`: called when ledger, records or dead letters do not answer."""
        self._p = parts
        self._dead = dead
        self._contracts = contracts
        self._log = log
        self._on_unreachable = on_unreachable
        self.is_draining = False
        """While the member drains, what has not started is given back."""

    def begin(self, held: Held) -> Ready | None:
        """The common delivery: the first one, nothing to look up, a contract that is loaded, a body
        that it accepts.

        None when anything else is the case; then `prepare` goes the long way.
        """
        message = held.message
        if message.delivered > 1 or self._p.ledger.looks_up_first:
            return None
        contracts = self._p.spec().contracts
        contract = message.contract(contracts[0])
        judge = self._contracts.loaded(contract) if contract in contracts else None
        if judge is None or len(message.body) > BIG_BODY_BYTES:
            return None
        verdict = judge(message.body)
        if verdict.code is not None:
            return None
        return Ready(Delivery(held, contract), verdict.value, False)

    async def prepare(self, held: Held) -> Ready | None:
        """Every step; None when the delivery has ended. Raises Unreachable."""
        if not self.may_go_on(held):
            return None
        p, message = self._p, held.message
        contract = message.contract(p.spec().contracts[0])
        delivery = Delivery(held, contract)
        if p.ledger.looks_up_first or message.delivered > 1:
            delivery.look_up = await p.ledger.look_up(message)
            if delivery.look_up.decision != "run":
                await self._dead.decided(delivery)
                return None
        admission = await self._admit(delivery)
        if admission == "settled":
            return None
        verdict = await self._validate(delivery)
        if verdict is None:
            return None
        return Ready(delivery, verdict.value, admission == "suspect")

    async def note_start(self, delivery: Delivery) -> bool:
        """Notes that the handler is about to start; False when the message is not ours to start.

        Raises Unreachable.
        """
        held, message, attempts = delivery.held, delivery.message, self._p.attempts
        if not self.may_go_on(held):
            return False
        known = delivery.attempts or await attempts.get(message)
        record = attempts.with_start(message, known.record, time.time())
        delivery.attempts = await attempts.put(message, known, record)
        if delivery.attempts is None:
            # Somebody else has noted a start since: the next delivery looks at the record again.
            self._p.hold.nak(held, NOT_COUNTED_DELAY_MS)
            self._p.ends.end(message, "retry", delay_ms=NOT_COUNTED_DELAY_MS)
            return False
        return True

    def may_go_on(self, held: Held) -> bool:
        """False when the message is lost, or is given back because the member drains."""
        if not self._p.hold.is_ours(held):
            self._p.ends.end(held.message, "lost")
            return False
        if self.is_draining:
            self.give_back(held)
            return False
        return True

    def give_back(self, held: Held) -> None:
        """Hands a message that was not started to another member, at once."""
        self._p.hold.nak(held)
        self._p.ends.end(held.message, "returned")

    def broken(self, held: Held, error: BaseException) -> None:
        """Something did not answer, or the core itself failed: given back, no attempt counted."""
        message = held.message
        self._p.hold.nak(held, NOT_COUNTED_DELAY_MS)
        self._p.ends.end(message, "retry", error=str(error), delay_ms=NOT_COUNTED_DELAY_MS)
        if isinstance(error, Unreachable):
            self._on_unreachable(error)
            return
        self._log.error(
            "delivery failed",
            code="internal",
            seq=message.sequence,
            event_id=message.event_id,
            delay_ms=NOT_COUNTED_DELAY_MS,
            error="".join(traceback.format_exception(error)),
        )

    async def _admit(self, delivery: Delivery) -> Literal["run", "suspect", "settled"]:
        message: Message = delivery.message
        if message.delivered <= 1:
            return "run"
        delivery.attempts = await self._p.attempts.get(message)
        record = delivery.attempts.record
        decision, delivery.attempt = admit(
            record,
            delivered=message.delivered,
            store_time=message.store_time,
            max_attempts=self._p.spec().retry.max_attempts,
        )
        if decision == "run" or decision == "suspect":
            return decision
        error_class, error = last_failure(record or {"history": []})
        await self._dead.dead(delivery, Failure(decision, error_class, error), record)
        return "settled"

    async def _validate(self, delivery: Delivery) -> Verdict | None:
        name, message = delivery.contract, delivery.message
        if name not in self._p.spec().contracts:
            error = f"unknown contract {name}"
            await self._refuse(delivery, Failure("unknown_contract", "UnknownContract", error))
            return None
        judge = await self._judge(name)
        if judge is None:
            self._p.hold.nak(delivery.held, NOT_COUNTED_DELAY_MS)
            self._p.ends.end(message, "retry", delay_ms=NOT_COUNTED_DELAY_MS)
            self._log.error(
                "contract missing",
                code="no_contract",
                contract=name,
                seq=message.sequence,
                delay_ms=NOT_COUNTED_DELAY_MS,
            )
            return None
        verdict = await judged(judge, message.body)
        if verdict.code is None:
            return verdict
        await self._refuse(delivery, Failure("invalid", "InvalidMessage", verdict.error))
        return None

    async def _judge(self, name: str) -> Judge | None:
        try:
            return await self._contracts.verdict(name)
        except Unreachable:
            return None

    async def _refuse(self, delivery: Delivery, failure: Failure) -> None:
        if delivery.attempts is None:
            delivery.attempts = await self._p.attempts.get(delivery.message)
        await self._dead.dead(delivery, failure, delivery.attempts.record)


async def judged(judge: Judge, body: bytes) -> Verdict:
    """The verdict on a body, of a big one from a thread."""
    if len(body) <= BIG_BODY_BYTES:
        return judge(body)
    return await asyncio.to_thread(judge, body)
