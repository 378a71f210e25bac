"""Reads the server's protocol lines.

In the place of the library's parser, for two reasons. It takes any white space in a subject for a
separator, which the server does not: one message on a subject with a vertical tab would make every
Python member reconnect for ever. And it makes several coroutines for each message, which costs more
than the rest of a delivery: here a message goes straight to the callback of its subscription.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from nats.errors import ProtocolError

from .msg import Msg

if TYPE_CHECKING:
    from .connection import Connection

_END = b"\r\n"


class Parser:
    """Gives each complete message and line to the client."""

    def __init__(self, client: Connection) -> None:
        self._client = client
        self._parts: list[bytes] = []
        self._missing = 0
        self._resets = 0

    def reset(self) -> None:
        """Forgets what is incomplete: it came over a connection that is gone."""
        self._parts.clear()
        self._missing = 0
        self._resets += 1

    async def parse(self, data: bytes = b"") -> None:
        """Takes what was read from the socket."""
        self._parts.append(data)
        self._missing -= len(data)
        if self._missing > 0:
            return
        data = b"".join(self._parts)
        self._parts.clear()
        self._missing = 0
        client, resets = self._client, self._resets
        listeners, others = client.listeners, client.process_message
        at = 0
        while at < len(data):
            line_end = data.find(_END, at)
            if line_end < 0:
                return self._keep(data, at, 1)
            has_head = data.startswith(b"HMSG ", at)
            if not has_head and not data.startswith(b"MSG ", at):
                await self._line(data[at:line_end])
                if self._resets != resets:
                    return None
                at = line_end + 2
                continue
            fields = data[at:line_end].split(b" ")
            try:
                sid, size = int(fields[2]), int(fields[-1])
                head_size = int(fields[-2]) if has_head else 0
                reply = fields[3].decode("utf-8", "replace") if len(fields) > 4 + has_head else ""
                subject = fields[1].decode("utf-8", "replace")
            except (ValueError, IndexError):
                raise ProtocolError("nats: malformed MSG") from None
            begin = line_end + 2
            body = begin + head_size
            end = begin + size
            if end + 2 > len(data):
                return self._keep(data, at, end + 2 - len(data))
            msg = Msg(subject, reply, data[body:end], data[begin:body])
            listener = listeners.get(sid)
            if listener is not None:
                try:
                    listener.callback(msg)
                except Exception as error:
                    client.callback_failed(error)
            else:
                await others(sid, msg)
                if self._resets != resets:
                    return None
            at = end + 2
        return None

    def _keep(self, data: bytes, at: int, missing: int) -> None:
        self._parts.append(data[at:])
        self._missing = missing

    async def _line(self, line: bytes) -> None:
        op, _, args = line.strip(b" \t").partition(b" ")
        match op.upper():
            case b"PING":
                await self._client._process_ping()
            case b"PONG":
                await self._client._process_pong()
            case b"INFO":
                await self._client._process_info(json.loads(args))
            case b"-ERR":
                await self._client._process_err(args.strip().decode("utf-8", "replace"))
            case b"+OK" | b"":
                return
            case _:
                raise ProtocolError("nats: unknown protocol")
