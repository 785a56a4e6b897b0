"""The environment variables, from the commands' options and from the code that reads them."""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from gateway.rates import policies
from optigate.person import CREDENTIALS

ROOT = Path(__file__).parent.parent.parent
PACKAGES = ("chassis", "gateway", "sessions_svc", "orders_svc", "subscriptions_svc")
DEMO = "demo"
SERVICES = ("sessions", "orders", "subscriptions")
ENVIRONMENTS = {"environ", "environment"}  # what the code calls a mapping of variables
READERS = {"get", "setdefault"}
# A text that looks like this, in a call or a tuple, is a variable even where none is read at once.
VARIABLE = re.compile(r"(?:GATEWAY|GRPC|OTEL|SMTP|SMS)_[A-Z_]+[A-Z]")
OF_THE_SYSTEM = {"PATH"}
NAME = re.compile(r"[A-Z][A-Z0-9_]+")
ROW = re.compile(r"^\| (`[A-Z][^|]*)\|([^|]*)\|(.*)\|$", re.MULTILINE)


def find_variables() -> dict[str, str]:
    """Return the variables that some process reads, with their defaults; "" for none."""
    found: dict[str, dict[str, None]] = {}
    for name, default in (*_list_declared(), *_list_read(PACKAGES)):
        if NAME.fullmatch(name) and name not in OF_THE_SYSTEM:
            found.setdefault(name, {}).update({default: None} if default else {})
    for name, default in _list_read((DEMO,)):  # its own defaults where a process has none
        if NAME.fullmatch(name) and name not in OF_THE_SYSTEM:
            found[name] = found.get(name) or ({default: None} if default else {})
    return {name: ", ".join(found[name]) for name in sorted(found)}


def _list_declared() -> Iterator[tuple[str, str]]:
    """Yield the variables of limits, of accounts, and of the options of commands."""
    for name in CREDENTIALS.values():
        yield name, ""
    for name, default in policies.DEFAULTS.items():
        yield policies.name_variable(name), default
    yield policies.STORE_VARIABLE, ""
    for name in SERVICES:
        yield from _list_options(import_module(f"{name}_svc.__main__").cli)


def _list_read(packages: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the variables that the code of packages reads."""
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "environ" not in (text := path.read_text()) and not VARIABLE.search(text):
                continue
            if "migrations" in path.parts or path.stem in ("worker", "gunicorn_conf"):
                module = None  # they are not to be imported here
            else:
                module = import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
            yield from _list_reads(ast.parse(text), module)


def read_meanings(page: str) -> dict[str, tuple[str, str]]:
    """Return default and meaning of each variable in the tables of docs/operate.md."""
    found = {}
    for names, default, meaning in ROW.findall(page):
        listed = re.findall(r"`([A-Z][A-Z0-9_]+)`", names)
        prefixes = [each for each in listed if each.endswith("_")]  # (and `ORDERS_`, ...)
        listed = [each for each in listed if each not in prefixes]
        words = meaning.strip(" |").replace(" | ", "; by ").replace("](", "](../")
        for index, name in enumerate(listed):
            found[name] = (_choose_default(default.strip(), index, len(listed)), words)
            found |= {f"{each}{name.partition('_')[2]}": found[name] for each in prefixes}
    return found


def _choose_default(stated: str, index: int, count: int) -> str:
    """Return the default of one of several variables in a row, if it states one of each."""
    each = stated.split(", ")
    if count == 1 or len(each) != count:
        return stated
    host = each[0].strip("`").rpartition(":")[0]
    return each[index].replace("`:", f"`{host}:")


def write_variables(page: str) -> str:
    """Return the rows of the table of variables; `page` is docs/operate.md."""
    meanings = read_meanings(page)
    rows = []
    for name, default in find_variables().items():
        stated, meaning = meanings.get(name, ("", ""))
        if name.endswith("_FILE") and not meaning:
            meaning = f"a file with the value of `{name.removesuffix('_FILE')}`"
        shown = f"`{default}`" if default else stated
        rows.append(f"| `{name}` | {shown} | {meaning} |\n")
    return "".join(rows)


def _list_options(command: click.Command) -> Iterator[tuple[str, str]]:
    """Yield the variables of a command's options, and of its commands'."""
    for parameter in command.params:
        if isinstance(parameter.envvar, str):
            yield parameter.envvar, _write_default(parameter)
    for each in getattr(command, "commands", {}).values():
        yield from _list_options(each)


def _write_default(parameter: click.Parameter) -> str:
    if isinstance(parameter, click.Option) and isinstance(parameter.default, bool):
        return "on" if parameter.default else "off"
    default = parameter.default
    return str(default) if isinstance(default, str | int) else ""


def _list_reads(tree: ast.Module, module: ModuleType | None) -> Iterator[tuple[str, str]]:
    """Yield what the code of a module reads, and the default beside it."""
    names = vars(module) if module else {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and _names_environment(node.value):
            if isinstance(node.ctx, ast.Load):
                yield from ((each, "") for each in _resolve(node.slice, names))
        elif isinstance(node, ast.Tuple):
            for each in node.elts:
                yield from ((name, "") for name in _resolve(each, {}) if VARIABLE.fullmatch(name))
        elif isinstance(node, ast.Call):
            yield from _list_of_call(node, names)


def _list_of_call(node: ast.Call, names: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    function = node.func
    if isinstance(function, ast.Name) and function.id == "read_secret":
        for name in _resolve(node.args[1], names):
            yield from ((name, ""), (f"{name}_FILE", ""))
        return
    default = _find_default(node.args[1], names) if len(node.args) > 1 else ""
    is_read = isinstance(function, ast.Attribute) and function.attr in READERS
    if is_read and _names_environment(function.value):  # type: ignore[attr-defined]
        yield from ((name, default) for name in _resolve(node.args[0], names))
        return
    if isinstance(function, ast.Name) and node.args:
        for name in _resolve(node.args[0], names):
            if VARIABLE.fullmatch(name):
                yield name, default


def _names_environment(node: ast.expr) -> bool:
    found = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    return found in ENVIRONMENTS


def _resolve(node: ast.expr, names: Mapping[str, Any]) -> list[str]:
    """Return the texts that an expression may stand for: one of each service for its name."""
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else []
    if isinstance(node, ast.Name):
        value = names.get(node.id)
        return [value] if isinstance(value, str) else []
    if isinstance(node, ast.JoinedStr):
        texts = (_fill(node, service) for service in SERVICES)
        return list(dict.fromkeys(text for text in texts if text is not None))
    return []


def _fill(node: ast.JoinedStr, service: str) -> str | None:
    """Return an f-string with `name.upper()` as the name of a service; None for other values."""
    text = ""
    for part in node.values:
        if isinstance(part, ast.Constant):
            text += str(part.value)
        elif isinstance(part, ast.FormattedValue) and ast.unparse(part.value) == "name.upper()":
            text += service.upper()
        else:
            return None
    return text


def _find_default(node: ast.expr, names: Mapping[str, Any]) -> str:
    value = node.value if isinstance(node, ast.Constant) else None
    if isinstance(node, ast.Name):
        value = names.get(node.id)
    if isinstance(value, float):
        return f"{value:g}"
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
