"""Reads the server's protocol lines.

The library's parser takes any white space in a subject for a separator; the server does not. One
message on a subject with a vertical tab would make every Python member reconnect for ever.
"""

from __future__ import annotations

import json
import re

from nats.errors import ProtocolError
from nats.protocol.parser import AWAITING_CONTROL_LINE, AWAITING_MSG_PAYLOAD, Parser

_SEPARATOR = re.compile(rb"[ \t]+")
_END = b"\r\n"


class LineParser(Parser):
    """Takes the place of the library's parser, with its state."""

    async def parse(self, data: bytes = b"") -> None:
        """Gives each complete message and line in the buffer to the client."""
        self.buf.extend(data)
        while self.buf:
            if self.state == AWAITING_MSG_PAYLOAD:
                if len(self.buf) < self.needed + len(_END):
                    return
                await self._payload()
            else:
                end = self.buf.find(_END)
                if end < 0:
                    return
                line = bytes(self.buf[:end])
                del self.buf[: end + len(_END)]
                await self._line(line)

    async def _payload(self) -> None:
        headers = bytes(self.buf[: self.header_needed])
        body = bytes(self.buf[self.header_needed : self.needed])
        del self.buf[: self.needed + len(_END)]
        self.state = AWAITING_CONTROL_LINE
        arg = self.msg_arg
        await self.nc._process_msg(arg["sid"], arg["subject"], arg["reply"], body, headers)

    async def _line(self, line: bytes) -> None:
        op, *rest = _SEPARATOR.split(line.strip(b" \t"), maxsplit=1)
        args = rest[0] if rest else b""
        match op.upper():
            case b"MSG":
                self._message(args, sizes=1)
            case b"HMSG":
                self._message(args, sizes=2)
            case b"PING":
                await self.nc._process_ping()
            case b"PONG":
                await self.nc._process_pong()
            case b"INFO":
                await self.nc._process_info(json.loads(args))
            case b"-ERR":
                await self.nc._process_err(args.decode("utf-8", "replace").lower())
            case b"+OK":
                return
            case _:
                raise ProtocolError("nats: unknown protocol")

    def _message(self, args: bytes, *, sizes: int) -> None:
        fields = _SEPARATOR.split(args)
        if len(fields) not in (2 + sizes, 3 + sizes):
            raise ProtocolError("nats: malformed MSG")
        try:
            self.msg_arg = {
                "subject": fields[0],
                "sid": int(fields[1]),
                "reply": fields[2] if len(fields) == 3 + sizes else b"",
            }
            self.needed = int(fields[-1])
            self.header_needed = int(fields[-2]) if sizes == 2 else 0
        except ValueError:
            raise ProtocolError("nats: malformed MSG") from None
        self.state = AWAITING_MSG_PAYLOAD
