"""The server as a child process."""

from __future__ import annotations

import atexit
import collections
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Deque, List, Mapping, Sequence, Union

from ._errors import NotFound, Unavailable

Source = Union[str, "os.PathLike[str]"]
_KEPT_LINES = 20


def _program() -> str:
    """TAMIS_PROGRAM, then the wheel tamis-server's, then `tamis` on the PATH."""
    chosen = os.environ.get("TAMIS_PROGRAM")
    if chosen:
        return chosen
    try:
        import tamis_server  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        pass
    else:
        return str(Path(tamis_server.__file__).parent / "tamis")
    found = shutil.which("tamis")
    if found is None:
        raise NotFound("serve: there is no program; install tamis[server], or set TAMIS_PROGRAM")
    return found


class Server:
    """A running server; a context manager that ends it. An interpreter that exits ends it, too."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._lines: Deque[str] = collections.deque(maxlen=_KEPT_LINES)
        self._reader = threading.Thread(target=self._read_errors, daemon=True)
        self._reader.start()
        atexit.register(self.close)
        self.url = ""

    def _read_errors(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            for line in lines:
                self._lines.append(line.rstrip("\n"))
                sys.stderr.write(line)

    def _wait_until_ready(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("tamis serves http"):
                self.url = line.split()[-1]
                break
        if self.url:
            threading.Thread(target=self._drain, daemon=True).start()
            return
        self._process.stdout.close()
        status = self._process.wait()
        self._reader.join(5)  # the last lines may be on their way
        raise Unavailable(f"serve: the server ended with status {status}: "
                          + ("; ".join(self._lines) or "it said nothing"))

    def _drain(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for _ in lines:
                pass

    @property
    def pid(self) -> int:
        """Of the child process."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """False once it has ended."""
        return self._process.poll() is None

    def close(self, timeout: float = 35) -> int:
        """Lets it answer what waits, and ends it; its exit status. After ``timeout`` seconds it is
        killed.
        """
        atexit.unregister(self.close)
        if self.running:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __repr__(self) -> str:
        state = self.url if self.running else "ended"
        return f"<tamis.Server {state}>"


def _arguments(options: Mapping[str, Any]) -> List[str]:
    """``max_body=5`` as --max-body=5; a list as one option for each value. None says nothing; False
    is said, so that it stands against the option's variable, and an unknown name is refused."""
    arguments: List[str] = []
    for name, value in options.items():
        option = "--" + name.replace("_", "-")
        for item in value if isinstance(value, (list, tuple)) else [value]:
            if item is not None:
                text = str(item).lower() if isinstance(item, bool) else str(item)
                arguments.append(f"{option}={text}")
    return arguments


def serve(
    models: Union[Source, Sequence[Source], Mapping[str, Source]],
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    **options: Any,
) -> Server:
    """Starts `tamis serve` and returns once it answers. ``models``: one, several, or by name.
    ``port`` 0: any that is free. ``options`` are those of `tamis serve --help`, with underscores.
    Throws Unavailable with the server's own message if it does not come up.

        >>> with tamis.serve("build/models/minilm") as server:
        ...     urllib.request.urlopen(server.url + "/health")
    """
    if isinstance(models, Mapping):
        named = [f"{name}={os.fspath(model)}" for name, model in models.items()]
    elif isinstance(models, (str, os.PathLike)):
        named = [os.fspath(models)]
    else:
        named = [os.fspath(model) for model in models]
    options.setdefault("grpc_port", -1)
    command = [_program(), "serve", *named, "--host", host, "--port", str(port),
               *_arguments(options)]
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
    except OSError as error:
        raise NotFound(f"serve: {command[0]}: {error.strerror}") from None
    server = Server(process)
    try:
        server._wait_until_ready()
    except BaseException:  # Ctrl-C too
        process.kill()
        process.wait()
        raise
    return server


__all__ = ["Server", "serve"]
