"""The project's own processes, made to die, freeze or hang at a named place. For tests only.

    python -m tests.reliability.doomed MARKS worker SPEC...
    python -m tests.reliability.doomed MARKS daphne|uvicorn PORT SPEC

Imports the project once, forks one process for each SPEC (`boundary[@nth][:action]`), and wraps the function at the
boundary from outside: nothing in the project knows of it. The actions are `kill`, `stop`, `hang`, and `forward` and
`back`, which put the clock of the process on or back. A process acts once; MARKS/<spec>.hit then holds the moment,
MARKS/<spec>.pid who it is.
"""

from __future__ import annotations

import asyncio
import ctypes
import importlib
import inspect
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import time_machine

HANG_SECONDS = 10.0
STEPS_SECONDS = {"forward": 3600.0, "back": -3600.0}

Hit = Callable[[], None]
When = Callable[..., bool]


def always(*_: Any) -> bool:
    return True


def around(holder: Any, name: str, hit: Hit, *, after: bool, when: When = always) -> None:
    """Have `hit` called before or after the function, where its arguments fit."""
    real = getattr(holder, name)

    @wraps(real)
    def sync(*args: Any, **kwargs: Any) -> Any:
        fits = when(*args)
        if fits and not after:
            hit()
        result = real(*args, **kwargs)
        if fits and after:
            hit()
        return result

    @wraps(real)
    async def coroutine(*args: Any, **kwargs: Any) -> Any:
        fits = when(*args)
        if fits and not after:
            hit()
        result = await real(*args, **kwargs)
        if fits and after:
            hit()
        return result

    setattr(holder, name, coroutine if inspect.iscoroutinefunction(real) else sync)


def _on_deltas_committed(hit: Hit) -> None:
    from chat import events

    execution: Any = importlib.import_module("chat.execution")
    real = execution.append

    def append(thread_id: Any, fence: Any, happened: list[Any]) -> Any:
        written = real(thread_id, fence, happened)
        if any(isinstance(event, events.AssistantDelta) for event in happened):
            written.add_done_callback(lambda _: hit())
        return written

    execution.append = append


def _within_checkpoint(hit: Hit) -> None:
    from chat.agent.checkpoints import FencedSaver

    real = FencedSaver._transaction

    @asynccontextmanager
    async def transaction(self: Any) -> AsyncIterator[Any]:
        async with real(self) as found:
            # By a flush: the fence's lock is held, and the server does not know that it waits.
            await found.execute("SELECT 1")
            await found.fetchone()
            hit()
            yield found

    FencedSaver._transaction = transaction  # type: ignore[method-assign]


def _files_kept(hit: Hit) -> None:
    from chat import images

    real = images.keeping

    @contextmanager
    def keeping(*args: Any, **kwargs: Any) -> Iterator[Any]:
        with real(*args, **kwargs) as image:
            hit()
            yield image

    images.keeping = keeping


def _image_untold(hit: Hit) -> None:
    """The tool's result is stored, and so it will not run again; that there is a picture has not been told."""
    from chat import runs
    from chat.agent.checkpoints import FencedSaver

    stored = threading.Event()
    around(FencedSaver, "aput_writes", stored.set, after=True, when=_tool_result)
    real = runs.announce_image

    def announce_image(*args: Any) -> None:
        if stored.wait(HANG_SECONDS):
            hit()
        real(*args)

    runs.announce_image = announce_image  # type: ignore[assignment]


def _ack_written(hit: Hit) -> None:
    from chat.consumers.socket import Socket

    real = Socket.write

    async def write(self: Any, text: str) -> None:
        await real(self, text)
        if text.startswith('{"type":"ack"'):
            asyncio.get_running_loop().call_later(0.2, hit)  # the server has given it to the kernel by then

    Socket.write = write  # type: ignore[method-assign]


def _running(claim: Any, call: Any, *_: Any) -> bool:
    return bool(call.status == "running")


def _ended(claim: Any, call: Any, *_: Any) -> bool:
    return bool(call.status != "running")


def _tool_result(saver: Any, config: Any, writes: Any, *_: Any) -> bool:
    return "ToolMessage" in repr(writes)


def boundaries() -> dict[str, Callable[[Hit], None]]:
    """Every named place, with what makes it call."""
    from psycopg import AsyncPipeline

    from chat import effects, models, naming, runs
    from chat.agent.checkpoints import FencedSaver
    from chat.prepared import Prepared
    from chat.runs import rows

    def at(holder: Any, name: str, after: bool = False, when: When = always) -> Callable[[Hit], None]:
        return lambda hit: around(holder, name, hit, after=after, when=when)

    effect = effects.RunEffects
    return {
        "ack-before-commit": at(runs, "honour"),
        "ack-before": at(runs, "honour", after=True),
        "ack-after": _ack_written,
        "claim-before": at(runs, "claim"),
        "claim-after": at(runs, "claim", after=True),
        "token": _on_deltas_committed,
        "append-before": at(Prepared, "execute"),
        "append-after": at(Prepared, "execute", after=True),
        "checkpoint-before": at(FencedSaver, "aput"),
        "checkpoint-within": _within_checkpoint,
        # The transaction is open on the server, the fence's lock held, everything written but not committed.
        "checkpoint-in": at(AsyncPipeline, "sync", after=True),
        "checkpoint-after": at(FencedSaver, "aput", after=True),
        "call-before": at(runs, "note_tool_call", when=_running),
        "call-after": at(runs, "note_tool_call", after=True, when=_running),
        "tool-start": at(effect, "find_image"),
        "tool-middle": at(effect, "save_preview", after=True),
        "effect-files": _files_kept,
        # The row is written and not committed: the server ends the transaction of who is frozen here.
        "effect-in": at(models.Image, "save", after=True),
        "effect-before": at(effect, "_save_image"),
        "effect-after": at(effect, "_save_image", after=True),
        "image-before": at(runs, "announce_image"),
        "image-after": at(runs, "announce_image", after=True),
        "image-untold": _image_untold,
        "result-before": at(FencedSaver, "aput_writes", when=_tool_result),
        "result-after": at(FencedSaver, "aput_writes", after=True, when=_tool_result),
        "noted-before": at(runs, "note_tool_call", when=_ended),
        "noted-after": at(runs, "note_tool_call", after=True, when=_ended),
        "complete-before": at(runs, "complete"),
        "complete-after": at(runs, "complete", after=True),
        "prune-before": at(rows, "prune"),
        "prune-after": at(rows, "prune", after=True),
        "title-before": at(naming, "_keep"),
        "title-after": at(naming, "_keep", after=True),
        "restart-before": at(runs, "restart"),
        "restart-after": at(runs, "restart", after=True),
        "rescue-in": at(runs, "revive"),
    }


def arm(spec: str, marks: Path) -> None:
    """Make this process act when it comes to the boundary for the nth time."""
    place, _, action = spec.partition(":")
    name, _, nth = place.partition("@")
    left = int(nth or 1)
    (marks / f"{spec}.pid").write_text(str(os.getpid()))

    def hit() -> None:
        nonlocal left
        left -= 1
        if left != 0:
            return
        try:
            with (marks / f"{spec}.hit").open("x") as mark:
                mark.write(repr(time.time()))
        except FileExistsError:
            return  # it has acted in a life before
        match action or "kill":
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "stop":
                os.kill(os.getpid(), signal.SIGSTOP)
            case "hang":
                time.sleep(HANG_SECONDS)
            case step:
                # Whatever Python code asks what time it is. The monotonic clock does not step, nor the database's.
                time_machine.travel(time.time() + STEPS_SECONDS[step]).start()

    boundaries()[name](hit)


def prepare() -> None:
    """Import what a worker needs, before the forks share it. Opens no connection and starts no thread."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "project.settings"
    import django

    django.setup()
    for name in ("agent.painter.local", "consumers", "management.commands.procrastinate"):
        importlib.import_module(f"chat.{name}")
    from chat import configured

    configured.model()
    configured.the_painter()


def serve(program: str, port: str) -> None:
    if program == "worker":
        from django.core.management import execute_from_command_line

        execute_from_command_line(["manage.py", "procrastinate", "worker"])
    elif program == "daphne":
        from daphne.cli import CommandLineInterface

        CommandLineInterface().run(["-b", "127.0.0.1", "-p", port, "project.asgi:application"])
    else:
        import uvicorn

        uvicorn.run("project.asgi:application", port=int(port), ws="websockets-sansio", proxy_headers=False)


def main(marks: Path, program: str, *rest: str) -> None:
    port, specs = ("", rest) if program == "worker" else (rest[0], rest[1:])
    prepare()
    if len(specs) == 1:
        arm(specs[0], marks)
        serve(program, port)
        return
    libc = ctypes.CDLL(None)
    for spec in specs:
        if os.fork() == 0:
            libc.prctl(1, signal.SIGKILL)  # the test's end is theirs
            arm(spec, marks)
            serve(program, port)
            os._exit(0)
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
