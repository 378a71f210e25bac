"""A process of its own that consumes a loaded stream: `python bench/child.py raw|ours <messages>`.

`raw` is what most people write, fetch(500) with plain acks; `ours` a worker with a no-op handler.
Prints `first ack` when the server has it, then `rate <messages a second>`, from the first message
to the last ack, `cpu <µs a message>` for the same time, and `rss <bytes>`.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time


def say(line: str) -> None:
    print(line, flush=True)


def rss() -> int:
    """Resident bytes of this process, where the system tells them."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def raw(messages: int) -> None:
    import nats

    client = await nats.connect(os.environ["NATS_URL"])
    stream, group = os.environ["MUSTER_STREAM"], os.environ["MUSTER_GROUP"]
    subscription = await client.jetstream().pull_subscribe_bind(group, stream)
    count, started, used = 0, 0.0, 0.0
    while count < messages:
        for message in await subscription.fetch(500):
            if count == 0:
                started, used = time.perf_counter(), time.process_time()
            await message.ack()
            count += 1
            if count == 1:
                await client.flush()
                say("first ack")
    await client.flush()
    say(f"rate {count / (time.perf_counter() - started)}")
    say(f"cpu {1e6 * (time.process_time() - used) / count}")
    say(f"rss {rss()}")
    await client.close()


async def ours(messages: int) -> None:
    from muster_worker import Context, Worker, load_config

    count, started, used = 0, 0.0, 0.0
    done, first = asyncio.Event(), asyncio.Event()

    async def handle(_: object, ctx: Context) -> None:
        nonlocal count, started, used
        if count == 0:
            started, used = time.perf_counter(), time.process_time()
            first.set()
        count += 1
        if count == messages:
            done.set()

    worker = Worker(handle, load_config(os.environ))
    starting = asyncio.create_task(worker.start())
    await first.wait()
    while worker.metrics.deliveries["done"] == 0:
        await asyncio.sleep(0)
    assert worker._life.base is not None
    worker._life.base.answers.flush()
    await worker._life.base.connection.round_trip(5)
    say("first ack")
    await done.wait()
    while worker.metrics.deliveries["done"] < messages:
        await asyncio.sleep(0.001)
    worker._life.base.answers.flush()
    await worker._life.base.connection.round_trip(5)
    say(f"rate {count / (time.perf_counter() - started)}")
    say(f"cpu {1e6 * (time.process_time() - used) / count}")
    say(f"rss {rss()}")
    await starting
    await worker.drain()


asyncio.run({"raw": raw, "ours": ours}[sys.argv[1]](int(sys.argv[2])))
