from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from support import Group, NatsServer, group_on


@pytest.fixture(scope="session")
def server() -> Iterator[NatsServer]:
    nats_server = NatsServer()
    nats_server.start()
    yield nats_server
    nats_server.close()


@pytest.fixture
async def group(server: NatsServer) -> AsyncIterator[Group]:
    async with group_on(server, contracts=["order.v1"]) as made:
        schema = made.contract("order.v1")
        await made.put("MUSTER_CONTRACTS", "order.v1", schema)
        yield made
