"""Sets messages aside, and does what a ledger row says that is there already.

First what is durable, then the message, then cleaning up, so that a kill between two steps leaves
a message that the next member finishes.
"""

from __future__ import annotations

from .dead_letter import Failure
from .ends import Delivery, SettleParts, changing
from .headers import Headers
from .ledger.ledger import RowWrite
from .metrics import Reason
from .protocol.attempts import Record

_CONFLICT = Failure("conflict", "Conflict", "event id was already settled with another body")


class Dead:
    """Methods raise Unreachable."""

    def __init__(self, parts: SettleParts) -> None:
        self._p = parts

    async def dead(self, delivery: Delivery, failure: Failure, record: Record | None) -> None:
        """Sets the message aside; the record's history goes with it."""
        p, message = self._p, delivery.message
        headers = p.dead_letters.headers(message, failure, delivery.contract, record)
        content = {"status": "dead", "reason": failure.reason, "headers": headers}
        for _ in range(2):
            if not p.hold.is_ours(delivery.held):
                return p.ends.end_delivery(delivery, "lost")
            write = RowWrite(message=message, look_up=delivery.look_up, content=content)
            if await p.ledger.write(write):
                if p.ledger.kind != "none":
                    p.ends.step("row_dead", message)
                return await self._bury(delivery, failure.reason, headers, failure.error)
            if await self.is_decided_elsewhere(delivery):
                return None
        raise changing(delivery)

    async def is_decided_elsewhere(self, delivery: Delivery) -> bool:
        """After a failed compare: True when the new row settled the message."""
        ledger = self._p.ledger
        delivery.look_up = await ledger.look_up_again(delivery.message, delivery.look_up)
        if delivery.look_up.decision == "run":
            return False
        await self.decided(delivery)
        return True

    async def decided(self, delivery: Delivery) -> None:
        """Does what the ledger's row says; not for `run`."""
        p, message = self._p, delivery.message
        decision, row, _ = delivery.look_up
        if decision == "repeat":
            delivery.look_up = await p.ledger.join(message, delivery.look_up)
            if delivery.look_up.decision != "repeat":
                return await self._decided_anew(delivery)
            confirmed = p.hold.ack(delivery.held)
            if confirmed is not None:
                await confirmed
            p.ends.end_delivery(delivery, "repeat")
            p.hold.flush()
            return await p.attempts.delete(message, delivery.attempts)
        if decision == "finish":
            headers = (row or {}).get("headers") or {}
            reason: Reason = (row or {}).get("reason") or "permanent"
            return await self._bury(delivery, reason, headers, "finished for another member")
        if decision == "stale":
            if not p.hold.is_ours(delivery.held):
                return p.ends.end_delivery(delivery, "lost")
            # A term leaves nothing behind: without its sequence in the row the account would call
            # it lost.
            delivery.look_up = await p.ledger.join(message, delivery.look_up)
            if delivery.look_up.decision != "stale":
                return await self._decided_anew(delivery)
            p.hold.term(delivery.held, "stale")
            p.ends.end_delivery(delivery, "stale")
            return await p.attempts.delete(message, delivery.attempts)
        if decision == "conflict":
            if delivery.attempts is None:
                delivery.attempts = await p.attempts.get(message)
            record = delivery.attempts.record
            headers = p.dead_letters.headers(message, _CONFLICT, delivery.contract, record)
            return await self._bury(delivery, "conflict", headers, _CONFLICT.error)
        raise AssertionError("a message that is to be run is not decided")

    async def _decided_anew(self, delivery: Delivery) -> None:
        """The row changed while a message joined it."""
        if delivery.look_up.decision == "run":
            raise changing(delivery)
        await self.decided(delivery)

    async def _bury(self, delivery: Delivery, reason: Reason, headers: Headers, error: str) -> None:
        """Publishes the dead letter, then ends the message."""
        p, message = self._p, delivery.message
        await p.dead_letters.publish(reason, headers, message.body)
        p.ends.step("dead_lettered", message)
        p.hold.term(delivery.held, reason)
        p.ends.end_delivery(delivery, "dead", reason=reason, error=error)
        await p.attempts.delete(message, delivery.attempts)
