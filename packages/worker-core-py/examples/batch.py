"""A batch handler: one statement for all orders of a batch, an outcome for each."""

from collections.abc import Sequence
from typing import Any

from muster_worker import Context, PermanentError, run


async def handle(orders: Sequence[Context], ctx: Context) -> list[Any]:
    good = [order.value for order in orders if order.value["amount"] >= 0]
    customers, amounts = [one["customer"] for one in good], [one["amount"] for one in good]
    insert = "insert into sales select * from unnest($1::text[], $2::float8[])"
    await ctx.tx.query(insert, [customers, amounts])
    negative = PermanentError("negative amount")
    return [negative if order.value["amount"] < 0 else None for order in orders]


run(batch_handler=handle)
