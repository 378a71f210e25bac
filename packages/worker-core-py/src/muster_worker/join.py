"""How a member joins: from a configuration to a record that says that it is here."""

from __future__ import annotations

import asyncio

from .base import Base, open_base
from .connection import Connection
from .errors import MusterError
from .follow import beat, follow, poll
from .http import HttpEndpoint, HttpOptions
from .leave import drain, forbidden, refused, taken
from .life import Life
from .msg import Msg
from .open_connection import open_connection
from .protocol.subjects import member_subject
from .work import Work


async def join(life: Life) -> None:
    """Connects and joins. Returns when joined, when the group is not there yet and is waited for,
    or when told to stop."""
    config, log = life.config, life.log
    if config.http_port is not None:
        await _serve_http(life, config.http_port)
    connection = await _connect(life)
    if connection is None:
        return
    connection.on_forbidden(lambda refusal: forbidden(life, refusal))
    connection.on_change(lambda is_up: _on_connection(life, is_up))
    base = life.base = open_base(
        connection,
        config=config,
        log=log,
        instance=life.instance,
        confirm_acks=life.confirm_acks,
    )
    work = life.work = _open_work(life, base)
    _listen_for_commands(life, base)
    # The server must know it before anybody can see the record.
    await connection.round_trip(5.0)
    await poll(life, base, work)
    claim = await base.membership.claim(life.record, life.stop_start)
    if life.stop_start.is_set():
        return
    if claim == "taken":
        taken(life)
        return
    life.has_joined = True
    work.wake()
    # In a queue group what is published before the server knows the subscriptions passes unseen.
    await connection.round_trip(5.0)
    log.info("joined", state=life.state, revision=base.spec.revision)
    life.events.emit("joined")
    life.loops = [
        asyncio.create_task(beat(life, base)),
        asyncio.create_task(follow(life, base, work)),
    ]


async def _serve_http(life: Life, port: int) -> None:
    life.http = HttpEndpoint(
        HttpOptions(
            host=life.config.http_host,
            port=port,
            live=life.why_not_live,
            ready=life.why_not_ready,
            metrics=life.metrics.text,
        ),
        life.log,
    )
    await life.http.start()


async def _connect(life: Life) -> Connection | None:
    """None: told to stop before there was a connection, or refused."""
    connecting = asyncio.create_task(open_connection(life.config, life.log))
    stopped = asyncio.create_task(life.stop_start.wait())
    await asyncio.wait({connecting, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if connecting.done():
        try:
            return connecting.result()
        except MusterError as error:
            refused(life, "login refused", error.code, str(error))
            return None
    connecting.cancel()
    await asyncio.wait({connecting})
    return None


def _open_work(life: Life, base: Base) -> Work:
    return Work(
        base=base,
        handler=life.handler,
        stats=life.stats,
        metrics=life.metrics,
        events=life.events,
        stall_ms=life.stall_ms,
        on_step=life.on_step,
        is_wanted=lambda: life.has_joined and life.state == "running",
    )


def _listen_for_commands(life: Life, base: Base) -> None:
    c, connection = life.config, base.connection

    def on_drain(msg: Msg) -> None:
        if msg.reply:
            connection.send(msg.reply, b'{"ok":true}')
        drain(life)

    connection.listen(member_subject(c.stream, c.group, c.member, "drain"), on_drain)


def _on_connection(life: Life, is_up: bool) -> None:
    if is_up:
        life.metrics.reconnects += 1
