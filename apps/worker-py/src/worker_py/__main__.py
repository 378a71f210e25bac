"""`python -m worker_py`: one member of an order group."""

from __future__ import annotations

import os
import sys

from muster_worker import run

from .handler import create_handler, work_ms_of

EXIT_BAD_CONFIG = 2


def main() -> None:
    """Runs until told to stop."""
    try:
        work_ms = work_ms_of(os.environ.get("ORDER_WORK_MS", "").strip())
    except ValueError as error:
        print(error, file=sys.stderr)
        sys.exit(EXIT_BAD_CONFIG)
    run(create_handler(work_ms), version="0.1.0")


if __name__ == "__main__":
    main()
