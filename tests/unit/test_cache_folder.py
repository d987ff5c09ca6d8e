"""The folder for temporary files, which several users of a host may share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from covalent_awsbatch_plugin.aws.objects.cache_folder import CacheFolder
from covalent_awsbatch_plugin.errors import CacheDirUnusable

NOBODY = 65534

as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can act as another user")


def as_another_user(folder: Path) -> list[str]:
    """Use the folder in a process of another user, which is forked with all modules loaded."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            used = CacheFolder(str(folder))
            used.check()
            with used.file() as file:
                links = os.fstat(file.fileno()).st_nlink
            os.write(writing, f"{links}\n{used._folder()}\n".encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as pipe:
        return pipe.read().split("\n")


def test_a_file_has_no_name(tmp_path: Path) -> None:
    folder = CacheFolder(str(tmp_path / "cache"))
    with folder.file() as file:
        file.write(b"content")
        file.flush()
        file.seek(0)
        assert file.read() == b"content"
        assert not list((tmp_path / "cache").iterdir())


def test_a_file_in_the_folder_s_place_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("")
    with pytest.raises(CacheDirUnusable, match=r"cache: File exists"):
        CacheFolder(str(tmp_path / "cache")).check()


def test_a_link_of_one_s_own_may_lead_to_another_disk(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "cache").symlink_to(tmp_path / "disk")
    folder = CacheFolder(str(tmp_path / "cache"))
    folder.check()
    with folder.file() as file:
        assert os.fstat(file.fileno()).st_dev == (tmp_path / "disk").stat().st_dev


@as_root
def test_two_users_share_the_default_folder(tmp_path: Path) -> None:
    """The first one makes it and owns it; the second one cannot write there."""
    shared = tmp_path / "covalent"
    for part in (tmp_path, *tmp_path.parents[:2]):
        part.chmod(0o1777)
    CacheFolder(str(shared)).check()
    links, used, *_ = as_another_user(shared)
    assert links == "0"
    assert used == f"{shared}-{NOBODY}"
    assert (Path(used).stat().st_uid, Path(used).stat().st_mode & 0o777) == (NOBODY, 0o700)


@as_root
def test_a_folder_that_another_user_prepared_is_not_used(tmp_path: Path) -> None:
    """Another user owns the folder, and has put what looks like ours into it."""
    shared = tmp_path / "covalent"
    ours = shared / f"covalent-{os.getuid()}"
    ours.mkdir(parents=True)
    for path in (shared, ours):
        path.chmod(0o777)
        os.chown(path, NOBODY, NOBODY)
    folder = CacheFolder(str(shared))
    folder.check()
    assert not list(ours.iterdir())
    assert (tmp_path / f"covalent-{os.getuid()}").is_dir()
