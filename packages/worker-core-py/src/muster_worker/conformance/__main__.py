"""One member that does what the messages say."""

from __future__ import annotations

import os

from ..ends import Step
from ..message import Message
from ..run import run
from .handler import handle, handle_batch, kill_self

KILL_AT = "MUSTER_CONFORMANCE_KILL_AT"
HANDLER = "MUSTER_CONFORMANCE_HANDLER"


def _on_step(step: Step, _: Message) -> None:
    if os.environ.get(KILL_AT) == step:
        kill_self()


if os.environ.get(HANDLER) == "batch":
    run(batch_handler=handle_batch, on_step=_on_step)
else:
    run(handle, on_step=_on_step)
