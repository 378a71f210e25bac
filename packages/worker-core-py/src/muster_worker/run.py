"""The process around a worker: environment, signals, exit code."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import NoReturn

from .config import load_config
from .errors import ConfigError
from .message import Handler
from .settle import OnStep
from .worker import Worker, _no_step

EXIT_BAD_CONFIG = 2


def run(handler: Handler, *, version: str = "0.0.0", on_step: OnStep = _no_step) -> NoReturn:
    """Joins the group named by the environment, serves until a signal, and exits.

    `version` is the application's, told in heartbeats and dead letters. The first SIGTERM or
    SIGINT drains, the second aborts the handlers.
    """
    try:
        config = load_config(os.environ)
    except ConfigError as error:
        print("\n".join(error.problems), file=sys.stderr)
        sys.exit(EXIT_BAD_CONFIG)

    async def main() -> int:
        worker = Worker(handler, config, version=version, on_step=on_step)
        signals = 0

        def on_signal() -> None:
            nonlocal signals
            signals += 1
            worker.drain() if signals == 1 else worker.abort()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, on_signal)
        code = await worker.serve()
        sys.stdout.flush()
        sys.stderr.flush()
        # Not through asyncio's own end: it would wait for handlers that do not let themselves stop.
        os._exit(code)

    asyncio.run(main())
    raise AssertionError("unreachable")
