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

from support import ROOT, Group, PostgresServer, until

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
    env = environment(
        None,
        NATS_URL="http://u:secret@x",
        WORKER_ID="a.b",
        LOG_LEVEL="loud",
        MUSTER_HTTP_PORT="65536",
        DATABASE_URL="mysql://u:secret@x/y",
        MUSTER_API_PREFIX="a..b",
    )
    async with process(CONFORMANCE, env) as running:
        _, stderr = await running.communicate()
        code = running.returncode
    lines = stderr.decode().splitlines()
    assert code == 2
    names = {text.split(":")[0] for text in lines}
    assert names == {
        "NATS_URL",
        "MUSTER_STREAM",
        "MUSTER_GROUP",
        "WORKER_ID",
        "LOG_LEVEL",
        "MUSTER_HTTP_PORT",
        "DATABASE_URL",
        "MUSTER_API_PREFIX",
    }
    assert len(lines) == 8
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


EXAMPLES = ROOT / "packages" / "worker-core-py" / "examples"


def examples(folder: Path) -> list[str]:
    """The README's programs, as files."""
    readme = (ROOT / "packages" / "worker-core-py" / "README.md").read_text()
    paths = []
    for number, text in enumerate(re.findall(r"```python\n(.*?)```", readme, re.DOTALL)):
        path = folder / f"example{number}.py"
        path.write_text(text)
        paths.append(str(path))
    return paths


def order(order_id: str, amount: int) -> bytes:
    return json.dumps({"id": order_id, "customer": "ada", "amount": amount}).encode()


async def put_order_contract(group: Group) -> None:
    schema = {"type": "object", "required": ["id", "amount"]}
    for name in ("n.v1", "order.v1"):
        await group.put("MUSTER_CONTRACTS", name, schema)


async def test_the_readme_handler_runs(group: Group, tmp_path: Path) -> None:
    await put_order_contract(group)
    async with process([examples(tmp_path)[0]], environment(group)) as running:
        await line(running, "joined")
        good = await group.publish(order("o1", 5))
        bad = await group.publish(order("o2", -5))
        row = await group.settled(good, "done")
        await group.settled(bad, "dead")
        running.send_signal(signal.SIGTERM)
        await running.wait()
    assert row["result"] == {"order_id": "o1", "attempt": 1}


async def test_the_readme_transaction_runs(
    group: Group, postgres: PostgresServer, tmp_path: Path
) -> None:
    await put_order_contract(group)
    await group.put_spec(ledger="postgres")
    postgres.psql("create table balances as select 'ada' as customer, 1::float8 as amount")
    env = environment(group, DATABASE_URL=postgres.url)
    async with process([examples(tmp_path)[1]], env) as running:
        await line(running, "joined")
        await group.publish(order("o1", 5))
        await group.empty()
        running.send_signal(signal.SIGTERM)
        await running.wait()
    assert postgres.psql("select amount from balances") == "6"


async def test_the_batch_example_runs(
    group: Group, postgres: PostgresServer, tmp_path: Path
) -> None:
    await put_order_contract(group)
    delivery = {"mode": "batch", "size": 3, "wait_ms": 300}
    await group.put_spec(ledger="postgres", delivery=delivery)
    postgres.psql("create table sales (customer text, amount float8)")
    env = environment(group, DATABASE_URL=postgres.url)
    async with process([str(EXAMPLES / "batch.py")], env) as running:
        await line(running, "joined")
        for n in (5, -1, 7):
            await group.publish(order(f"o{n}", n))
        [letter] = await group.dead_letters()
        await group.empty()
        running.send_signal(signal.SIGTERM)
        await running.wait()
    assert postgres.psql("select sum(amount) from sales") == "12"
    assert letter.headers["Muster-Dlq-Error"] == "negative amount"


async def test_the_embedded_example_runs(group: Group, tmp_path: Path) -> None:
    await put_order_contract(group)
    await group.put_spec(contracts=["n.v1", "order.v1"])
    env = environment(group, SUBJECT=f"{group.prefix}.made")
    async with process([str(EXAMPLES / "embedded.py")], env) as running:
        handled = await line(running, "handled")
        assert await asyncio.wait_for(running.wait(), 20) == 0
    row = await group.settled("o-1.made", "done")
    assert row["result"] == {"order_id": "o-1"}
    assert (handled["event_id"], handled["attempt"]) == ("o-1.made", 1)


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
