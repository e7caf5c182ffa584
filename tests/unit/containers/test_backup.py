"""A restore of what is no backup is refused before anything is asked of a container."""

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.containers import backup
from deploy.containers.compose import Compose
from deploy.containers.env import Env
from deploy.containers.trouble import Trouble


@pytest.fixture
def compose(tmp_path: Path) -> Compose:
    """An installation without an engine: whoever asks for it fails in another way than by Trouble."""
    return Compose(("no-such-program",), "no-such-program", tmp_path, Env({}), {})


def _archive(path: Path, *names: str, kind: bytes = tarfile.REGTYPE) -> None:
    with tarfile.open(path, "w") as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.type, member.size, member.linkname = (
                kind,
                4 if kind == tarfile.REGTYPE else 0,
                "/etc/passwd",
            )
            archive.addfile(member, io.BytesIO(b"data") if kind == tarfile.REGTYPE else None)


def _cut(path: Path) -> None:
    _archive(path, "appendonlydir/a.manifest", "appendonlydir/a.1.base.rdb")
    path.write_bytes(path.read_bytes()[:1030])


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: path.write_text("hello"), "no backup of Redis, or not all of it"),
        (lambda path: path.touch(), "no backup of Redis, or not all of it"),
        (_cut, "no backup of Redis, or not all of it"),
        (lambda path: _archive(path, "photos/1.jpg"), "no append-only files"),
        (lambda path: _archive(path, "appendonlydir/a.rdb"), "no append-only files"),
        (lambda path: _archive(path, "appendonlydir/a.manifest", "other"), "more than them"),
        (lambda path: _archive(path, "appendonlydir/../a.manifest"), "more than them"),
        (lambda path: _archive(path, "appendonlydir/a.manifest", kind=tarfile.SYMTYPE), "more than them"),
    ],
)
def test_an_archive_that_is_no_backup_is_refused(
    compose: Compose, tmp_path: Path, make: Callable[[Path], object], says: str
) -> None:
    make(tmp_path / "redis.tar")
    with pytest.raises(Trouble, match=says) as caught:
        backup.restore(compose, ".")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", json.dumps({"queues": "all"})])
def test_definitions_that_are_none_are_refused(compose: Compose, tmp_path: Path, text: str) -> None:
    (tmp_path / "rabbitmq.json").write_text(text)
    with pytest.raises(Trouble, match="no backup of RabbitMQ"):
        backup.restore(compose, ".")


def test_a_folder_that_is_missing_or_has_no_backup_is_told(compose: Compose, tmp_path: Path) -> None:
    with pytest.raises(Trouble, match="there is no such folder"):
        backup.restore(compose, "backups/gone")
    with pytest.raises(Trouble, match="there is no such folder"):
        backup.restore(compose, "")
    with pytest.raises(Trouble, match=r"neither redis\.tar nor rabbitmq\.json"):
        backup.restore(compose, ".")


def test_a_whole_backup_is_taken_to_the_containers(compose: Compose, tmp_path: Path) -> None:
    _archive(tmp_path / "redis.tar", "appendonlydir/a.manifest", "appendonlydir/a.1.base.rdb")
    with pytest.raises(FileNotFoundError, match="no-such-program"):
        backup.restore(compose, ".")
