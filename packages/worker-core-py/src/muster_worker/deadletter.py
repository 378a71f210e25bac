"""Dead letters: what they say, and their way into the dead-letter stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from .clock import rfc3339
from .config import LANGUAGE, Config
from .errors import Conflict, Unreachable
from .headers import DeadLetterFacts, Headers, dead_letter_headers
from .kv import pub_ack
from .message import Message
from .subjects import dlq_subject
from .wire import Wire

Reason = Literal["invalid", "unknown_contract", "permanent", "exhausted", "crash_loop", "conflict"]

SPARE_BYTES = 1024
"""Room left between a dead letter and the server's limit."""


@dataclass(frozen=True, kw_only=True)
class Death:
    """Why a message is set aside, and what happened before."""

    reason: Reason
    error_class: str
    error: str
    attempts: int = 0
    history: tuple[dict[str, Any], ...] = ()


class DeadLetters:
    """The dead letters this member makes."""

    def __init__(self, wire: Wire, config: Config, version: str) -> None:
        self._wire = wire
        self._config = config
        self._version = version

    def headers(self, message: Message, death: Death, contract: str) -> Headers:
        """The whole header set, which the row `dead` keeps as well."""
        now = rfc3339()
        started = next((e["started_at"] for e in death.history if e.get("started_at")), now)
        facts = DeadLetterFacts(
            stream=self._config.stream,
            seq=message.ack.seq,
            store_time=message.ack.store_time,
            subject=message.subject,
            group=self._config.group,
            reason=death.reason,
            error_class=death.error_class,
            error=death.error,
            attempts=death.attempts,
            first_at=started,
            last_at=now,
            member=self._config.member,
            language=LANGUAGE,
            version=self._version,
            contract=contract,
            event_id=message.event_id,
            replay_number=message.replay_number,
            history=list(death.history),
        )
        limit = self._wire.max_payload - len(message.body) - SPARE_BYTES
        return dead_letter_headers(message.headers, facts, limit)

    async def publish(self, message: Message, headers: Headers) -> None:
        """Publishes and waits for the PubAck; the id makes a second time harmless."""
        reason = headers.get("Muster-Dlq-Reason", "permanent")
        subject = dlq_subject(self._config.stream, self._config.group, reason)
        answer = await self._wire.request(subject, message.body, headers)
        try:
            pub_ack(answer.data, subject)
        except Conflict as error:
            raise Unreachable(str(error)) from error
