"""One delivery, from receipt to the handler's end: look up, admit, validate, handle."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from .attempts import admit, entry_of, last_failure, started
from .config import LANGUAGE, Config
from .contracts import Contracts
from .errors import (
    Conflict,
    InvalidResult,
    PermanentError,
    RetryableError,
    Snooze,
    Unreachable,
)
from .hold import Hold
from .ledger import Ledger
from .log import Log
from .message import Context, Handler, Message
from .records import Kept, Records
from .settle import Failure, OnStep, Plan, Settle, death_of, encode_result, error_text
from .slots import Slots
from .spec import Spec
from .stats import Stats
from .verdict import Judge, Verdict
from .wire import Wire

UNREACHABLE_DELAY_MS = 5000
"""Delay of a nak when a bucket or stream gave no answer."""

BIG_BODY_BYTES = 64 * 1024
"""A larger body is judged in a thread: the loop must go on extending."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What a delivery works with; one set per member."""

    wire: Wire
    ledger: Ledger
    records: Records
    contracts: Contracts
    hold: Hold
    slots: Slots
    stats: Stats
    settle: Settle
    config: Config
    version: str
    handler: Handler
    log: Log
    spec: Callable[[], Spec | None]
    draining: Callable[[], bool]
    degrade: Callable[[str], None]
    on_step: OnStep


class Deliveries:
    """Carries deliveries through; each `run` is one task."""

    def __init__(self, parts: Parts) -> None:
        self._p = parts
        self._suspects = asyncio.Lock()

    async def run(self, message: Message) -> None:
        """Carries one message to its end. It never raises."""
        try:
            self._p.on_step("received")
            await self._run(message)
        except Unreachable as error:
            await self._set_back(message, error)
        except Exception as error:
            self._p.log.error("delivery failed", seq=message.ack.seq, error=repr(error))
            await self._set_back(message, None)
        finally:
            self._p.hold.release(message)

    async def hand_back(self, message: Message) -> None:
        """Draining and not started: another member takes it at once."""
        if message.returned:
            return
        message.returned = True
        self._p.hold.release(message)
        if self._p.hold.is_ours(message):
            try:
                await self._p.wire.nak(message.reply)
            except Unreachable:
                return
            self._p.stats.settled("returned", message)

    async def _run(self, message: Message) -> None:
        if not await self._p.slots.acquire():
            await self.hand_back(message)
            return
        try:
            message.waiting = False
            plan = await self._prepare(message)
            if plan is None:
                return
            if not plan.suspect:
                await self._handle(plan)
                return
            message.waiting = True
        finally:
            self._p.slots.release()
        # One suspect at a time: one that kills the process must take no neighbour with it.
        async with self._suspects:
            if message.returned or not await self._p.slots.acquire():
                await self.hand_back(message)
                return
            try:
                message.waiting = False
                await self._handle(plan)
            finally:
                self._p.slots.release()

    async def _prepare(self, message: Message) -> Plan | None:
        """Steps 1 to 3. None: the message is settled, or no longer ours."""
        p = self._p
        spec = p.spec()
        if not p.hold.is_ours(message):
            return None
        if spec is None or p.draining():
            await self.hand_back(message)
            return None
        contract = message.contract(spec.contracts[0])
        found = await p.ledger.look_up(message)
        plan = Plan(
            message=message, found=found, kept=Kept(), contract=contract, attempt=1, spec=spec
        )
        delivered = message.ack.delivered
        if delivered > 1:
            plan.kept = await p.records.get(message)
            plan.kept_is_known = True
        if found.decision != "run":
            await p.settle.by_row(plan, found)
            return None
        if delivered > 1:
            admission, plan.attempt = admit(
                plan.kept.record,
                delivered=delivered,
                store_time=message.ack.store_time,
                max_attempts=spec.retry.max_attempts,
            )
            if admission in ("exhausted", "crash_loop") and plan.kept.record is not None:
                error_class, error = last_failure(plan.kept.record)
                failure = Failure(error_class=error_class, error=error)
                await p.settle.dead(plan, death_of(admission, failure, plan.kept.record))
                return None
            plan.suspect = admission == "suspect"
        return plan if await self._validate(plan) else None

    async def _validate(self, plan: Plan) -> bool:
        p, name = self._p, plan.contract
        if name not in plan.spec.contracts:
            failure = Failure(error_class="UnknownContract", error=f"unknown contract {name}")
            await p.settle.dead(plan, death_of("unknown_contract", failure, plan.kept.record))
            return False
        judge = p.contracts.judge(name)
        if judge is None:
            try:
                judge = await p.contracts.get(name)
            except Unreachable:
                judge = None
        if judge is None:
            p.log.warning("contract not known here", code=name, seq=plan.message.ack.seq)
            await self._nak_later(plan.message)
            return False
        verdict = await _judged(judge, plan.message.body)
        if verdict.code is not None:
            failure = Failure(error_class="InvalidMessage", error=verdict.error)
            await p.settle.dead(plan, death_of("invalid", failure, plan.kept.record))
            return False
        plan.value = verdict.value
        return True

    async def _handle(self, plan: Plan) -> None:
        """Step 4, and step 5 by what came of it."""
        p, message = self._p, plan.message
        if p.draining():
            await self.hand_back(message)
            return
        if not p.hold.is_ours(message):
            return
        entry = entry_of(
            attempt=plan.attempt,
            member=p.config.member,
            language=LANGUAGE,
            version=p.version,
            started_at=time.time(),
        )
        if plan.suspect:
            base = plan.kept.record or p.settle.empty(message)
            note = started(base, entry, message.ack.delivered)
            try:
                plan.kept = await p.records.write(message, note, plan.kept)
            except Conflict as error:
                raise Unreachable(str(error)) from error
            if not p.hold.is_ours(message):
                return
        p.stats.in_flight += 1
        begun = time.monotonic()
        work = asyncio.create_task(_outcome(p.handler, plan.value, self._context(plan)))
        try:
            await asyncio.wait({work}, timeout=plan.spec.timeout_ms / 1000)
            if work.done():
                await self._settle(plan, entry, work.result())
            else:
                await self._past_deadline(plan, entry, work)
        except asyncio.CancelledError:
            work.cancel()
            raise
        finally:
            # The slot is taken until the handler has really returned.
            await asyncio.wait({work})
            p.stats.in_flight -= 1
            p.stats.handled(begun)

    async def _past_deadline(
        self, plan: Plan, entry: dict[str, Any], work: asyncio.Task[Any]
    ) -> None:
        plan.message.signal.abort()
        error = f"handler exceeded {plan.spec.timeout_ms} ms"
        try:
            await self._p.settle.retry(
                plan, entry, Failure(error_class="DeadlineExceeded", error=error)
            )
        except Unreachable as unreachable:
            await self._set_back(plan.message, unreachable)
        self._p.hold.release(plan.message)
        await asyncio.wait({work})
        outcome = work.result()
        if isinstance(outcome, BaseException):
            return
        # What cannot be kept now is lost with the attempt, which has failed already.
        with suppress(InvalidResult, Unreachable):
            await self._p.settle.done(plan, encode_result(outcome), late=True)

    async def _settle(self, plan: Plan, entry: dict[str, Any], outcome: Any) -> None:
        settle = self._p.settle
        if isinstance(outcome, Snooze):
            await settle.snooze(plan, entry, outcome.delay_ms)
        elif isinstance(outcome, PermanentError):
            await settle.permanent(plan, entry, _failure(outcome))
        elif isinstance(outcome, BaseException):
            delay = outcome.delay_ms if isinstance(outcome, RetryableError) else None
            await settle.retry(plan, entry, _failure(outcome, delay))
        else:
            try:
                result = encode_result(outcome)
            except InvalidResult as error:
                await settle.permanent(plan, entry, _failure(error))
                return
            await settle.done(plan, result)

    def _context(self, plan: Plan) -> Context:
        message = plan.message
        fields = {"seq": message.ack.seq, "event_id": message.event_id, "attempt": plan.attempt}
        return Context(
            event_id=message.event_id,
            attempt=plan.attempt,
            subject=message.subject,
            headers=message.headers,
            signal=message.signal,
            log=self._p.log.bind(delivery=message.ack.delivered, **fields),
            nats=self._p.wire.connection,
        )

    async def _set_back(self, message: Message, error: Unreachable | None) -> None:
        """Something did not answer: again in a while, nothing counted, nothing concluded."""
        if error is not None:
            self._p.log.debug("set back", seq=message.ack.seq, error=str(error))
            self._p.degrade(str(error))
        await self._nak_later(message)

    async def _nak_later(self, message: Message) -> None:
        if message.returned or not self._p.hold.is_ours(message):
            return
        try:
            await self._p.wire.nak(message.reply, UNREACHABLE_DELAY_MS)
            self._p.stats.settled("retry", message)
        except Unreachable:
            return


def _failure(error: BaseException, delay_ms: int | None = None) -> Failure:
    return Failure(error_class=type(error).__name__, error=error_text(error), delay_ms=delay_ms)


async def _outcome(handler: Handler, value: Any, context: Context) -> Any:
    """What the handler returned, or what it raised, as a value."""
    try:
        return await handler(value, context)
    except (Exception, SystemExit, asyncio.CancelledError) as error:
        return error


async def _judged(judge: Judge, body: bytes) -> Verdict:
    if len(body) <= BIG_BODY_BYTES:
        return judge(body)
    return await asyncio.to_thread(judge, body)
