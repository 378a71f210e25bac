"""What runs by the group's delivery mode."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .base import Base
from .batch import outcomes_of
from .batch_settle import BatchSettlement
from .batch_slots import BatchSlotParts, BatchSlots
from .context import Context, ContextParts
from .dead import Dead
from .delivery import Steps
from .ends import Ends, SettleParts
from .errors import Unreachable
from .handle import AsyncHandler, Handlers
from .headers import read_headers
from .intake import Intake
from .ledger.ledger import Ledger
from .message import Message, read_message
from .msg import Msg
from .protocol.spec import GroupSpec
from .protocol.spec import Mode as ModeName
from .protocol.subjects import member_subject, push_subject
from .pull import Pull
from .push import Push
from .queue import Queue, QueueParts
from .queue_letters import QueueLetters
from .settle import Settlement
from .slots import SlotParts, Slots
from .source import Source, SourceOptions
from .stats import Stats

AsyncBatchHandler = Callable[[Sequence[Context], Context], Awaitable[Any]]


@dataclass(frozen=True, kw_only=True)
class AnyHandler:
    """A handler for one message, or one for several; one of both is there."""

    handler: AsyncHandler | None = None
    batch_handler: AsyncBatchHandler | None = None


@dataclass(frozen=True, kw_only=True)
class ModeParts:
    """What the delivery mode of the group needs of the worker."""

    base: Base
    ledger: Ledger
    handler: AnyHandler
    stats: Stats
    ends: Ends
    spec: Callable[[], GroupSpec]
    may_pull: Callable[[], bool]
    """False while paused, degraded, draining or without a spec."""
    on_unreachable: Callable[[Unreachable], None]
    on_queue_lost: Callable[[], None]


@dataclass(frozen=True, kw_only=True)
class Mode:
    """What was built; nothing is taken before the source is woken."""

    name: ModeName
    ledger: Ledger
    handlers: Handlers
    intake: Intake
    source: Source
    pull: Pull | None = None
    """None where nothing is pulled."""

    async def close(self) -> None:
        """Ends the handlers that still run, and the ledger."""
        await self.handlers.close()
        await self.ledger.close()


def open_mode(name: ModeName, parts: ModeParts) -> Mode:
    """Builds what the spec's delivery mode needs."""
    base, spec = parts.base, parts.spec
    handlers = Handlers(
        parts=ContextParts(base.connection, base.log),
        timeout_ms=lambda: spec().timeout_ms,
        on_handled=parts.stats.observe,
    )
    if name == "queue":
        queue = _open_queue(parts, handlers)
        return Mode(name=name, ledger=parts.ledger, handlers=handlers, intake=queue, source=queue)
    source: Source | None = None

    def wake() -> None:
        if source is not None:
            source.wake()

    intake = _open_intake(name, parts, handlers, wake)
    stream, group = base.config.stream, base.config.group

    def on_message(msg: Msg) -> None:
        message = read_message(msg, stream, group)
        if message is not None:
            intake.take(message)

    options = SourceOptions(
        turn=base.turn,
        concurrency=lambda: spec().concurrency,
        held=lambda: intake.count,
        has_free_slot=lambda: intake.has_free_slot,
        may_pull=parts.may_pull,
        is_fresh=lambda: base.hold.is_fresh,
        on_send=base.answers.flush,
        on_message=on_message,
    )
    pull: Pull | None = None
    if name == "push":
        subject = push_subject(stream, group)
        source = Push(base.connection, subject, group, options, tasks=base.tasks)
    else:
        subject = f"{base.config.api_prefix}.CONSUMER.MSG.NEXT.{stream}.{group}"
        pull = Pull(base.connection, subject, options, tasks=base.tasks, log=base.log)
        source = pull
        base.hold.on_fresh(pull.wake)
    return Mode(
        name=name, ledger=parts.ledger, handlers=handlers, intake=intake, source=source, pull=pull
    )


def _open_intake(
    name: ModeName, parts: ModeParts, handlers: Handlers, on_free: Callable[[], None]
) -> Intake:
    base, ledger, ends, spec = parts.base, parts.ledger, parts.ends, parts.spec
    settle_parts = SettleParts(
        hold=base.hold,
        ledger=ledger,
        attempts=base.attempts,
        dead_letters=base.dead_letters,
        spec=spec,
        ends=ends,
        random=random.random,
    )
    dead = Dead(settle_parts)
    settlement = Settlement(settle_parts, dead)
    steps = Steps(
        settle_parts,
        dead=dead,
        contracts=base.contracts,
        log=base.log,
        on_unreachable=parts.on_unreachable,
    )

    def on_received(message: Message) -> None:
        ends.step("received", message)

    batch_handler = parts.handler.batch_handler
    if name == "batch" and batch_handler is not None:
        return BatchSlots(
            BatchSlotParts(
                steps=steps,
                settlement=BatchSettlement(
                    settle_parts, steps=steps, dead=dead, settlement=settlement
                ),
                handlers=handlers,
                handler=batch_handler,
                hold=base.hold,
                tasks=base.tasks,
                transaction=ledger.transaction,
                concurrency=lambda: spec().concurrency,
                size=lambda: spec().delivery.size,
                wait_s=lambda: spec().delivery.wait_ms / 1000,
                on_received=on_received,
                on_free=on_free,
            )
        )
    # Nothing is gained by waiting for a full batch where messages are handled one by one.
    return Slots(
        SlotParts(
            steps=steps,
            settlement=settlement,
            handlers=handlers,
            handler=_one_by_one(parts.handler),
            hold=base.hold,
            tasks=base.tasks,
            transaction=ledger.transaction,
            concurrency=lambda: spec().concurrency,
            on_received=on_received,
            on_free=on_free,
        )
    )


def _open_queue(parts: ModeParts, handlers: Handlers) -> Queue:
    base, config = parts.base, parts.base.config
    letters = QueueLetters(
        dead_letters=base.dead_letters,
        most=lambda: parts.spec().max_ack_pending,
        tasks=base.tasks,
        log=base.log,
        on_lost=parts.on_queue_lost,
    )
    queue = Queue(
        QueueParts(
            connection=base.connection,
            group=config.group,
            spec=parts.spec,
            contracts=base.contracts,
            handlers=handlers,
            handler=_one_by_one(parts.handler),
            attempts=base.attempts,
            letters=letters,
            ends=parts.ends,
            tasks=base.tasks,
            may_take=parts.may_pull,
        )
    )

    def on_replay(msg: Msg) -> None:
        subject = read_headers(msg.head).values.get("Muster-Replay-Subject") or msg.subject
        # What is refused is not lost: whoever replays it still has it.
        is_taken = parts.may_pull() and not queue.is_full
        if is_taken:
            queue.take_msg(msg, subject)
        answer = b'{"ok":true}' if is_taken else b'{"ok":false,"error":"takes no messages now"}'
        if msg.reply and base.connection.is_up:
            base.connection.send(msg.reply, answer)

    replays = member_subject("core", config.group, config.member, "replay")
    base.connection.listen(replays, on_replay)
    return queue


def _one_by_one(handler: AnyHandler) -> AsyncHandler:
    """A batch handler gets batches of one where messages are not batched."""
    if handler.handler is not None:
        return handler.handler
    batch_handler = handler.batch_handler
    assert batch_handler is not None

    async def handle(_: Any, context: Context) -> Any:
        returned = await batch_handler((context,), context)
        [outcome] = outcomes_of(returned, 1)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    return handle
