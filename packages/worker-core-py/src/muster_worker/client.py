"""The NATS client that no message and no error of the server stops.

nats-py 2.16 is subclassed where one message or one late answer would end a member silently, and
where a coroutine for each message would cost more than the message; each override says why.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg as ClientMsg

from .headers import encode_headers, read_headers
from .needs import forbidden_subject

RECONNECT_WAIT_S = 0.5
"""Seconds between two tries at the same server."""


class NatsClient(Client):
    """nats-py's client, mended."""

    def __init__(self, *, needs_tls: bool) -> None:
        super().__init__()
        self._needs_tls = needs_tls
        self._is_flushing = False
        self._forbidden: list[Callable[[str], None]] = []

    def on_forbidden(self, callback: Callable[[str], None]) -> None:
        """Calls back with the server's words when it refused a publish or a subscription."""
        self._forbidden.append(callback)

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
