"""Dead letters: what they say, and their way into the dead-letter stream."""

from __future__ import annotations

from typing import NamedTuple

from .clock import iso_time
from .config import LANGUAGE, Config
from .connection import Connection
from .errors import Unreachable
from .headers import Headers
from .message import Message
from .metrics import Reason
from .protocol.attempts import Record
from .protocol.headers import DeadLetterFacts, dead_letter_headers
from .protocol.subjects import dlq_subject
from .pub_ack import read_pub_ack
from .wire import Wire

# Room left beside the body for the subject, the protocol line and the ledger row's own fields.
_RESERVED_BYTES = 1024


class Failure(NamedTuple):
    """Why a message is set aside."""

    reason: Reason
    error_class: str
    error: str


class DeadLetters:
    """Builds and publishes dead letters: the original bytes, with the history in headers."""

    def __init__(self, wire: Wire, connection: Connection, config: Config) -> None:
        self._wire = wire
        self._connection = connection
        self._config = config

    def headers(
        self, message: Message, failure: Failure, contract: str, record: Record | None
    ) -> Headers:
        """The whole header set; the ledger row keeps it, so that another member can publish it."""
        at = iso_time()
        history = record["history"] if record else []
        facts = DeadLetterFacts(
            stream=self._config.stream,
            seq=message.sequence,
            store_time=message.store_time,
            subject=message.subject,
            group=self._config.group,
            reason=failure.reason,
            error_class=failure.error_class,
            error=failure.error,
            attempts=record["attempts"] if record else 0,
            first_at=history[0].get("started_at", at) if history else at,
            last_at=at,
            member=self._config.member,
            language=LANGUAGE,
            version=self._config.version,
            contract=contract,
            event_id=message.event_id,
            replay_number=message.replay_number,
            history=history,
        )
        limit = self._connection.max_payload - len(message.body) - _RESERVED_BYTES
        return dead_letter_headers(message.headers, facts, limit)

    async def publish(self, reason: str, headers: Headers, body: bytes) -> None:
        """Returns when the dead-letter stream has it; a second copy is dropped there by its id.

        Raises Unreachable.
        """
        subject = dlq_subject(self._config.stream, self._config.group, reason)
        ack = read_pub_ack(await self._wire.request(subject, body, headers))
        if not ack.is_ok:
            raise Unreachable(f"dead letter to {subject}: {ack.error} ({ack.error_code})")
