"""Step 5 of a delivery: first what is durable, then the message, then cleaning up."""

from __future__ import annotations

import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from .attempts import Entry, Record, empty_record, failed, snoozed
from .backoff import backoff_delay_ms
from .clock import rfc3339
from .config import LANGUAGE, Config
from .deadletter import DeadLetters, Death, Reason
from .errors import Conflict, InvalidResult, Unreachable
from .headers import Headers
from .hold import Hold
from .ledger import Found, Ledger
from .log import Log
from .message import Message
from .records import Kept, Records
from .row import Row
from .spec import Spec
from .stats import Stats
from .texts import header_text
from .wire import Wire

MAX_RESULT_BYTES = 8192
"""A handler's result as compact UTF-8 JSON."""

RECORD_TRIES = 3

CONFLICT_ERROR = "event id was already settled with another body"

OnStep = Callable[[str], None]
"""Called with the name of each step a delivery passes; tests kill the process there."""


@dataclass(kw_only=True)
class Plan:
    """A message on its way through its delivery."""

    message: Message
    found: Found
    kept: Kept
    contract: str
    attempt: int
    spec: Spec
    suspect: bool = False
    value: Any = None
    kept_is_known: bool = False
    """Whether `kept` was read from the bucket."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """What a handler raised."""

    error_class: str
    error: str
    delay_ms: int | None = None


class Settle:
    """Brings deliveries to their end."""

    def __init__(
        self,
        *,
        wire: Wire,
        ledger: Ledger,
        records: Records,
        dead_letters: DeadLetters,
        hold: Hold,
        stats: Stats,
        config: Config,
        log: Log,
        on_step: OnStep,
    ) -> None:
        self._wire = wire
        self._ledger = ledger
        self._records = records
        self._dead_letters = dead_letters
        self._hold = hold
        self._stats = stats
        self._config = config
        self._log = log
        self._on_step = on_step

    async def done(self, plan: Plan, result: bytes, *, late: bool = False) -> None:
        """Row, ack, record. The row is tried even when the message is no longer ours."""
        row = self._row(plan.message, "done", result=json.loads(result))
        other = await self._write(plan, row)
        if other is None:
            self._on_step("row_done")
            await self._ack(plan, "done")
        elif late and other.decision != "repeat":
            # Settled otherwise since the deadline: that stands.
            self._note(plan, "debug", "late result dropped", code=other.decision)
        else:
            await self.by_row(plan, other)

    async def dead(self, plan: Plan, death: Death) -> None:
        """Row, dead letter, PubAck, term, record."""
        if not self._hold.is_ours(plan.message):
            return
        headers = self._dead_letters.headers(plan.message, death, plan.contract)
        row = self._row(plan.message, "dead", reason=death.reason, headers=headers)
        other = await self._write(plan, row)
        if other is not None:
            await self.by_row(plan, other)
            return
        self._on_step("row_dead")
        await self._bury(plan, headers)

    async def by_row(self, plan: Plan, found: Found) -> None:
        """Settles a message by what the ledger already says of its event."""
        if found.decision == "stale" and not self._hold.is_ours(plan.message):
            return
        plan.found = found = await self._ledger.join(plan.message, found)
        if found.decision == "repeat":
            await self._ack(plan, "repeat")
        elif found.decision == "finish" and found.row is not None:
            await self._bury(plan, found.row.get("headers") or {})
        elif found.decision == "stale":
            await self._term(plan, "stale")
            self._stats.settled("stale", plan.message)
            self._note(plan, "debug", "settled", outcome="stale")
        elif found.decision == "conflict":
            failure = Failure(error_class="Conflict", error=CONFLICT_ERROR)
            death = death_of("conflict", failure, (await self._known(plan)).record)
            await self._bury(plan, self._dead_letters.headers(plan.message, death, plan.contract))
        else:
            raise Unreachable(f"ledger row of {plan.message.event_id} changed meanwhile")

    async def permanent(self, plan: Plan, entry: Entry, failure: Failure) -> None:
        """Dead at once; the attempt is told in the history though no record is written."""
        kept = await self._known(plan)
        record = self._failed(plan, kept, entry, failure)
        await self.dead(plan, death_of("permanent", failure, record))

    async def retry(self, plan: Plan, entry: Entry, failure: Failure) -> None:
        """Record, nak with delay; or dead when the attempts are used up."""
        retry = plan.spec.retry

        async def write() -> int | None:
            kept = await self._known(plan)
            record = self._failed(plan, kept, entry, failure)
            attempts = record["attempts"]
            if attempts >= retry.max_attempts:
                await self.dead(plan, death_of("exhausted", failure, record))
                return None
            delay = failure.delay_ms
            if delay is None:
                delay = backoff_delay_ms(retry.backoff_ms, retry.jitter, attempts, random.random())
            record["history"][-1]["delay_ms"] = delay
            plan.kept = await self._records.write(plan.message, record, kept)
            return delay

        await self._recorded(plan, write, "retry", error=failure.error)

    async def snooze(self, plan: Plan, entry: Entry, delay_ms: int) -> None:
        """Record, nak with the delay asked for; no attempt is counted."""
        delay = min(delay_ms, plan.spec.retry.max_snooze_ms)

        async def write() -> int:
            kept = await self._known(plan)
            base = kept.record or self.empty(plan.message)
            record = snoozed(base, {**entry, "delay_ms": delay}, plan.message.ack.delivered)
            plan.kept = await self._records.write(plan.message, record, kept)
            return delay

        await self._recorded(plan, write, "snoozed")

    async def _recorded(
        self, plan: Plan, write: Callable[[], Awaitable[int | None]], outcome: str, **fields: Any
    ) -> None:
        """Writes the record, again where it has changed since it was read, then naks."""
        for _ in range(RECORD_TRIES):
            if not self._hold.is_ours(plan.message):
                return
            try:
                delay = await write()
            except Conflict:
                plan.kept, plan.kept_is_known = Kept(), False
                continue
            if delay is not None:
                self._on_step("attempt_recorded")
                await self._nak(plan, delay, outcome, **fields)
            return
        raise Unreachable(f"attempts record of {plan.message.event_id} keeps changing")

    async def _known(self, plan: Plan) -> Kept:
        # Also of a first delivery: a consumer made again counts from 1.
        if not plan.kept_is_known:
            plan.kept = await self._records.get(plan.message)
            plan.kept_is_known = True
        return plan.kept

    def _failed(self, plan: Plan, kept: Kept, entry: Entry, failure: Failure) -> Record:
        base = kept.record or self.empty(plan.message)
        entry = {**entry, "error_class": failure.error_class, "error": failure.error}
        return failed(base, entry, plan.message.ack.delivered)

    async def _write(self, plan: Plan, row: Row) -> Found | None:
        """Writes the row; once more when what is there now may be overwritten too."""
        other = await self._ledger.write(plan.message, row, plan.found)
        if other is not None and other.decision == "run":
            plan.found = other
            other = await self._ledger.write(plan.message, row, other)
        return other

    async def _bury(self, plan: Plan, headers: Headers) -> None:
        await self._dead_letters.publish(plan.message, headers)
        self._on_step("dead_lettered")
        reason = headers.get("Muster-Dlq-Reason", "permanent")
        error = headers.get("Muster-Dlq-Error", "")
        self._note(plan, "warn", "dead letter", outcome="dead", reason=reason, error=error)
        self._stats.settled("dead", plan.message)
        self._stats.last_error = error
        await self._term(plan, reason)

    async def _ack(self, plan: Plan, outcome: str) -> None:
        await self._wire.ack(plan.message.reply)
        self._stats.settled(outcome, plan.message)
        self._note(plan, "debug", "settled", outcome=outcome)
        await self._records.delete(plan.message, plan.kept)

    async def _term(self, plan: Plan, reason: str) -> None:
        if self._hold.is_ours(plan.message):
            await self._wire.term(plan.message.reply, reason)
        await self._records.delete(plan.message, plan.kept)

    async def _nak(self, plan: Plan, delay_ms: int, outcome: str, **fields: Any) -> None:
        if self._hold.is_ours(plan.message):
            await self._wire.nak(plan.message.reply, delay_ms)
        self._stats.settled(outcome, plan.message)
        if "error" in fields:
            self._stats.last_error = fields["error"]
        self._note(plan, "debug", "settled", outcome=outcome, delay_ms=delay_ms, **fields)

    def _row(self, message: Message, status: str, **fields: Any) -> Row:
        return {
            "v": 1,
            "status": status,
            "event_id": message.event_id,
            "body_sha256": message.body_sha256,
            "sequence": message.ack.seq,
            "store_time": message.ack.store_time,
            "sequences": [],
            "more": 0,
            **fields,
            "member": self._config.member,
            "language": LANGUAGE,
            "at": rfc3339(),
        }

    def empty(self, message: Message) -> Record:
        """A first attempts record of the message."""
        return empty_record(
            sequence=message.ack.seq,
            store_time=message.ack.store_time,
            event_id=message.event_id,
        )

    def _note(self, plan: Plan, level: str, text: str, **fields: Any) -> None:
        write = self._log.warning if level == "warn" else self._log.debug
        ack = plan.message.ack
        write(
            text,
            seq=ack.seq,
            event_id=plan.message.event_id,
            delivery=ack.delivered,
            attempt=plan.attempt,
            **fields,
        )


def death_of(reason: Reason, failure: Failure, record: Record | None) -> Death:
    """A death with the history of the message's record, if there is one."""
    return Death(
        reason=reason,
        error_class=failure.error_class,
        error=failure.error,
        attempts=record["attempts"] if record else 0,
        history=tuple(record["history"]) if record else (),
    )


def encode_result(result: Any) -> bytes:
    """The result as compact UTF-8 JSON; InvalidResult when it is not JSON or too large."""
    try:
        text = json.dumps(result, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        data = text.encode("utf-8")
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidResult("result is not JSON") from error
    if len(data) > MAX_RESULT_BYTES:
        raise InvalidResult(f"result of {len(data)} bytes is over {MAX_RESULT_BYTES}")
    return data


def error_text(error: BaseException) -> str:
    """An error's text as it goes into records and headers."""
    return header_text(str(error)) or type(error).__name__
