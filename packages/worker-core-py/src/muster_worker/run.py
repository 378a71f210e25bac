"""The process around a worker: environment, signals, exit code."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import NoReturn

from .batch import BatchHandler
from .config import load_config
from .ends import OnStep
from .errors import ConfigError, MusterError
from .handle import Handler
from .life import WorkerEnd
from .log import Log
from .middleware import Middleware
from .worker import Worker

_EXIT_CODES: dict[WorkerEnd, int] = {
    "drained": 0,
    "grace": 1,
    "forced": 1,
    "taken": 3,
    "refused": 4,
}
_EXIT_BAD_CONFIG = 2


def run(
    handler: Handler | None = None,
    *,
    batch_handler: BatchHandler | None = None,
    version: str | None = None,
    middleware: Sequence[Middleware] = (),
    log: Log | None = None,
    confirm_acks: bool = False,
    on_step: OnStep | None = None,
) -> NoReturn:
    """Joins the group named by the environment, serves until a signal, and exits.

    `version` is the application's, told in heartbeats and dead letters; default:
    MUSTER_APP_VERSION, else the core's. The rest as for Worker.

    The first SIGTERM or SIGINT drains, the second sets the handlers' signals and ends it. Exit
    codes: 0 clean drain, 1 forced or grace over, 2 bad environment (each bad variable on stderr),
    3 the id is in use, 4 the server refuses the login or what the member needs.
    """
    try:
        config = load_config(os.environ)
    except ConfigError as error:
        _refuse(*error.problems)
    if version is not None:
        config = replace(config, version=version)

    async def main() -> int:
        worker = Worker(
            handler,
            config,
            batch_handler=batch_handler,
            middleware=middleware,
            log=log,
            confirm_acks=confirm_acks,
            on_step=on_step,
        )
        return await _serve(worker)

    code = asyncio.run(main())
    _exit(code)


async def _serve(worker: Worker) -> int:
    signals = 0
    ending: list[asyncio.Task[None]] = []

    def on_signal() -> None:
        nonlocal signals
        signals += 1
        ending.append(asyncio.create_task(worker.drain() if signals == 1 else worker.kill()))

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    try:
        await worker.start()
    except MusterError as error:
        if error.code in ("port_in_use", "cannot_listen"):
            _refuse(f"MUSTER_HTTP_PORT: {error}")
        raise
    end = await worker.closed()
    # Not through asyncio's own end: it would wait for handlers that do not let themselves stop.
    _exit(_EXIT_CODES[end])


def _refuse(*problems: str) -> NoReturn:
    print("\n".join(problems), file=sys.stderr)
    _exit(_EXIT_BAD_CONFIG)


def _exit(code: int) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
