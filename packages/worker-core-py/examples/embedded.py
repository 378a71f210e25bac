"""A worker inside another program, with middleware and an event, and a publisher beside it."""

import asyncio
import os
from typing import Any

import nats

from muster_worker import Context, Next, Publisher, Worker, load_config

SCHEMA = {"title": "order.v1", "type": "object", "required": ["id", "amount"]}


async def timed(order: Any, ctx: Context, call_next: Next) -> Any:
    started = asyncio.get_running_loop().time()
    result = await call_next()
    ctx.log.info("handled", seconds=asyncio.get_running_loop().time() - started)
    return result


async def handle(order: dict[str, Any], ctx: Context) -> Any:
    return {"order_id": order["id"]}


async def main() -> None:
    config = load_config(os.environ)
    done = asyncio.Event()
    worker = Worker(handle, config, middleware=[timed])
    worker.on("settled", lambda settled: done.set())
    nc = await nats.connect(config.servers[0])
    async with worker, Publisher(nc, SCHEMA) as orders:
        await orders.publish(os.environ["SUBJECT"], {"id": "o-1", "amount": 5}, event_id="o-1.made")
        await done.wait()
    await nc.close()


asyncio.run(main())
