"""The order worker as a process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any

from support import ROOT, Group

PATHS = [Path(__file__).resolve().parents[1] / "src", ROOT / "packages/worker-core-py/src"]


def order(**changes: Any) -> bytes:
    fields = {
        "id": "o-1",
        "customer": "Ada",
        "amount": 12.5,
        "status": "pending",
        "created_at": "2026-01-02T03:04:05Z",
    }
    return json.dumps(fields | changes).encode()


async def start(env: dict[str, str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "worker_py", env=env, stdout=PIPE, stderr=PIPE
    )


async def test_projects_an_order_and_sets_a_bad_one_aside(group: Group) -> None:
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(map(str, PATHS)),
        "NATS_URL": group.server.url,
        "MUSTER_STREAM": group.stream,
        "MUSTER_GROUP": group.group,
        "MUSTER_HEARTBEAT_MS": "250",
        "ORDER_WORK_MS": "1",
    }
    running = await start(env)
    good = await group.publish(order())
    bad = await group.publish(order(amount=-1, id="o-2"))
    invalid = await group.publish(order(extra=1))
    row = await group.settled(good, "done")
    letters = await group.dead_letters(2)
    running.send_signal(signal.SIGTERM)
    _, stderr = await running.communicate()
    assert (running.returncode, stderr) == (0, b"")
    assert row["result"] == {
        "order_id": "o-1",
        "customer": "Ada",
        "amount": 12.5,
        "status": "pending",
        "fraud_checked": False,
    }
    errors = {x.headers["Muster-Event-Id"]: x.headers["Muster-Dlq-Error"] for x in letters}
    assert errors == {bad: "negative amount", invalid: "does not match order.v1 at /"}


async def test_refuses_a_bad_work_time() -> None:
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(map(str, PATHS))}
    running = await start(env | {"ORDER_WORK_MS": "soon"})
    _, stderr = await running.communicate()
    assert running.returncode == 2
    assert b"ORDER_WORK_MS" in stderr
