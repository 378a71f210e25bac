from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from support import Group, NatsServer, PostgresServer, group_on


@pytest.fixture(scope="session")
def server() -> Iterator[NatsServer]:
    nats_server = NatsServer()
    nats_server.start()
    yield nats_server
    nats_server.close()


@pytest.fixture
async def group(server: NatsServer) -> AsyncIterator[Group]:
    async with group_on(server) as made:
        yield made


@pytest.fixture
def free_server() -> Iterator[NatsServer]:
    """A server of the test's own, to be killed."""
    nats_server = NatsServer()
    nats_server.start()
    yield nats_server
    nats_server.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    database = PostgresServer()
    database.create()
    yield database
    database.close()


@pytest.fixture
def free_postgres() -> Iterator[PostgresServer]:
    """A Postgres of the test's own, to be stopped."""
    database = PostgresServer()
    database.create()
    yield database
    database.close()
