"""Workers as processes: environment, signals, exit codes, the README's handler."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from support import ROOT, Group, until

SRC = str(Path(__file__).resolve().parents[1] / "src")
CONFORMANCE = ["-m", "muster_worker.conformance"]


def environment(group: Group | None, **changes: str) -> dict[str, str]:
    base = {"PYTHONPATH": SRC, "PATH": os.environ["PATH"]}
    if group is not None:
        base |= {
            "NATS_URL": group.server.url,
            "MUSTER_STREAM": group.stream,
            "MUSTER_GROUP": group.group,
            "MUSTER_HEARTBEAT_MS": "250",
        }
    return base | changes


@asynccontextmanager
async def process(argv: list[str], env: dict[str, str]) -> AsyncIterator[Process]:
    running = await asyncio.create_subprocess_exec(
        sys.executable, *argv, env=env, stdout=PIPE, stderr=PIPE
    )
    try:
        yield running
    finally:
        if running.returncode is None:
            running.kill()
        await running.communicate()


async def line(running: Process, msg: str) -> dict[str, Any]:
    assert running.stdout is not None
    while raw := await running.stdout.readline():
        parsed: dict[str, Any] = json.loads(raw)
        if parsed["msg"] == msg:
            return parsed
    raise AssertionError(f"no line {msg!r}")


async def test_names_all_bad_variables_at_once() -> None:
    env = environment(None, NATS_URL="http://u:secret@x", WORKER_ID="a.b", LOG_LEVEL="loud")
    async with process(CONFORMANCE, env) as running:
        _, stderr = await running.communicate()
        code = running.returncode
    lines = stderr.decode().splitlines()
    assert code == 2
    names = {text.split(":")[0] for text in lines}
    assert names == {"NATS_URL", "MUSTER_STREAM", "MUSTER_GROUP", "WORKER_ID", "LOG_LEVEL"}
    assert len(lines) == 5
    assert "secret" not in stderr.decode()


async def test_drains_on_sigterm_and_exits_0(group: Group) -> None:
    async with process(CONFORMANCE, environment(group, WORKER_ID="w1")) as running:
        joined = await line(running, "joined")
        event_id = await group.publish()
        await group.settled(event_id, "done")
        running.send_signal(signal.SIGTERM)
        await line(running, "left")
        assert await running.wait() == 0
    assert {"time", "level", "msg", "stream", "group", "member", "language"} <= set(joined)
    assert (joined["member"], joined["language"]) == ("w1", "py")


async def test_a_second_signal_ends_it_with_1(group: Group) -> None:
    async with process(CONFORMANCE, environment(group)) as running:
        await line(running, "joined")
        await group.publish(1, **{"Muster-Conformance": "block;ms=60000"})

        async def taken() -> bool:
            return (await group.js.consumer_info(group.stream, "g1")).num_ack_pending == 1

        await until("taken", taken)
        running.send_signal(signal.SIGINT)
        await line(running, "draining")
        running.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(running.wait(), 10) == 1


async def test_a_message_that_kills_its_process_ends_as_crash_loop_alone(group: Group) -> None:
    await group.put_spec(
        retry={"max_attempts": 2, "backoff_ms": [50], "jitter": 0, "max_snooze_ms": 1000}
    )
    poison = await group.publish(0, **{"Muster-Conformance": "exit"})
    healthy = [await group.publish(n) for n in range(1, 20)]
    for _ in range(6):
        async with process(CONFORMANCE, environment(group)) as running:
            await line(running, "joined")
            dead = asyncio.create_task(group.settled(poison, "dead"))
            gone = asyncio.create_task(running.wait())
            await asyncio.wait({dead, gone}, return_when=asyncio.FIRST_COMPLETED)
            if dead.done():
                for event_id in healthy:
                    await group.settled(event_id, "done")
                [letter] = await group.dead_letters()
                gone.cancel()
                break
            dead.cancel()
    assert letter.headers["Muster-Dlq-Reason"] == "crash_loop"
    assert letter.headers["Muster-Dlq-Event-Id"] == poison


async def test_a_kill_at_each_step_leaves_one_ending(group: Group) -> None:
    for step, verb, status in [
        ("received", "return", "done"),
        ("row_done", "return", "done"),
        ("row_dead", "permanent", "dead"),
        ("dead_lettered", "permanent", "dead"),
        ("attempt_recorded", "retryable;times=1", "done"),
    ]:
        event_id = await group.publish(1, **{"Muster-Conformance": verb})
        env = environment(group, MUSTER_CONFORMANCE_KILL_AT=step)
        async with process(CONFORMANCE, env) as running:
            assert await asyncio.wait_for(running.wait(), 10) == -signal.SIGKILL
        async with process(CONFORMANCE, environment(group)):
            await group.settled(event_id, status)
            await group.empty()
    letters = await group.dead_letters(2)
    assert len(letters) == 2


async def test_the_readme_handler_runs(group: Group, tmp_path: Path) -> None:
    readme = (ROOT / "packages" / "worker-core-py" / "README.md").read_text()
    found = re.search(r"```python\n(.*?)```", readme, re.DOTALL)
    assert found is not None
    main = tmp_path / "main.py"
    main.write_text(found[1])
    schema = {"type": "object", "required": ["id", "amount"]}
    await group.put("MUSTER_CONTRACTS", "n.v1", schema)
    async with process([str(main)], environment(group)) as running:
        await line(running, "joined")
        good = await group.publish(b'{"id":"o1","amount":5}')
        bad = await group.publish(b'{"id":"o2","amount":-5}')
        row = await group.settled(good, "done")
        await group.settled(bad, "dead")
        running.send_signal(signal.SIGTERM)
        await running.wait()
    assert row["result"] == {"order_id": "o1", "attempt": 1}


async def test_a_stopped_member_disturbs_nobody_when_it_wakes(group: Group) -> None:
    """SIGSTOP beyond the ack wait: what it held is another member's, and stays that."""
    await group.put_spec(concurrency=1)
    headers = {"Muster-Conformance": "block;ms=300"}
    async with process(CONFORMANCE, environment(group, LOG_LEVEL="debug")) as first:
        await line(first, "joined")
        events = [await group.publish(n, **headers) for n in range(2)]

        async def held() -> bool:
            return (await group.js.consumer_info(group.stream, "g1")).num_ack_pending == 2

        await until("held", held)
        first.send_signal(signal.SIGSTOP)
        async with process(CONFORMANCE, environment(group, WORKER_ID="second")) as second:
            await line(second, "joined")
            rows = [await group.settled(event_id, "done") for event_id in events]
            first.send_signal(signal.SIGCONT)
            # A later message of the woken member proves that it had its chance.
            second.send_signal(signal.SIGTERM)
            await line(second, "left")
            last = await group.publish(3)
            row = await group.settled(last, "done")
        assert [await group.row(event_id) for event_id in events] == rows
    assert "second" in {found["member"] for found in rows}
    assert row["member"] != "second"
