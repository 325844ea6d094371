"""Coroutines that are started at once, as tasks: what they see, and what is left of them."""

import asyncio
import contextvars
import gc
import weakref
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from sigil.asgi.eager import starter
from tests.support.event_loops import loops

VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE", default="outside")

pytestmark = pytest.mark.parametrize("run", loops())

Run = Callable[[Coroutine[Any, Any, None]], object]


async def turns(count: int = 3) -> None:
    """Let the loop go on."""
    for _ in range(count):
        await asyncio.sleep(0)


def test_what_does_not_wait_has_ended_at_once(run: Run) -> None:
    seen: list[object] = []

    async def call() -> None:
        seen.append(asyncio.current_task())

    async def main() -> None:
        start = starter(asyncio.get_running_loop())
        assert [start.start(call()) for _ in range(3)] == [None] * 3
        assert asyncio.current_task() not in seen
        assert all(isinstance(task, asyncio.Task) for task in seen)
        start.close()
        await turns()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(main())


def test_what_waits_goes_on_as_the_same_task_in_the_same_context(run: Run) -> None:
    seen: list[object] = []

    async def call() -> None:
        VARIABLE.set("inside")
        before = asyncio.current_task()
        await asyncio.sleep(0.001)
        seen.append((asyncio.current_task() is before, VARIABLE.get()))
        async with asyncio.timeout(10):
            await asyncio.sleep(0)

    async def main() -> None:
        start = starter(asyncio.get_running_loop())
        tasks = [start.start(call()), start.start(call())]
        assert VARIABLE.get() == "outside"
        await asyncio.gather(*[task for task in tasks if task is not None])
        assert seen == [(True, "inside")] * 2
        assert None not in tasks
        start.close()

    run(main())


def test_a_task_that_somebody_knows_is_not_used_again(run: Run) -> None:
    known: list[Any] = []
    seen: list[object] = []

    async def keep() -> None:
        known.append(asyncio.current_task())

    async def weakly() -> None:
        known.append(weakref.ref(asyncio.current_task()))  # type: ignore[arg-type]

    async def rename() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.set_name("renamed")

    async def when_done() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.add_done_callback(lambda _: seen.append("done"))

    async def note() -> None:
        task = asyncio.current_task()
        assert task is not None
        assert task not in known and task.get_name() != "renamed"

    async def main() -> None:
        start = starter(asyncio.get_running_loop())
        for call in (keep, weakly, rename, when_done):
            assert start.start(call()) is None
            assert start.start(note()) is None
        await turns()
        assert known[0].done()
        assert seen == ["done"]
        start.close()

    run(main())


def test_it_may_be_cancelled_before_it_goes_on(run: Run) -> None:
    seen: list[str] = []

    async def call() -> None:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    async def main() -> None:
        start = starter(asyncio.get_running_loop())
        assert start.start(note_nothing()) is None  # a task is there, and waits
        await turns()
        task = start.start(call())
        assert task is not None
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert seen == ["cancelled"]
        start.close()

    run(main())


async def note_nothing() -> None:
    """Ends at once."""


def test_what_ends_the_program_leaves_at_once(run: Run) -> None:
    async def call() -> None:
        raise KeyboardInterrupt

    async def main() -> None:
        start = starter(asyncio.get_running_loop())
        with pytest.raises(KeyboardInterrupt):
            start.start(call())
        assert start.start(note_nothing()) is None
        start.close()

    run(main())


def test_a_task_may_start_others_while_it_runs(run: Run) -> None:
    seen: list[object] = []

    async def inner() -> None:
        seen.append(asyncio.current_task())
        await asyncio.sleep(0)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        outer, one, other = asyncio.current_task(), starter(loop), starter(loop)

        async def nested() -> None:
            own = asyncio.current_task()
            assert other.start(inner()) is not None
            assert asyncio.current_task() is own

        assert one.start(nested()) is None
        assert asyncio.current_task() is outer
        assert outer not in seen
        await turns()
        one.close()
        other.close()
        await turns()

    run(main())


def test_nothing_is_pending_when_a_loop_ends_without_a_word(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        assert starter(asyncio.get_running_loop()).start(note_nothing()) is None

    run(main())
    gc.collect()
    assert caplog.records == []
