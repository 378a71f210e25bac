"""The order rules, by the vectors all three languages read."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import nats
import pytest
from muster_worker import Context, PermanentError, RetryableError
from muster_worker.signal import Signal
from nats.aio.client import Client
from nats.aio.msg import Msg
from support import ROOT, NatsServer

from worker_py.handler import FRAUD_CHECK, create_handler, work_ms_of

VECTORS = ROOT / "packages" / "contracts" / "vectors" / "orders.json"
CASES: list[dict[str, Any]] = json.loads(VECTORS.read_text())["cases"]


@pytest.fixture
async def connection(server: NatsServer) -> AsyncIterator[Client]:
    nc = await nats.connect(server.url)
    yield nc
    await nc.close()


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
async def test_follows_the_vector(case: dict[str, Any], connection: Client) -> None:
    asked: list[dict[str, Any]] = []

    async def answer(msg: Msg) -> None:
        asked.append(json.loads(msg.data))
        if case["fraud"] == "answers":
            await msg.respond(b'{"ok":true}')

    await connection.subscribe(FRAUD_CHECK, cb=answer)
    context = cast(Context, SimpleNamespace(nats=connection, signal=Signal()))
    outcome, error, result = "done", None, None
    try:
        result = await create_handler(0)(case["order"], context)
    except PermanentError as raised:
        outcome, error = "permanent", str(raised)
    except RetryableError as raised:
        outcome, error = "retryable", str(raised)
    assert (outcome, error) == (case["outcome"], case.get("error"))
    if "result" in case:
        assert result == case["result"]
    assert all(set(question) == {"order_id", "customer", "amount"} for question in asked)


@pytest.mark.parametrize("text", ["-1", "1.5", "x", "\u0661"])
def test_refuses_a_bad_work_time(text: str) -> None:
    with pytest.raises(ValueError, match="ORDER_WORK_MS"):
        work_ms_of(text)
