"""Serves /livez, /readyz and /metrics.

Anybody who reaches the port may ask: it takes no body, and nobody can hold it by being slow. Not
http.server, which needs a thread for each connection.
"""

from __future__ import annotations

import asyncio
import errno
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from .errors import MusterError
from .log import Log
from .metrics import CONTENT_TYPE

# A request must be there whole by then.
_PATIENCE_S = 3.0
# Beyond so many connections the oldest one goes: a probe always gets in.
_MOST_CONNECTIONS = 100
_MOST_HEADER_LINES = 100
_PATHS = ("/livez", "/readyz", "/metrics")
_REASONS = {
    200: "OK",
    404: "Not Found",
    405: "Method Not Allowed",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


@dataclass(frozen=True, kw_only=True)
class HttpOptions:
    """What the endpoint shows, and where."""

    host: str
    """127.0.0.1 keeps it on this machine."""
    port: int
    """0 takes any free one."""
    live: Callable[[], str | None]
    """Why the process should be replaced: 503 on /livez; None: 200."""
    ready: Callable[[], list[str]]
    """Why the member takes no messages: 503 on /readyz; empty: 200."""
    metrics: Callable[[], bytes]
    """Prometheus' text format, for /metrics."""


class HttpEndpoint:
    """An endpoint that listens."""

    def __init__(self, options: HttpOptions, log: Log) -> None:
        self._o = options
        self._log = log
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.StreamWriter, None] = {}
        self.port = options.port

    async def start(self) -> None:
        """Listens, and logs `listening`.

        Raises MusterError `port_in_use`, or `cannot_listen` for any other reason the port cannot be
        had.
        """
        host, port = self._o.host, self._o.port
        try:
            # A header line longer than the limit ends the connection.
            self._server = await asyncio.start_server(self._serve, host, port, limit=16 * 1024)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                text = f"port {port} of {host} is in use: set MUSTER_HTTP_PORT to another one"
                raise MusterError("port_in_use", f"{text}, or to 0 for any") from error
            text = f"cannot listen on {host} port {port}: {error}"
            raise MusterError("cannot_listen", text) from error
        self.port = self._server.sockets[0].getsockname()[1]
        self._log.info("listening", http_host=host, http_port=self.port)

    async def close(self) -> None:
        """Ends it at once, with the connections that are open."""
        if self._server is not None:
            self._server.close()
            for writer in list(self._open):
                writer.transport.abort()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open[writer] = None
        if len(self._open) > _MOST_CONNECTIONS:
            next(iter(self._open)).transport.abort()
        try:
            async with asyncio.timeout(_PATIENCE_S):
                request = await _read_request(reader)
                if request is not None:
                    writer.write(self._respond(*request))
                    await writer.drain()
        except (OSError, ValueError, asyncio.TimeoutError, asyncio.IncompleteReadError):
            # Whoever asked so gets no answer.
            pass
        finally:
            self._open.pop(writer, None)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    def _respond(self, method: str, path: str) -> bytes:
        try:
            status, kind, body = self._answer(method, path)
        except Exception as error:
            # Not told to the client: anybody may ask.
            self._log.error("http error", code="http_error", error=repr(error))
            status, kind, body = _json(500, {"error": "internal error"})
        lines = [
            f"HTTP/1.1 {status} {_REASONS[status]}",
            f"Content-Type: {kind}",
            f"Content-Length: {len(body)}",
            "Cache-Control: no-store",
            "Connection: close",
            *(["Allow: GET, HEAD"] if status == 405 else []),
        ]
        head = "\r\n".join(lines).encode() + b"\r\n\r\n"
        return head if method == "HEAD" else head + body

    def _answer(self, method: str, path: str) -> tuple[int, str, bytes]:
        if path not in _PATHS:
            return _json(404, {"error": "not found"})
        if method not in ("GET", "HEAD"):
            return _json(405, {"error": "method not allowed"})
        if path == "/livez":
            why = self._o.live()
            return _json(503, {"live": False, "why": why}) if why else _json(200, {"live": True})
        if path == "/readyz":
            reasons = self._o.ready()
            if reasons:
                return _json(503, {"ready": False, "why": reasons})
            return _json(200, {"ready": True})
        return 200, CONTENT_TYPE, self._o.metrics()


async def _read_request(reader: asyncio.StreamReader) -> tuple[str, str] | None:
    """Method and path; None where it is no request."""
    words = (await reader.readline()).decode("latin-1").split()
    for _ in range(_MOST_HEADER_LINES):
        if not (await reader.readline()).strip():
            break
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        return None
    return words[0], words[1].partition("?")[0]


def _json(status: int, value: Any) -> tuple[int, str, bytes]:
    return status, "application/json", json.dumps(value, separators=(",", ":")).encode()
