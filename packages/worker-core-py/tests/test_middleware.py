"""Middleware runs around the handler, the first one outermost."""

from __future__ import annotations

from typing import Any

from support import Group

from muster_worker import Context, MusterError, Next, PermanentError


async def test_runs_outside_in_and_sees_the_result(group: Group) -> None:
    order: list[str] = []

    def named(name: str) -> Any:
        async def middleware(value: Any, ctx: Context, call_next: Next) -> Any:
            order.append(f"{name} before")
            result = await call_next()
            order.append(f"{name} after")
            return {name: result}

        return middleware

    def handler(value: Any, ctx: Context) -> Any:
        order.append("handler")
        return value["n"]

    async with group.worker(handler, {"middleware": [named("a"), named("b")]}):
        row = await group.settled(await group.publish(5), "done")
    assert row["result"] == {"a": {"b": 5}}
    assert order == ["a before", "b before", "handler", "b after", "a after"]


async def test_may_pass_the_handler_over_and_may_not_call_it_twice(group: Group) -> None:
    async def gate(value: Any, ctx: Context, call_next: Next) -> Any:
        if value["n"] == 0:
            return "passed over"
        await call_next()
        try:
            await call_next()
        except MusterError as error:
            raise PermanentError(error.code) from error

    async def handler(value: Any, ctx: Context) -> Any:
        assert value["n"] != 0

    async with group.worker(handler, {"middleware": [gate]}):
        row = await group.settled(await group.publish(0), "done")
        await group.publish(1)
        [letter] = await group.dead_letters()
    assert row["result"] == "passed over"
    assert letter.headers["Muster-Dlq-Error"] == "next_twice"
