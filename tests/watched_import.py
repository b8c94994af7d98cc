"""Imports modules in a fresh process and tells what they did that an import may not do.

`python -m tests.watched_import FOLDER MODULE...` prints a line for every read of the environment and every
socket that code under FOLDER caused. What a foreign package does while it is itself imported is not ours, nor
is that it asks for a variable of its own name (pydantic for `PYDANTIC_…`, whenever a model is defined).
"""

import importlib
import os
import sys
from collections.abc import Mapping
from types import FrameType
from typing import ClassVar

FOREIGN = f"{os.sep}site-packages{os.sep}"
#: Files through which a read of `os.environ` passes: `getenv`, `get`, `in`, `items`.
MAPPINGS = frozenset({os.getenv.__code__.co_filename, Mapping.get.__code__.co_filename})


class Watched(os._Environ[str]):
    """The process environment, telling of every read."""

    folder: ClassVar[str]

    def __getitem__(self, name: str) -> str:
        if not _asked_by_its_owner(name):
            _tell(f"reads the variable {name}", self.folder)
        return super().__getitem__(name)


def main(folder: str, modules: list[str]) -> None:
    watched = os.path.join(os.path.realpath(folder), "")

    def hear(event: str, _: tuple[object, ...]) -> None:
        if event == "socket.__new__":
            _tell("opens a socket", watched)

    sys.path.insert(0, folder)
    Watched.folder = watched
    os.environ.__class__ = Watched
    sys.addaudithook(hear)
    for module in modules:
        importlib.import_module(module)


def _asked_by_its_owner(variable: str) -> bool:
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename in MAPPINGS:
        frame = frame.f_back
    package = frame.f_code.co_filename.partition(FOREIGN)[2].partition(os.sep)[0] if frame else ""
    return bool(package) and variable.startswith(f"{package.upper()}_")


def _tell(deed: str, folder: str) -> None:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith("<frozen importlib"):
            return
        if file.startswith(folder) and FOREIGN not in file and file != __file__:
            sys.stdout.write(f"{file.removeprefix(folder)}:{frame.f_lineno} {deed}\n")
            return
        frame = frame.f_back


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
