"""Reads our own source: which files there are, and which rules of the house a module breaks."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("contracts", "messaging", "chassis", "services", "sandbox", "cli")

#: What a decision may not import: whatever waits, reads a clock, draws lots or touches the world.
WAITING = {
    "asyncio",
    "concurrent",
    "multiprocessing",
    "queue",
    "sched",
    "select",
    "signal",
    "threading",
    "time",
}
CHANCE = {"random", "secrets"}
OUTSIDE = {
    "contextvars",
    "ctypes",
    "http",
    "io",
    "logging",
    "os",
    "pathlib",
    "shutil",
    "socket",
    "sqlite3",
    "ssl",
}
OUTSIDE |= {"subprocess", "sys", "tempfile", "urllib"}
WORLD = frozenset(WAITING | CHANCE | OUTSIDE)
CLOCKS_AND_LOTS = frozenset({"now", "utcnow", "today", "uuid1", "uuid4", "open", "print", "input"})
IMPURE_ROOMS = frozenset({"__main__", "settings", "app", "handlers", "adapters"})

HANDLERS_IMPORT = frozenset({"typing", "collections", "collections.abc"})
DELIVERY_ERRORS = frozenset(
    f"messaging.errors.{error}" for error in ("TemporaryError", "PermanentError", "Later", "Outage")
)

BROAD = frozenset({"Exception", "BaseException"})


def files(*folders: str) -> Iterator[Path]:
    for folder in folders or PACKAGES:
        yield from sorted((ROOT / folder).rglob("*.py"))


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), named(path))


def package_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).parent.parts)


def room(service: str, name: str) -> Iterator[Path]:
    """The files of that room, be it a module or a package."""
    file = ROOT / "services" / service / f"{name}.py"
    yield from [file] if file.exists() else files(f"services/{service}/{name}")


def modules(package: str) -> Iterator[str]:
    """Importable names; a migration is a script that Alembic runs, not a module."""
    for path in files(package):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if "migrations" not in parts[:-1]:
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(tree: ast.Module, package: str) -> Iterator[str]:
    """Dotted names of all that is imported, relative ones completed as seen from `package`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")
            above = parents[: len(parents) + 1 - node.level] if node.level else []
            origin = [*above, *([node.module] if node.module else [])]
            yield from (".".join([*origin, alias.name]) for alias in node.names)


def impurities(tree: ast.Module, package: str) -> list[str]:
    """Why this module of a service decides by more than its arguments."""
    service = package.split(".")[:2]
    reached = [f"imports {name}" for name in imports(tree, package) if _reaches_out(name, service)]
    return reached + [f"line {line}: {deed}" for line, deed in _deeds(tree)]


def _reaches_out(name: str, service: list[str]) -> bool:
    parts = name.split(".")
    if parts[0] == "services":
        return parts[:2] != service or not IMPURE_ROOMS.isdisjoint(parts)
    if parts[0] == "messaging":
        return name not in DELIVERY_ERRORS
    return parts[0] in WORLD or parts[0] not in sys.stdlib_module_names | {"contracts"}


def _deeds(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith):
            yield node.lineno, "asynchronous"
        elif isinstance(node, ast.Call):
            word = ast.unparse(node.func).rpartition(".")[2]
            if word in CLOCKS_AND_LOTS:
                yield node.lineno, f"calls {word}()"


def unwelcome(tree: ast.Module, package: str) -> list[str]:
    """What these handlers import beside contracts, the errors of a delivery, their own domain and ports."""
    service = ".".join(package.split(".")[:2])
    own = (f"{service}.domain.", f"{service}.ports.")

    def welcome(name: str) -> bool:
        origin = name.rpartition(".")[0]
        ours = name.startswith("contracts.") or f"{name}.".startswith(own)
        return ours or name in HANDLERS_IMPORT | DELIVERY_ERRORS or origin in HANDLERS_IMPORT

    return [name for name in imports(tree, package) if not welcome(name)]


def catches_all(tree: ast.Module) -> list[int]:
    """Lines that catch whatever comes and don't raise it again."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if (isinstance(node, ast.ExceptHandler) and _keeps_all(node))
        or (isinstance(node, ast.Call) and _suppresses_all(node))
    ]


def _keeps_all(handler: ast.ExceptHandler) -> bool:
    broad = handler.type is None or any(ast.unparse(part) in BROAD for part in ast.walk(handler.type))
    last = handler.body[-1]
    return broad and not (isinstance(last, ast.Raise) and last.exc is None)


def _suppresses_all(call: ast.Call) -> bool:
    name = ast.unparse(call.func).rpartition(".")[2]
    return name == "suppress" and any(ast.unparse(argument) in BROAD for argument in call.args)


def long_functions(tree: ast.Module, most: int) -> list[str]:
    return [
        f"{node.name} has {length} lines"
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > most
    ]
