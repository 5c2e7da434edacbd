"""The bulk of a rebuild in several processes, each with partitions of its own."""

import asyncio
import gc
import multiprocessing
import queue
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import uvloop

from services.casebook import offsets
from services.casebook.building import Advance
from services.casebook.rebuilding import CannotRebuild, Site, fill
from shared.messaging.log import Place as Partition

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    Counts = multiprocessing.Queue[int]
else:
    Counts = object

_LOOK_S: Final = 0.2
_END_S: Final = 10.0


async def fill_in_processes(
    site: Site, ends: Mapping[Partition, int], processes: int, advance: Advance
) -> None:
    """Fold all partitions up to their ends.

    Raises:
        CannotRebuild: a process failed; what the others have done stays.
    """
    async with site.connected(site.schemas.next) as connection:
        reached = await offsets.reached(connection, site.schemas.next)
    behind = {place: end - reached[place] for place, end in ends.items()}
    dealt = shares(behind, ends, processes)
    if len(dealt) == 1:
        await fill(site, dealt[0], advance)
        return
    context = multiprocessing.get_context("spawn")
    counts = context.Queue()
    workers = [
        context.Process(target=_work, args=(site, share, counts), daemon=True) for share in dealt
    ]
    try:
        for worker in workers:
            worker.start()
        while any(worker.is_alive() for worker in workers):
            await asyncio.sleep(_LOOK_S)
            _take(counts, advance)
            if any(worker.exitcode for worker in workers):
                break
        _take(counts, advance)
        if any(worker.exitcode for worker in workers):
            raise CannotRebuild("a worker ended before its time: see above, and run again")
    finally:
        _end(workers)


def shares(
    behind: Mapping[Partition, int], ends: Mapping[Partition, int], count: int
) -> list[dict[Partition, int]]:
    """The partitions dealt out to so many processes, so that each has about as much to do."""
    dealt: list[dict[Partition, int]] = [{} for _ in range(count)]
    loads = [0] * count
    for place in sorted(behind, key=lambda each: (-behind[each], each)):
        least = loads.index(min(loads))
        dealt[least][place] = ends[place]
        loads[least] += behind[place]
    return [each for each in dealt if each]


def _work(site: Site, ends: Mapping[Partition, int], counts: "Counts") -> None:
    """One process. It ends with the one that started it, whatever became of that."""
    parent = multiprocessing.parent_process()

    def advance(count: int) -> None:
        if parent is not None and not parent.is_alive():
            raise SystemExit(1)
        counts.put(count)

    gc.disable()  # a fold makes no cycles, and its process ends with it
    uvloop.run(fill(site, ends, advance))


def _take(counts: "Counts", advance: Advance) -> None:
    while True:
        try:
            advance(counts.get_nowait())
        except queue.Empty:
            return


def _end(workers: "Sequence[BaseProcess]") -> None:
    for worker in workers:
        if worker.is_alive():
            worker.terminate()
        worker.join(_END_S)
