"""One render dealt out to several processes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path


@dataclass(frozen=True)
class Share:
    """Process ``number`` of ``of``."""

    number: int = 0
    of: int = 1

    def owns(self, at: int) -> bool:
        """Whether piece ``at`` of a list that nothing is added to is this process's."""
        return at % self.of == self.number

    def claims(self, folder: Path) -> bool:
        """Makes ``folder`` this process's to fill; False where another one has it already."""
        if self.of == 1:
            shutil.rmtree(folder, ignore_errors=True)
        try:
            folder.mkdir()
        except FileExistsError:
            return False
        return True


ALONE = Share()


def deal(render: Callable[..., tuple[int, int]], processes: int, *rest) -> tuple[int, int]:
    """Sums of ``render(share, *rest)``, (made, failed), of ``processes`` new processes; of this one if it is one.

    ``render`` must be a function of a module, and ``rest`` such as can be pickled. An error of one process is raised
    when all have ended.
    """
    if processes == 1:
        return render(ALONE, *rest)
    # Mitsuba's threads do not survive a fork.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        running = [pool.submit(render, Share(number, processes), *rest) for number in range(processes)]
    done = [future.result() for future in running]
    return sum(made for made, _ in done), sum(failed for _, failed in done)
