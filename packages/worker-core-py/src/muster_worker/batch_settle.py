"""Ends the messages of a batch, each by its own outcome.

With a transaction the rows of all that are done go in with it: where one of them stands in the way
everything is undone, and the handler runs again without that one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any

from .dead import Dead
from .delivery import Ready, Steps
from .ends import SettleParts, changing
from .errors import Unreachable
from .ledger.ledger import LedgerTransaction, RowWrite
from .result import encode_result
from .settle import Settlement

ROUNDS = 3
"""How often a batch whose transaction was undone is run before its messages are given back."""


class BatchSettlement:
    """Methods never raise: an outage gives messages back."""

    def __init__(
        self, parts: SettleParts, *, steps: Steps, dead: Dead, settlement: Settlement
    ) -> None:
        self._p = parts
        self._steps = steps
        self._dead = dead
        self._settlement = settlement

    async def settle(
        self, ready: Sequence[Ready], outcomes: Sequence[Any], tx: LedgerTransaction | None
    ) -> Sequence[Ready]:
        """Settles by outcomes; gives back those whose handler has to run again."""
        has_transaction = tx is not None
        good: list[Ready] = []
        writes: list[RowWrite] = []
        others: list[Awaitable[None]] = []
        for one, outcome in zip(ready, outcomes, strict=True):
            delivery = one.delivery
            if isinstance(outcome, BaseException):
                # The transaction is the batch's: it is not undone for one message that failed.
                delivery.tx = None
                if isinstance(outcome, Unreachable) and has_transaction:
                    self._steps.broken(delivery.held, outcome)
                else:
                    others.append(self._guard(one, self._settlement.raised(delivery, outcome)))
                continue
            result = encode_result(outcome)
            if not has_transaction or result.error is not None:
                delivery.tx = None
                settled = self._settlement.returned(delivery, outcome)
                if settled is not None:
                    others.append(self._guard(one, settled))
                continue
            content = {"status": "done", "result": result.value}
            good.append(one)
            writes.append(
                RowWrite(message=delivery.message, look_up=delivery.look_up, content=content)
            )
        if good:
            again = await self._commit(good, writes, tx)
        else:
            again = []
            if tx is not None:
                await tx.rollback()
        await asyncio.gather(*others)
        return again

    async def deadline(self, ready: Sequence[Ready], timeout_ms: int) -> None:
        """The handler missed its deadline: every message of the batch has failed once."""
        error = f"handler exceeded {timeout_ms} ms"
        await asyncio.gather(
            *(
                self._guard(one, self._settlement.retry(one.delivery, "DeadlineExceeded", error))
                for one in ready
            )
        )

    async def settle_late(
        self,
        ready: Sequence[Ready],
        outcomes: Sequence[Any] | None,
        tx: LedgerTransaction | None,
    ) -> None:
        """The handler ended after its deadline: what it still committed is honoured.

        `outcomes` None: it raised.
        """
        good: list[Ready] = []
        results: list[Any] = []
        for one, outcome in zip(ready, outcomes or (), strict=False):
            if not isinstance(outcome, BaseException) and encode_result(outcome).error is None:
                good.append(one)
                results.append(outcome)
        if tx is None or not tx.is_open:
            late = self._settlement.returned_late
            both = zip(good, results, strict=True)
            await asyncio.gather(
                *(self._guard(one, late(one.delivery, result)) for one, result in both)
            )
            return
        if not good:
            await tx.rollback()
            return
        writes = [
            RowWrite(
                message=one.delivery.message,
                look_up=one.delivery.look_up,
                content={"status": "done", "result": encode_result(result).value},
            )
            for one, result in zip(good, results, strict=True)
        ]
        try:
            if all(await self._p.ledger.write_all(writes, tx)):
                await self._written(good)
        except Exception as error:
            self._broken(good, error)

    def give_up(self, ready: Sequence[Ready]) -> None:
        """Gives back what was undone too often."""
        for one in ready:
            self._steps.broken(one.delivery.held, changing(one.delivery))

    async def _commit(
        self, good: Sequence[Ready], writes: Sequence[RowWrite], tx: LedgerTransaction | None
    ) -> Sequence[Ready]:
        try:
            written = await self._p.ledger.write_all(writes, tx)
        except Unreachable as error:
            self._broken(good, error)
            return []
        except Exception as error:
            # Undone for what the handler has to answer for, such as a statement that failed.
            for one in good:
                one.delivery.tx = None
            raised = self._settlement.raised
            await asyncio.gather(*(self._guard(one, raised(one.delivery, error)) for one in good))
            return []
        if all(written):
            await self._written(good)
            return []
        return await self._without_those_in_the_way(good, written)

    async def _written(self, good: Sequence[Ready]) -> None:
        written = self._settlement.written
        await asyncio.gather(*(self._guard(one, written(one.delivery)) for one in good))

    async def _without_those_in_the_way(
        self, good: Sequence[Ready], written: Sequence[bool]
    ) -> Sequence[Ready]:
        """Everything was undone. What the ledger has by now is settled by its row; the rest runs
        again."""
        again = [one for one, is_free in zip(good, written, strict=True) if is_free]

        async def decide(one: Ready) -> None:
            one.delivery.tx = None
            if not await self._dead.is_decided_elsewhere(one.delivery):
                again.append(one)

        in_the_way = [one for one, is_free in zip(good, written, strict=True) if not is_free]
        await asyncio.gather(*(self._guard(one, decide(one)) for one in in_the_way))
        return again

    async def _guard(self, one: Ready, settled: Awaitable[Any]) -> None:
        """Waits for an end; an outage gives the message back."""
        try:
            await settled
        except Exception as error:
            self._steps.broken(one.delivery.held, error)

    def _broken(self, ready: Sequence[Ready], error: Exception) -> None:
        for one in ready:
            self._steps.broken(one.delivery.held, error)
