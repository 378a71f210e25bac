"""The connection to NATS: comes up when the server does, and comes back for ever.

nats-py 2.16 is subclassed where one message or one late answer would end a member silently, and
where a coroutine for each message would cost more than the message; each override says why.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg as ClientMsg
from nats.protocol import command

from .config import Config
from .errors import MusterError
from .headers import encode_headers, read_headers
from .log import Log
from .msg import Msg
from .needs import forbidden_subject
from .parser import Parser
from .protocol.server_url import split_server_urls

RECONNECT_WAIT_S = 0.5
"""Seconds between two tries at the same server."""

# A server that does not know us; one that is slow to look says something else.
_REFUSAL = re.compile(r"authorization violation|authentication (expired|revoked)", re.IGNORECASE)

Callback = Callable[[Msg], None]


class Listener:
    """A subscription whose messages go to its callback as they are read, without a queue."""

    # What the client asks of the subscriptions in its own table.
    _max_msgs = 0
    _received = 0
    _wait_for_msgs_task = None
    _message_iterator = None
    _pending_next_msgs_calls = None

    def __init__(
        self, connection: Connection, sid: int, subject: str, queue: str, callback: Callback
    ) -> None:
        self._connection = connection
        self._id = sid
        self._subject = subject
        self._queue = queue
        self.callback = callback

    def unsubscribe(self) -> None:
        """Takes no more messages, also those that were on their way."""
        self._connection.stop_listening(self._id)

    async def drain(self, timeout_s: float = 2.0) -> None:
        """Takes what is on its way, and nothing after that."""
        if self._connection.is_up:
            self._connection.put(f"UNSUB {self._id}\r\n".encode())
            await self._connection.round_trip(timeout_s)
        self._connection.forget(self._id)

    async def _drain(self) -> None:
        await self.drain()


class Connection(Client):
    """A nats-py client that no message and no error of the server stops.

    The client buffers what is published while it dials and sends it when it is back, however old
    it is by then. Whoever publishes therefore asks `is_up` first.
    """

    def __init__(self, log: Log, *, needs_tls: bool = False) -> None:
        super().__init__()
        self._needs_tls = needs_tls
        self._ps: Any = Parser(self)
        self._log = log
        self._is_up = False
        self._is_flushing = False
        self._changed: dict[Callable[[bool], None], None] = {}
        self._forbidden: list[Callable[[str], None]] = []
        self.listeners: dict[int, Listener] = {}
        """By subscription id; the client's own table has them too, to subscribe them again."""

    @property
    def is_up(self) -> bool:
        """Whether the server is there as far as the client knows."""
        return self._is_up and self._status == Client.CONNECTED

    def on_change(self, callback: Callable[[bool], None]) -> Callable[[], None]:
        """Calls back with False when the connection is lost and with True when it is there again.

        The result ends that.
        """
        self._changed[callback] = None

        def stop() -> None:
            self._changed.pop(callback, None)

        return stop

    def on_forbidden(self, callback: Callable[[str], None]) -> None:
        """Calls back with the server's words when it refused a publish or a subscription."""
        self._forbidden.append(callback)

    def listen(self, subject: str, callback: Callback, queue: str = "") -> Listener:
        """Subscribes; `queue`: only one member of the queue group gets a message."""
        self._sid += 1
        listener = Listener(self, self._sid, subject, queue, callback)
        self.listeners[self._sid] = listener
        self._subs[self._sid] = listener  # type: ignore[assignment]
        # While it dials, the client subscribes all of its table when it is back.
        if self.is_connected:
            self.put(command.sub_cmd(subject, queue, self._sid))
        return listener

    def stop_listening(self, sid: int) -> None:
        """Unsubscribes at once."""
        self.forget(sid)
        if self.is_up:
            self.put(f"UNSUB {sid}\r\n".encode())

    def forget(self, sid: int) -> None:
        """Gives nothing more to a listener."""
        self.listeners.pop(sid, None)
        self._subs.pop(sid, None)

    def send(self, subject: str, body: bytes, *, reply: str = "", head: bytes = b"") -> None:
        """Publishes with the end of this turn; `head` is a header block."""
        to = f"{subject} {reply}" if reply else subject
        if head:
            size = len(head) + len(body)
            self.put(f"HPUB {to} {len(head)} {size}\r\n".encode() + head + body + b"\r\n")
        else:
            self.put(f"PUB {to} {len(body)}\r\n".encode() + body + b"\r\n")

    def put(self, data: bytes) -> None:
        """Sends protocol lines with the end of this turn: a write for each would cost more."""
        self._pending.append(data)
        self._pending_data_size += len(data)
        if not self._is_flushing:
            self._is_flushing = True
            asyncio.get_running_loop().call_soon(self._flush_soon)

    async def round_trip(self, timeout_s: float) -> bool:
        """True when the server has read all that was sent before, False when that is not known.

        The library's `flush` writes its PING ahead of what is still pending, so it proves nothing.
        """
        if not self.is_up:
            return False
        pong: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._pongs.append(pong)
        self.put(b"PING\r\n")
        try:
            return bool(await asyncio.wait_for(pong, timeout_s))
        except asyncio.TimeoutError:
            return False

    def callback_failed(self, error: Exception) -> None:
        """A listener raised: a fault of the core's own, which must not end the reading."""
        self._log.error("delivery failed", code="internal", error=repr(error))

    def tell_change(self, is_up: bool) -> None:
        """Tells everybody who listens."""
        if self._is_up == is_up:
            return
        self._is_up = is_up
        for callback in list(self._changed):
            callback(is_up)

    async def process_message(self, sid: int, msg: Msg) -> None:
        """A message of one of the client's own subscriptions."""
        subject, reply = msg.subject.encode(), msg.reply.encode()
        await self._process_msg(sid, subject, reply, msg.data, msg.head)

    def _flush_soon(self) -> None:
        self._is_flushing = False
        if self._flush_queue is not None and self._flush_queue.empty() and self.is_connected:
            self._flush_queue.put_nowait(asyncio.get_running_loop().create_future())

    async def _process_headers(self, headers: bytes | None) -> dict[str, str] | None:
        # The library's reader raises on a short or odd header block, which ends its read loop.
        if not headers:
            return None
        code, description, values = read_headers(headers)
        status = {"Status": str(code), "Description": description} if code else {}
        return {**status, **values} or None

    def _build_message(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: dict[str, str] | None
    ) -> ClientMsg:
        # Likewise a subject that is not UTF-8.
        return ClientMsg(
            subject=subject.decode("utf-8", "replace"),
            reply=reply.decode("utf-8", "replace"),
            data=data,
            headers=headers,
            _client=self,
            _sid=sid,
        )

    async def _send_publish(
        self,
        subject: str,
        reply: str,
        payload: bytes,
        payload_size: int,
        headers: dict[str, Any] | None,
    ) -> None:
        # The library refuses names that NATS allows, such as `a/b`.
        self.stats["out_msgs"] += 1
        self.stats["out_bytes"] += payload_size
        head = encode_headers(headers) if headers else b""
        self.send(subject, payload, reply=reply, head=head)

    async def _send_ping(self, future: asyncio.Future[Any] | None = None) -> None:
        # In the order of what is pending: answers come in the order of the pings.
        self._pongs.append(future or asyncio.get_running_loop().create_future())
        self.put(b"PING\r\n")

    async def _process_pong(self) -> None:
        # The library answers the oldest ping even when its waiter has given up: InvalidStateError.
        if self._pongs:
            waiter = self._pongs.pop(0)
            if not waiter.done():
                waiter.set_result(True)
        self._pongs_received += 1
        self._pings_outstanding = 0

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
        # The library would go on in plain text where the server asks for no TLS.
        if self._needs_tls and initial_connection:
            if not (info.get("tls_required") or info.get("tls_available")):
                raise nats.errors.Error("nats: the server has no TLS, and NATS_CA is set")
            info["tls_required"] = True
        await super()._process_info(info, initial_connection=initial_connection)

    async def _process_err(self, err_msg: str) -> None:
        # The library closes for good on most errors, e.g. an expired login. A member comes back.
        if forbidden_subject(err_msg) is not None:
            for callback in self._forbidden:
                callback(err_msg.strip("'"))
            return
        error = nats.errors.Error(f"nats: {err_msg}")
        await self._error_cb(error)
        await self._process_op_err(error)

    async def _read_loop(self) -> None:
        await super()._read_loop()
        # Ended by anything but a close or a reconnect: without this the client stays deaf.
        if self.is_connected:
            await self._process_op_err(nats.errors.UnexpectedEOF())

    async def _attempt_reconnect(self) -> None:
        # What waits to be sent is from before: a stale nak or term disturbs the next member.
        self._pending.clear()
        self._pending_data_size = 0
        for waiter in self._pongs:
            if not waiter.done():
                waiter.set_result(False)
        while not self.is_closed:
            try:
                await super()._attempt_reconnect()
                return
            except Exception as error:
                await self._error_cb(error)
                await asyncio.sleep(RECONNECT_WAIT_S)


async def open_connection(config: Config, log: Log) -> Connection:
    """Connects, however long the server takes to come up.

    Raises MusterError `login_refused` when no server lets us in: who was never let in will not be
    by asking again.
    """
    said = ""
    while True:
        connection = Connection(log, needs_tls=config.login.ca is not None)
        try:
            await _connect(connection, config, log)
        except MusterError:
            with suppress(Exception):
                await connection.close()
            raise
        except Exception as error:
            if repr(error) != said:
                said = repr(error)
                log.warning("disconnected", code="no_connection", error=said)
            with suppress(Exception):
                await connection.close()
            await asyncio.sleep(RECONNECT_WAIT_S)
            continue
        except asyncio.CancelledError:
            with suppress(Exception):
                await connection.close()
            raise
        connection.tell_change(True)
        return connection


async def _connect(connection: Connection, config: Config, log: Log) -> None:
    said = ""
    failures = 0
    refused: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    servers, login = split_server_urls(config.servers)

    async def on_error(error: Exception) -> None:
        nonlocal said, failures
        text = str(error) or type(error).__name__
        failures += 1
        if _REFUSAL.search(text) and failures >= len(servers) and not refused.done():
            refused.set_exception(MusterError("login_refused", f"{', '.join(servers)}: {text}"))
        elif text != said and not connection.is_up:
            # The same failure twice a second is said once.
            log.warning("disconnected", code="no_connection", error=text)
            said = text

    async def on_disconnect() -> None:
        if not connection.is_closed:
            log.warning("disconnected")
        connection.tell_change(False)

    async def on_reconnect() -> None:
        log.warning("reconnected")
        connection.tell_change(True)

    connecting = connection.connect(
        servers=servers,
        user=login.user,
        password=login.password,
        token=login.token,
        name=f"{config.stream}.{config.group}.{config.member}",
        error_cb=on_error,
        disconnected_cb=on_disconnect,
        reconnected_cb=on_reconnect,
        allow_reconnect=True,
        max_reconnect_attempts=-1,
        reconnect_time_wait=RECONNECT_WAIT_S,  # type: ignore[arg-type]
        connect_timeout=5,
        ping_interval=10,
        flush_timeout=5,
        inbox_prefix=config.inbox_prefix,
        **config.login.options(),
    )
    await _first_of(connecting, refused)


async def _first_of(connecting: Coroutine[Any, Any, None], refused: asyncio.Future[None]) -> None:
    """The library's `connect` goes on asking by itself, whatever a server says."""
    task = asyncio.create_task(connecting)
    try:
        await asyncio.wait({task, refused}, return_when=asyncio.FIRST_COMPLETED)
        (task if task.done() else refused).result()
    finally:
        # Later refusals are no reason to end: the login may be about to be replaced.
        if not refused.cancel():
            refused.exception()
        task.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await task
