"""The ledger in Postgres: the effect and its row are one."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from support import ROOT, Group, PostgresServer, group_on, until

from muster_worker import Context, MusterError, PermanentError, RetryableError, Worker
from muster_worker.ledger import postgres_migrations

OWN_MIGRATIONS = Path(postgres_migrations.__file__).parent / "migrations"


@pytest.fixture
def effects(postgres: PostgresServer) -> PostgresServer:
    postgres.psql("create table if not exists effects (event_id text, n bigint)")
    return postgres


def worker(group: Group, database: PostgresServer, handler: Any, **options: Any) -> Worker:
    if "batch_handler" in options:
        return group.worker(None, options, database_url=database.url)
    return group.worker(handler, options, database_url=database.url)


async def insert(order: Any, ctx: Context) -> Any:
    await ctx.tx.query("insert into effects values ($1, $2)", [ctx.event_id, order["n"]])
    return {"n": order["n"]}


def count(database: PostgresServer, event_id: str) -> int:
    return int(database.psql(f"select count(*) from effects where event_id = '{event_id}'"))


def row(database: PostgresServer, group: Group, event_id: str) -> dict[str, Any]:
    text = database.psql(
        "select coalesce((select row_to_json(l) from muster_ledger l "
        f"where stream = '{group.stream}' and event_id = '{event_id}'), '{{}}')"
    )
    found: dict[str, Any] = json.loads(text)
    return found


def test_the_migrations_are_the_contracts() -> None:
    theirs = ROOT / "packages" / "contracts" / "migrations"
    assert {path.name for path in OWN_MIGRATIONS.iterdir()} == {
        path.name for path in theirs.iterdir()
    }
    for copy in OWN_MIGRATIONS.iterdir():
        assert copy.read_bytes() == (theirs / copy.name).read_bytes(), (
            f"{copy.name} differs: run ./muster generate"
        )


async def test_the_effect_and_the_row_are_there(group: Group, effects: PostgresServer) -> None:
    await group.put_spec(ledger="postgres")
    async with worker(group, effects, insert):
        event_id = await group.publish(7)
        await group.empty()
    found = row(effects, group, event_id)
    assert (found["status"], json.loads(found["result"])) == ("done", {"n": 7})
    assert (found["language"], found["sequence"], found["sequences"]) == ("py", 1, [])
    assert count(effects, event_id) == 1


async def test_a_failed_attempt_leaves_no_effect(group: Group, effects: PostgresServer) -> None:
    await group.put_spec(ledger="postgres")

    async def handler(order: Any, ctx: Context) -> Any:
        await insert(order, ctx)
        if ctx.attempt < 3:
            raise RetryableError("not yet", delay_ms=10)

    async with worker(group, effects, handler):
        event_id = await group.publish()
        await group.empty()
    assert count(effects, event_id) == 1


async def test_a_repeat_is_rolled_back_and_joins_the_row(
    group: Group, effects: PostgresServer
) -> None:
    await group.put_spec(ledger="postgres")
    async with worker(group, effects, insert):
        await group.publish(1, event_id="pg-repeat")
        await group.empty()
        await group.publish(1, event_id="pg-repeat")
        await group.empty()
    assert count(effects, "pg-repeat") == 1
    assert row(effects, group, "pg-repeat")["sequences"] == [2]


async def test_the_dead_row_has_the_headers_and_is_overwritten_by_the_corrected_order(
    group: Group, effects: PostgresServer
) -> None:
    await group.put_spec(ledger="postgres")

    async def handler(order: Any, ctx: Context) -> Any:
        await insert(order, ctx)
        if order["n"] < 0:
            raise PermanentError("negative é")

    async with worker(group, effects, handler):
        await group.publish(-1, event_id="pg-dead")
        [letter] = await group.dead_letters()
        await group.empty()
        found = row(effects, group, "pg-dead")
        assert found["status"] == "dead"
        assert json.loads(found["headers"])["Muster-Dlq-Id"] == letter.headers["Muster-Dlq-Id"]
        assert count(effects, "pg-dead") == 0
        await group.publish(1, event_id="pg-dead")
        await group.empty()
    found = row(effects, group, "pg-dead")
    assert (found["status"], found["sequences"], found["revision"]) == ("done", [1], 2)


async def test_a_handler_that_minds_no_failed_statement_has_failed(
    group: Group, effects: PostgresServer
) -> None:
    await group.put_spec(ledger="postgres")
    seen: list[str] = []

    async def handler(order: Any, ctx: Context) -> Any:
        try:
            await ctx.tx.query("insert into no_such_table values (1)")
        except psycopg.errors.UndefinedTable:
            seen.append("undefined")
        return "done"

    async with worker(group, effects, handler):
        await group.publish()
        [letter] = await group.dead_letters()
        await group.empty()
    assert len(seen) == 3
    assert letter.headers["Muster-Dlq-Reason"] == "exhausted"
    assert "no_such_table" in letter.headers["Muster-Dlq-Error"]


async def test_beginning_and_ending_is_the_workers(group: Group, effects: PostgresServer) -> None:
    await group.put_spec(ledger="postgres")
    codes: list[str] = []

    async def handler(order: Any, ctx: Context) -> Any:
        for text in ("begin", " COMMIT", "rollback", "end;"):
            try:
                await ctx.tx.query(text)
            except MusterError as error:
                codes.append(error.code)
        await ctx.tx.query("savepoint a")
        await insert(order, ctx)
        await ctx.tx.query("rollback to a")
        await ctx.tx.query("select 1 as one")

    async with worker(group, effects, handler):
        event_id = await group.publish()
        await group.empty()
    assert codes == ["transaction_control"] * 4
    assert count(effects, event_id) == 0
    assert row(effects, group, event_id)["status"] == "done"


async def test_a_late_result_is_committed_with_its_row(
    group: Group, effects: PostgresServer
) -> None:
    retry = {"max_attempts": 3, "backoff_ms": [60_000], "jitter": 0, "max_snooze_ms": 1000}
    await group.put_spec(ledger="postgres", timeout_ms=200, retry=retry)

    async def handler(order: Any, ctx: Context) -> Any:
        await insert(order, ctx)
        await ctx.signal.wait()
        await asyncio.sleep(0.2)
        return "late"

    async with worker(group, effects, handler):
        event_id = await group.publish()
        await group.empty()
    assert count(effects, event_id) == 1
    assert json.loads(row(effects, group, event_id)["result"]) == "late"


async def test_a_handler_in_a_thread_has_the_transaction_too(
    group: Group, effects: PostgresServer
) -> None:
    await group.put_spec(ledger="postgres")

    def handler(order: Any, ctx: Context) -> Any:
        ctx.run(ctx.tx.query("insert into effects values ($1, $2)", [ctx.event_id, order["n"]]))

    async with worker(group, effects, handler):
        event_id = await group.publish()
        await group.empty()
    assert count(effects, event_id) == 1


async def test_a_batch_is_one_transaction_and_runs_again_without_what_is_done(
    group: Group, effects: PostgresServer
) -> None:
    delivery = {"mode": "batch", "size": 4, "wait_ms": 200}
    await group.put_spec(ledger="postgres", delivery=delivery)
    sizes: list[int] = []

    async def handler(messages: Any, ctx: Context) -> Any:
        sizes.append(len(messages))
        for message in messages:
            if message.value["n"] >= 0:
                values = [message.event_id, message.value["n"]]
                await ctx.tx.query("insert into effects values ($1, $2)", values)
        return [
            message.value["n"] if message.value["n"] >= 0 else PermanentError("negative")
            for message in messages
        ]

    async with worker(group, effects, None, batch_handler=handler):
        await group.publish(1, event_id="pg-batch-done")
        await group.empty()
        names = ["pg-batch-a", "pg-batch-done", "pg-batch-b"]
        await asyncio.gather(
            *(group.publish(1, event_id=name) for name in names),
            group.publish(-1, event_id="pg-batch-bad"),
        )
        [letter] = await group.dead_letters()
        await group.empty()
    assert sizes == [1, 4, 2]
    assert [count(effects, name) for name in names] == [1, 1, 1]
    assert letter.headers["Muster-Dlq-Event-Id"] == "pg-batch-bad"


async def test_a_database_that_is_away_counts_no_attempt(
    server: Any, free_postgres: PostgresServer
) -> None:
    free_postgres.psql("create table effects (event_id text, n bigint)")
    attempts: list[int] = []

    async def handler(order: Any, ctx: Context) -> Any:
        attempts.append(ctx.attempt)
        if order["n"] == 2 and free_postgres._process is not None and len(attempts) == 2:
            await asyncio.to_thread(free_postgres.stop)
        await insert(order, ctx)

    async with group_on(server, ledger="postgres") as group:
        async with worker(group, free_postgres, handler) as running:
            await group.publish(1)
            await group.empty()
            event_id = await group.publish(2)

            async def degraded() -> bool:
                return running._life.work is not None and running._life.work.is_degraded

            await until("degraded", degraded)
            free_postgres.start()
            await group.empty()
            assert not await degraded()
        assert set(attempts) == {1}
        assert count(free_postgres, event_id) == 1
        assert group.logged("degraded")
        assert group.logged("recovered")


async def test_waits_where_the_tables_are_of_another_form(
    server: Any, free_postgres: PostgresServer
) -> None:
    free_postgres.psql(
        "create table muster_migrations (name text primary key, sha256 text not null, "
        "applied_at timestamptz not null default now()); "
        "insert into muster_migrations (name, sha256) values ('0001_ledger.sql', 'other')"
    )
    async with (
        group_on(server, ledger="postgres") as group,
        worker(group, free_postgres, insert) as running,
    ):
        assert running.state == "starting"
        assert '"code":"ledger_schema"' in group.logs.getvalue()
        free_postgres.psql("drop table muster_migrations")
        await group.publish(1, event_id="x")

        async def goes_on() -> bool:
            return running.state == "running"

        await until("running", goes_on)
        free_postgres.psql("create table effects (event_id text, n bigint)")
        await group.empty()
