"""All that needs a connection and no spec yet."""

from __future__ import annotations

from dataclasses import dataclass

from .answers import Answers
from .attempts import AttemptsStore
from .config import Config
from .connection import Connection
from .contracts import Contracts
from .dead_letter import DeadLetters
from .errors import text_of
from .hold import Hold
from .kv import Kv
from .log import Log
from .member import Membership
from .spec import SpecPoll
from .tasks import Tasks
from .turn import Turn
from .wire import Wire

# Only until the first spec: a member without one holds nothing.
_NO_SPEC_ACK_WAIT_MS = 30_000


@dataclass(frozen=True, kw_only=True)
class Base:
    """What the rest of a worker is built on."""

    connection: Connection
    config: Config
    log: Log
    tasks: Tasks
    turn: Turn
    wire: Wire
    kv: Kv
    spec: SpecPoll
    contracts: Contracts
    membership: Membership
    answers: Answers
    hold: Hold
    attempts: AttemptsStore
    dead_letters: DeadLetters

    async def close(self) -> None:
        """Ends what has timers or subscriptions; the connection goes last."""
        self.answers.flush()
        await self.connection.round_trip(2.0)
        await self.tasks.close()
        self.answers.close()
        self.hold.close()
        self.wire.close()
        await self.connection.close()


def open_base(
    connection: Connection, *, config: Config, log: Log, instance: str, confirm_acks: bool
) -> Base:
    """Builds it; nothing is sent yet."""

    def on_failure(error: BaseException) -> None:
        log.error("delivery failed", code="internal", error=repr(error) or text_of(error))

    tasks = Tasks(on_failure)
    turn = Turn()
    wire = Wire(connection)
    kv = Kv(wire, config.api_prefix)
    spec = SpecPoll(kv, config, log)
    answers = Answers(connection, turn, confirm_acks=confirm_acks)

    def ack_wait_ms() -> int:
        return spec.last.ack_wait_ms if spec.last else _NO_SPEC_ACK_WAIT_MS

    return Base(
        connection=connection,
        config=config,
        log=log,
        tasks=tasks,
        turn=turn,
        wire=wire,
        kv=kv,
        spec=spec,
        contracts=Contracts(kv, log),
        membership=Membership(kv, config, instance, log),
        answers=answers,
        hold=Hold(
            connection=connection, answers=answers, ack_wait_ms=ack_wait_ms, tasks=tasks, log=log
        ),
        attempts=AttemptsStore(kv, config),
        dead_letters=DeadLetters(wire, connection, config),
    )
