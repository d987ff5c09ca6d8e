"""What lives once for each event loop, while it is used."""

from __future__ import annotations

import asyncio

from covalent_awsbatch_plugin.aws.loop_local import LoopLocal

IDLE = 0.2


class Resource:
    """Counts how often it was closed."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.busy = False
        self.closed = 0

    async def close(self) -> None:
        self.closed += 1


async def closed(resource: Resource) -> None:
    while not resource.closed:  # noqa: ASYNC110 - what is waited for has no event
        await asyncio.sleep(0.01)


async def test_users_share_a_resource_that_is_closed_when_it_was_idle():
    resources = LoopLocal(Resource, IDLE)
    async with resources.use("a") as first, resources.use("a") as second:
        assert first is second
        await asyncio.sleep(2 * IDLE)
        assert not first.closed
    await asyncio.wait_for(closed(first), 10)
    assert resources.alive() == []
    async with resources.use("a") as third:
        assert third is not first
    assert first.closed == 1


async def test_a_short_use_does_not_close_an_idle_resource():
    """Covalent calls cancel() for every node, also for those that the plugin does not know."""
    resources = LoopLocal(Resource, IDLE)
    async with resources.use("a") as first:
        pass
    for _ in range(10):
        await asyncio.sleep(IDLE / 4)
        async with resources.use("a") as again:
            assert again is first
        assert not first.closed
    await asyncio.wait_for(closed(first), 10)


async def test_a_resource_with_work_of_its_own_is_not_closed():
    resources = LoopLocal(Resource, IDLE)
    async with resources.use("a") as resource:
        resource.busy = True
    await asyncio.sleep(3 * IDLE)
    assert not resource.closed
    resource.busy = False
    await asyncio.wait_for(closed(resource), 10)


def test_the_end_of_the_event_loop_closes_what_is_in_use_when_its_users_have_ended():
    resources, order = LoopLocal(Resource, IDLE), []

    async def user() -> Resource:
        async with resources.use("a") as resource:
            try:
                await asyncio.sleep(3600)
            finally:
                await asyncio.sleep(0.1)
                order.append(f"used while closed {resource.closed} times")
        return resource

    async def main() -> Resource:
        task = asyncio.create_task(user())
        await asyncio.sleep(0.05)
        [resource] = resources.alive()
        assert not task.done()
        return resource

    resource = asyncio.run(main())
    assert order == ["used while closed 0 times"]
    assert resource.closed == 1


def test_each_event_loop_has_a_resource_of_its_own():
    resources = LoopLocal(Resource, IDLE)

    async def main() -> Resource:
        async with resources.use("a") as resource:
            return resource

    first, second = asyncio.run(main()), asyncio.run(main())
    assert first is not second
    assert (first.closed, second.closed) == (1, 1)
