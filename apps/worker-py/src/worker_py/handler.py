"""The order handler: the same rules as its twins in TypeScript and Go."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import nats.errors
from muster_worker import Context, Handler, PermanentError, RetryableError

from .contracts import OrderV1

FRAUD_CHECK = "fraud.check"
FRAUD_CHECK_ABOVE = 10_000
FRAUD_TIMEOUT_S = 1.0


def create_handler(work_ms: int) -> Handler:
    """The handler, doing `work_ms` milliseconds of simulated work first."""

    async def handle(order: OrderV1, ctx: Context) -> dict[str, Any]:
        if work_ms > 0:
            await ctx.signal.guard(asyncio.sleep(work_ms / 1000))
        return await project(order, ctx)

    return handle


def work_ms_of(text: str) -> int:
    """Reads `ORDER_WORK_MS`: whole milliseconds, 0 when empty; ValueError says what is wrong."""
    if not re.fullmatch(r"[0-9]{0,9}", text):
        raise ValueError(f"ORDER_WORK_MS: {text!r} is not a whole number of milliseconds")
    return int(text or "0")


async def project(order: OrderV1, ctx: Context) -> dict[str, Any]:
    """Checks an order and gives its projection."""
    if order["amount"] < 0:
        raise PermanentError("negative amount")
    if not order["customer"]:
        raise PermanentError("missing customer")
    checked = order["amount"] > FRAUD_CHECK_ABOVE
    if checked:
        await check_fraud(order, ctx)
    return {
        "order_id": order["id"],
        "customer": order["customer"],
        "amount": order["amount"],
        "status": order["status"],
        "fraud_checked": checked,
    }


async def check_fraud(order: OrderV1, ctx: Context) -> None:
    """Asks the fraud check; no answer and no responder are one: try again later."""
    question = {
        "order_id": order["id"],
        "customer": order["customer"],
        "amount": order["amount"],
    }
    try:
        await ctx.nats.request(FRAUD_CHECK, json.dumps(question).encode(), timeout=FRAUD_TIMEOUT_S)
    except (nats.errors.Error, asyncio.TimeoutError) as error:
        raise RetryableError("fraud check timeout") from error
