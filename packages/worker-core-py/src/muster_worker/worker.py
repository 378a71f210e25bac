"""A worker: one member of a group, from joining to leaving."""

from __future__ import annotations

import asyncio
import os
import socket
import uuid
from contextlib import suppress
from types import TracebackType
from typing import Any

from nats.aio.msg import Msg

from .clock import rfc3339
from .config import CORE_VERSION, LANGUAGE, Config
from .connection import Connection, connect
from .contracts import Contracts
from .deadletter import DeadLetters
from .delivery import Deliveries, Parts
from .errors import IdTaken, Unreachable
from .hold import Hold
from .ledger import Ledger
from .log import Log, create_log
from .member import Member
from .message import Handler, message_of
from .pull import Puller, PullLimits
from .records import Records
from .settle import OnStep, Settle
from .slots import Slots
from .spec import SpecPoll
from .stats import OUTCOMES, Stats
from .subjects import member_subject
from .wire import Wire

EXIT_CLEAN, EXIT_FORCED, EXIT_ID_TAKEN = 0, 1, 3

WIND_UP_S = 2.0
"""The most that ending takes after the grace."""

RETRY_S = 1.0
"""Between two tries at what must answer before the member can go on."""


def _no_step(_: str) -> None:
    """The default step hook."""


class Worker:
    """Serves one group with one handler.

    `async with Worker(…) as worker` joins and drains; `serve` is the same as one call, giving the
    exit code of the process.
    """

    def __init__(
        self,
        handler: Handler,
        config: Config,
        *,
        version: str = "0.0.0",
        on_step: OnStep = _no_step,
        log: Log | None = None,
    ) -> None:
        self.config = config
        self.version = version
        self.state = "starting"
        self.joined = asyncio.Event()
        """Set when the member is announced and has asked for its spec."""
        self.log = log or create_log(
            config.log_level,
            {
                "stream": config.stream,
                "group": config.group,
                "member": config.member,
                "language": LANGUAGE,
            },
        )
        self._handler = handler
        self._on_step = on_step
        self._stop = asyncio.Event()
        self._force = asyncio.Event()
        self._degraded = asyncio.Event()
        self._ended = asyncio.Event()
        self._beat_now = asyncio.Event()
        self._exit_code = EXIT_CLEAN
        self._instance = str(uuid.uuid4())
        self._started_at = rfc3339()
        self._stats = Stats()
        self._slots = Slots(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self._serving: asyncio.Task[int] | None = None

    async def __aenter__(self) -> Worker:
        self._serving = asyncio.create_task(self.serve())
        joined = asyncio.create_task(self.joined.wait())
        await asyncio.wait({joined, self._serving}, return_when=asyncio.FIRST_COMPLETED)
        joined.cancel()
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.drain()
        if self._serving is not None:
            await self._serving

    def drain(self) -> None:
        """Asks for a clean end: start nothing more, finish what runs, leave."""
        self._stop.set()

    def abort(self) -> None:
        """Asks for the end at once; handlers are told by their signals."""
        self._exit_code = EXIT_FORCED
        self._stop.set()
        self._force.set()

    async def serve(self) -> int:
        """The member's whole life; the exit code of its process."""
        connecting = asyncio.create_task(
            connect(
                self.config,
                self.log,
                on_disconnect=self._disconnected,
                on_reconnect=self._reconnected,
            )
        )
        await self._unless_stopped(connecting)
        if not connecting.done():
            connecting.cancel()
            await asyncio.wait({connecting})
            return self._exit_code
        connection = connecting.result()
        try:
            await self._serve(connection)
        finally:
            await connection.close()
        return self._exit_code

    async def _serve(self, connection: Connection) -> None:
        self._build(connection)
        joining = asyncio.create_task(self._join())
        await self._unless_stopped(joining)
        joining.cancel()
        await asyncio.wait({joining})
        if not self._stop.is_set():
            await self._puller.start()
            loops = [
                asyncio.create_task(loop)
                for loop in (self._hold.run(), self._puller.run(), self._beat(), self._recover())
            ]
            stopped = asyncio.create_task(self._stop.wait())
            await asyncio.wait({stopped, *loops}, return_when=asyncio.FIRST_COMPLETED)
            self._stop.set()
            for loop in loops:
                if loop.done() and not loop.cancelled() and (failure := loop.exception()):
                    self.log.error("member failed", error=repr(failure))
                    self._exit_code = EXIT_FORCED
            await self._drain()
            await self._end(loops, stopped)
        await self._member.leave()
        with suppress(Unreachable):
            await self._wire.round_trip()
        self.log.info("left", state="left")

    def _build(self, connection: Connection) -> None:
        c, log, stats = self.config, self.log, self._stats
        wire = self._wire = Wire(connection, c.api_prefix)
        self._ledger = Ledger(wire, c.stream, c.group)
        self._spec = SpecPoll(wire, log, c.stream, c.group)
        self._contracts = Contracts(wire, log)
        self._hold = Hold(wire, log, 30000)
        self._member = Member(wire, log, c, self._instance, self._record)
        records = Records(wire, c.stream, c.group)
        settle = Settle(
            wire=wire,
            ledger=self._ledger,
            records=records,
            dead_letters=DeadLetters(wire, c, self.version),
            hold=self._hold,
            stats=stats,
            config=c,
            log=log,
            on_step=self._on_step,
        )
        parts = Parts(
            wire=wire,
            ledger=self._ledger,
            records=records,
            contracts=self._contracts,
            hold=self._hold,
            slots=self._slots,
            stats=stats,
            settle=settle,
            config=c,
            version=self.version,
            handler=self._handler,
            log=log,
            spec=lambda: self._spec.last,
            draining=self._stop.is_set,
            degrade=self._degrade,
            on_step=self._on_step,
        )
        self._deliveries = Deliveries(parts)
        self._puller = Puller(
            wire,
            log,
            subject=f"{c.api_prefix}.CONSUMER.MSG.NEXT.{c.stream}.{c.group}",
            limits=self._limits,
            on_message=self._receive,
        )

    async def _join(self) -> None:
        c = self.config
        await self._wire.connection.subscribe(
            member_subject(c.stream, c.group, c.member, "drain"), cb=self._on_drain_command
        )
        while True:
            try:
                await self._poll_spec()
                await self._member.join()
                break
            except Unreachable as error:
                self.log.debug("not joined yet", error=str(error))
                await asyncio.sleep(RETRY_S)
            except IdTaken as error:
                self._id_taken(error)
                return
        self.log.info("joined", state=self._state())
        if self._spec.current is None:
            self.log.warning("spec missing")
        self.joined.set()

    async def _poll_spec(self) -> None:
        changed = await self._spec.poll()
        spec = self._spec.current
        if spec is not None:
            await self._contracts.load(spec.contracts)
        if changed and spec is not None:
            self._slots.set_limit(spec.concurrency)
            self._hold.set_ack_wait(spec.ack_wait_ms)
        if changed:
            self._puller.wake()

    async def _beat(self) -> None:
        # Goes on while draining: a record that expires looks like a crash.
        while not self._ended.is_set():
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._beat_now.wait(), self.config.heartbeat_ms / 1000)
            self._beat_now.clear()
            if self._ended.is_set():
                return
            for step in (self._poll_spec, self._member.beat):
                try:
                    await step()
                except Unreachable as error:
                    self.log.debug("beat missed", error=str(error))
                except IdTaken as error:
                    self._id_taken(error)
                    return

    async def _recover(self) -> None:
        while not self._stop.is_set():
            await self._degraded.wait()
            await asyncio.sleep(RETRY_S)
            try:
                await self._ledger.probe()
            except Unreachable:
                continue
            self._degraded.clear()
            self.log.info("recovered", state=self._state())
            self._puller.wake()

    async def _drain(self) -> None:
        self.state = "draining"
        self.log.info("draining", state="draining")
        self._slots.close()
        self._beat_now.set()
        await self._puller.stop()
        waiting = [message for message in self._hold if message.waiting]
        for message in waiting:
            await self._deliveries.hand_back(message)
        if self._tasks:
            ended = asyncio.create_task(_all(self._tasks))
            forced = asyncio.create_task(self._force.wait())
            await asyncio.wait(
                {ended, forced},
                timeout=self.config.grace_ms / 1000,
                return_when=asyncio.FIRST_COMPLETED,
            )
            forced.cancel()
            ended.cancel()
        if self._tasks:
            self._exit_code = self._exit_code or EXIT_FORCED
            self.log.error("handlers still running", state="draining")
            for message in self._hold:
                message.signal.abort()

    async def _end(self, loops: list[asyncio.Task[None]], stopped: asyncio.Task[Any]) -> None:
        self._hold.stop()
        self._ended.set()
        self._beat_now.set()
        hold, puller, beat, recover = loops
        for task in (hold, recover, stopped, *self._tasks):
            task.cancel()
        # Not cancelled: the client swallows a cancellation now and then, and a beat cut off leaves
        # a revision unknown.
        await asyncio.wait({*loops, stopped, *self._tasks}, timeout=WIND_UP_S)
        for task in (puller, beat):
            task.cancel()

    async def _unless_stopped(self, task: asyncio.Task[Any]) -> None:
        stopped = asyncio.create_task(self._stop.wait())
        await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if task.done():
            task.result()

    def _receive(self, msg: Msg) -> None:
        message = message_of(msg, self.config.group, self._hold.received_at())
        if message is None:
            self.log.error("reply is no ack reply", error=msg.reply)
            return
        self._hold.add(message)
        task = asyncio.create_task(self._deliveries.run(message))
        self._tasks.add(task)
        task.add_done_callback(self._delivered)

    def _delivered(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._puller.wake()

    def _limits(self) -> PullLimits:
        spec = self._spec.current
        may_pull = not (
            spec is None or spec.paused or self._degraded.is_set() or self._stop.is_set()
        )
        may_pull = may_pull and self._wire.is_connected
        return PullLimits(
            concurrency=spec.concurrency if spec and may_pull else 0, held=len(self._hold)
        )

    def _degrade(self, error: str) -> None:
        if not self._degraded.is_set():
            self.log.warning("degraded", error=error)
        self._degraded.set()

    def _id_taken(self, error: IdTaken) -> None:
        self.log.error("id taken", code=error.code, error=str(error))
        self._exit_code = EXIT_ID_TAKEN
        self._stop.set()

    async def _disconnected(self) -> None:
        return

    async def _reconnected(self) -> None:
        if hasattr(self, "_puller"):
            self._puller.forget()

    async def _on_drain_command(self, msg: Msg) -> None:
        with suppress(Unreachable):
            if msg.reply:
                await self._wire.publish(msg.reply, b'{"ok":true}')
        self.drain()

    def _state(self) -> str:
        if self._stop.is_set():
            return "draining"
        spec = self._spec.current
        if spec is None:
            return "starting"
        return "paused" if spec.paused else "running"

    def _record(self) -> dict[str, Any]:
        spec, current, stats = self._spec.last, self._spec.current, self._stats
        oldest = self._hold.oldest()
        record = {
            "v": 1,
            "id": self.config.member,
            "instance": self._instance,
            "language": LANGUAGE,
            "core_version": CORE_VERSION,
            "app_version": self.version,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "started_at": self._started_at,
            "state": self._state(),
            "delivery": "pull",
            "concurrency": spec.concurrency if spec else 0,
            "degraded": self._degraded.is_set(),
            "in_flight": stats.in_flight,
            "held": len(self._hold),
            "counts": {name: stats.counts[name] for name in OUTCOMES},
            "spec_revision": current.revision if current else 0,
            "contracts": self._contracts.names,
            "restart_needed": self._spec.restart_needed,
        }
        since = {"sequence": oldest.ack.seq, "since": rfc3339(oldest.since)} if oldest else None
        optional = {
            "p50_ms": stats.percentile_ms(0.5),
            "p99_ms": stats.percentile_ms(0.99),
            "last_error": stats.last_error,
            "oldest": since,
        }
        return record | {name: value for name, value in optional.items() if value is not None}


async def _all(tasks: set[asyncio.Task[None]]) -> None:
    while tasks:
        await asyncio.wait(set(tasks))
