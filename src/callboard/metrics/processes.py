"""Several web processes of one service as one: their counters lie in files that each of them can add up.

That is prometheus-client's multiprocess mode. Here: where the files are, that nothing of an earlier run is
among them, and that processes which have ended leave one set of files behind, not one each.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from prometheus_client import Metric, values
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector

from callboard.errors import SettingsError
from callboard.settings import tell_library

_PREFIX: Final = "callboard-metrics-"
#: What prometheus-client reads, and what stands where a process id would for those that have ended.
_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
_ENDED: Final = "ended"


class SharedFiles:
    """The folder of one service; made by the process that starts the others, before they are there.

    Raises SettingsError when there is no room for it.
    """

    def __init__(self) -> None:
        _remove_abandoned()
        self.owner = os.getpid()
        try:
            self.path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        except OSError as error:
            raise SettingsError(
                "CALLBOARD_WEB_PROCESSES: several processes count in files together, and need a folder for "
                f"temporary files that they may write to (TMPDIR): {error.strerror}"
            ) from error
        #: Held open, and so locked, by every process of the service.
        self._owned = os.open(self.path / "owned", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._owned, fcntl.LOCK_EX)
        tell_library(_VARIABLE, str(self.path))
        values.ValueClass = values.get_value_class()  # chosen at import, when this was not decided yet

    def collect(self) -> list[Metric]:
        """Return the sums over all processes."""
        with self._locked(fcntl.LOCK_SH):
            return list(MultiProcessCollector(None, str(self.path)).collect())

    def ended(self, pid: int) -> None:
        """Keep what a process that has ended has counted, and forget what it had open."""
        with self._locked(fcntl.LOCK_EX):
            for file in self.path.glob(f"*_{pid}.db"):
                if not file.name.startswith("gauge_"):
                    _add(file, file.with_name(f"{file.name.split('_')[0]}_{_ENDED}.db"))
                file.unlink()

    @contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        with (self.path / "lock").open("w") as file:
            fcntl.flock(file, how)
            yield

    def remove(self) -> None:
        """Remove the folder: the service has ended."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._owned)


class Together:
    """A registry to print: this process's or the files of all, and what is known at this moment."""

    def __init__(self, *parts: Iterable[Metric]) -> None:
        self._parts = parts

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics."""
        for part in self._parts:
            yield from part


def _add(source: Path, target: Path) -> None:
    kept = MmapedDict(str(target))
    try:
        for key, value, *_ in MmapedDict.read_all_values_from_file(str(source)):
            kept.write_value(key, kept.read_value(key)[0] + value, 0.0)
    finally:
        kept.close()


def _remove_abandoned() -> None:
    """Remove the folders of services that were killed: nobody holds their lock any more."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError), (folder / "owned").open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
