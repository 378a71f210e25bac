"""Ends deliveries by what their handlers said.

First what is durable, then the message, then cleaning up, so that a kill between two steps leaves
a message that the next member finishes.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable
from typing import Any, Literal

from .dead import Dead
from .dead_letter import Failure
from .ends import Delivery, SettleParts, changing
from .errors import PermanentError, RetryableError, Snooze, Unreachable, describe_error
from .ledger.ledger import RowWrite
from .protocol.backoff import backoff_delay_ms
from .result import encode_result

AfterSettle = Literal["again"] | None
"""`again`: the transaction was undone and nothing stands in its way any more, so the handler runs
once more."""

_RECORD_TRIES = 3


class Settlement:
    """Methods raise Unreachable."""

    def __init__(self, parts: SettleParts, dead: Dead) -> None:
        self._p = parts
        self._dead = dead

    def returned(self, delivery: Delivery, value: Any) -> Awaitable[AfterSettle] | None:
        """The handler returned. None: ended at once, because nothing durable has to be written."""
        p = self._p
        result = encode_result(value)
        if result.error is not None:
            return self._invalid_result(delivery, result.error)
        if p.ledger.kind != "none" or (delivery.attempts and delivery.attempts.record):
            return self._done(delivery, result.value)
        confirmed = p.hold.ack(delivery.held)
        p.ends.done(delivery)
        return None if confirmed is None else _confirmed(confirmed)

    async def returned_late(self, delivery: Delivery, value: Any) -> None:
        """The handler returned after its deadline, when the message had been given back already."""
        p, message = self._p, delivery.message
        result = encode_result(value)
        if result.error is not None:
            await roll_back(delivery)
            return
        content = {"status": "done", "result": result.value}
        for _ in range(2):
            had_transaction = delivery.tx is not None and delivery.tx.is_open
            write = RowWrite(message=message, look_up=delivery.look_up, content=content)
            if await p.ledger.write(write, delivery.tx):
                await self.written(delivery)
                return
            delivery.look_up = await p.ledger.look_up_again(message, delivery.look_up)
            if delivery.look_up.decision == "repeat":
                delivery.look_up = await p.ledger.join(message, delivery.look_up)
            if delivery.look_up.decision == "repeat":
                await self._ack(delivery)
                p.ends.end_delivery(delivery, "repeat")
                return
            # The effect was undone with its transaction: the next delivery makes it again.
            if delivery.look_up.decision != "run" or had_transaction:
                return

    async def written(self, delivery: Delivery) -> None:
        """The row `done` is written: the message ends, then its record."""
        p = self._p
        if p.ledger.kind != "none":
            p.ends.step("row_done", delivery.message)
        await self._ack(delivery)
        p.ends.end_delivery(delivery, "done")
        if delivery.attempts is not None:
            p.hold.flush()
            await p.attempts.delete(delivery.message, delivery.attempts)

    async def raised(self, delivery: Delivery, error: BaseException) -> None:
        """The handler raised."""
        has_transaction = delivery.tx is not None
        await roll_back(delivery)
        if isinstance(error, Snooze):
            return await self._snooze(delivery, error.delay_ms)
        if isinstance(error, Unreachable) and has_transaction:
            # The ledger's own database is away: no fault of the handler, no attempt.
            raise error
        error_class, text = describe_error(error)
        if isinstance(error, PermanentError):
            failure = Failure("permanent", error_class, text)
            return await self._failed_for_good(delivery, failure)
        delay_ms = error.delay_ms if isinstance(error, RetryableError) else None
        return await self.retry(delivery, error_class, text, delay_ms)

    async def retry(
        self, delivery: Delivery, error_class: str, error: str, delay_ms: float | None = None
    ) -> None:
        """An attempt failed that may be made again."""
        p, message = self._p, delivery.message
        for _ in range(_RECORD_TRIES):
            if not p.hold.is_ours(delivery.held):
                return p.ends.end_delivery(delivery, "lost")
            # Also of a first delivery: a consumer made again counts from 1.
            known = delivery.attempts = delivery.attempts or await p.attempts.get(message)
            failed = (delivery.started_at, error_class, error)
            retry = p.spec().retry
            counted = p.attempts.with_failure(message, known.record, *failed)["attempts"]
            if counted >= retry.max_attempts:
                failure = Failure("exhausted", error_class, error)
                return await self._failed_for_good(delivery, failure)
            wait_ms = _whole(delay_ms)
            if wait_ms is None:
                wait_ms = backoff_delay_ms(retry.backoff_ms, retry.jitter, counted, p.random())
            record = p.attempts.with_failure(message, known.record, *failed, wait_ms)
            if not p.hold.is_ours(delivery.held):
                return p.ends.end_delivery(delivery, "lost")
            delivery.attempts = await p.attempts.put(message, known, record)
            if delivery.attempts is not None:
                p.ends.step("attempt_recorded", message)
                p.hold.nak(delivery.held, wait_ms)
                delivery.attempt = counted
                return p.ends.end_delivery(delivery, "retry", error=error, delay_ms=wait_ms)
        raise changing(delivery)

    async def _done(self, delivery: Delivery, result: Any) -> AfterSettle:
        p, message = self._p, delivery.message
        content = {"status": "done", "result": result}
        for _ in range(2):
            had_transaction = delivery.tx is not None and delivery.tx.is_open
            write = RowWrite(message=message, look_up=delivery.look_up, content=content)
            try:
                is_written = await p.ledger.write(write, delivery.tx)
            except Unreachable:
                raise
            except Exception as error:
                if not had_transaction:
                    raise
                # What the handler has to answer for: a statement of its transaction that failed.
                await self.raised(delivery, error)
                return None
            if is_written:
                await self.written(delivery)
                return None
            if await self._dead.is_decided_elsewhere(delivery):
                return None
            if had_transaction:
                return "again"
        raise changing(delivery)

    async def _invalid_result(self, delivery: Delivery, error: str) -> None:
        await roll_back(delivery)
        await self._failed_for_good(delivery, Failure("permanent", "InvalidResult", error))

    async def _failed_for_good(self, delivery: Delivery, failure: Failure) -> None:
        p, message = self._p, delivery.message
        known = delivery.attempts = delivery.attempts or await p.attempts.get(message)
        record = p.attempts.with_failure(
            message, known.record, delivery.started_at, failure.error_class, failure.error
        )
        await self._dead.dead(delivery, failure, record)

    async def _snooze(self, delivery: Delivery, wanted_ms: float) -> None:
        p, message = self._p, delivery.message
        delay_ms = min(_whole(wanted_ms) or 0, p.spec().retry.max_snooze_ms)
        for _ in range(_RECORD_TRIES):
            if not p.hold.is_ours(delivery.held):
                return p.ends.end_delivery(delivery, "lost")
            known = delivery.attempts = delivery.attempts or await p.attempts.get(message)
            record = p.attempts.with_snooze(message, known.record, delivery.started_at, delay_ms)
            if not p.hold.is_ours(delivery.held):
                return p.ends.end_delivery(delivery, "lost")
            delivery.attempts = await p.attempts.put(message, known, record)
            if delivery.attempts is not None:
                p.ends.step("attempt_recorded", message)
                p.hold.nak(delivery.held, delay_ms)
                return p.ends.end_delivery(delivery, "snoozed", delay_ms=delay_ms)
        raise changing(delivery)

    async def _ack(self, delivery: Delivery) -> None:
        confirmed = self._p.hold.ack(delivery.held)
        if confirmed is not None:
            await confirmed


async def roll_back(delivery: Delivery) -> None:
    """Undoes what the handler did in its transaction."""
    if delivery.tx is not None:
        await delivery.tx.rollback()


async def _confirmed(confirmed: Awaitable[None]) -> None:
    await confirmed


def _whole(delay_ms: float | None) -> int | None:
    return None if delay_ms is None else math.floor(delay_ms + 0.5)
