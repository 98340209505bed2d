"""Reads cluster.yaml into settings, or says every mistake in it: where, what is wrong, and the fix.

Each field is converted on its own, so that one mistake does not hide the next.
"""

import difflib
import re
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin

import msgspec
import yaml

from cluster.problem import ConfigError, Problem
from cluster.settings import Settings
from cluster.settings_rules import broken_rules

_BOOL: Final = "tag:yaml.org,2002:bool"
_MAX_FILE_BYTES: Final = 4 << 20


def read_settings(file: Path) -> Settings:
    """The settings in `file`; ConfigError with every mistake when it cannot be used as it is."""
    settings, problems = examine_settings(file)
    if settings is None or problems:
        raise ConfigError(problems)
    return settings


def examine_settings(file: Path) -> tuple[Settings | None, tuple[Problem, ...]]:
    """The settings where every field could be read, and all mistakes that were found."""
    try:
        text = _read_text(file)
        tree, lines = _parse(file, text)
    except ConfigError as error:
        return None, error.problems
    reader = _Reader(file.resolve().parent)
    settings = reader.read(Settings, tree, "")
    if reader.problems:
        return None, tuple(_with_line(problem, file, lines) for problem in reader.problems)
    assert isinstance(settings, Settings), "no problems, so a value"
    return settings, tuple(_with_line(problem, file, lines) for problem in broken_rules(settings))


def _read_text(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            raw = stream.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        what, fix = (
            f"cannot be read: {error.strerror}",
            "check the path and its permissions; `tripod init` writes a new one",
        )
        raise ConfigError((Problem(str(file), what, fix),)) from error
    if len(raw) > _MAX_FILE_BYTES:
        raise ConfigError((Problem(str(file), "is larger than 4 MiB", "this cannot be a cluster.yaml"),))
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise ConfigError((Problem(str(file), f"is not UTF-8 at byte {error.start}", "save it as UTF-8"),)) from error


class _Loader(yaml.SafeLoader):
    """Reads only true and false as booleans, as YAML 1.2 does: `off` is a word, and some settings take it."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own way
        first: [(tag, pattern) for tag, pattern in resolvers if tag != _BOOL]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_Loader.add_implicit_resolver(_BOOL, re.compile(r"^(?:true|false)\Z", re.IGNORECASE), list("tTfF"))


def _parse(file: Path, text: str) -> tuple[object, dict[str, int]]:
    try:
        root = yaml.compose(text, Loader=_Loader)
        if root is None:
            raise ConfigError((Problem(str(file), "is empty", "`tripod init` writes a working file"),))
        lines: dict[str, int] = {}
        twice = list(_walk(root, "", lines))
        tree = _Loader(text).get_single_data()
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{file}:{mark.line + 1}" if mark else str(file)
        what = getattr(error, "problem", None) or str(error) or type(error).__name__
        raise ConfigError((Problem(where, f"is not YAML: {what}", "mend the line named here"),)) from error
    if twice:
        fix = "keep one of them"
        raise ConfigError(tuple(Problem(f"{file}:{lines[path]}", f"{path} is there twice", fix) for path in twice))
    return tree, lines


def _walk(node: yaml.Node, path: str, lines: dict[str, int]) -> Iterator[str]:
    """Note the line of every path; yield the paths that are there twice (YAML would silently keep the last)."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            below = _join(path, str(key.value))
            if below in lines:
                yield below
            lines[below] = key.start_mark.line + 1
            yield from _walk(value, below, lines)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            below = f"{path}[{number}]"
            lines[below] = value.start_mark.line + 1
            yield from _walk(value, below, lines)


def _with_line(problem: Problem, file: Path, lines: dict[str, int]) -> Problem:
    path = problem.where
    while path and path not in lines:
        path = path.rpartition(".")[0]
    at = f"{file}:{lines[path]}" if path else str(file)
    return Problem(f"{at}: {problem.where}" if problem.where else at, problem.what, problem.fix)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


class _Reader:
    """Converts a tree of plain values to structs, collecting problems instead of stopping at the first."""

    def __init__(self, base: Path) -> None:
        self._base = base
        self.problems: list[Problem] = []

    def read(self, kind: Any, value: object, path: str) -> object:
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return self._struct(kind, value, path)
        origin = get_origin(kind)
        if origin is dict:
            return self._mapping(get_args(kind), value, path)
        if origin is tuple:
            return self._list(get_args(kind)[0], value, path)
        if origin in {UnionType, Union} and value is not None:
            options = [option for option in get_args(kind) if option is not type(None)]
            # A list, a mapping or a word: what was written says which of them is meant.
            meant = [option for option in options if _is_written_so(option, value)]
            return self.read((meant or options)[0], value, path)
        if kind is Path:
            return self._path(value, path)
        return self._leaf(kind, value, path)

    def _struct(self, kind: type[msgspec.Struct], value: object, path: str) -> object:
        if not isinstance(value, dict):
            return self._wrong(
                path, f"is {_shown(value)} where a mapping belongs", f"write `key: value` lines below it: {_keys(kind)}"
            )
        fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
        for key in value:
            if key not in fields:
                near = difflib.get_close_matches(str(key), fields, n=1)
                fix = f"did you mean `{near[0]}`?" if near else f"known here: {_keys(kind)}"
                self._wrong(_join(path, str(key)), "is not a setting", fix)
        arguments = {}
        before = len(self.problems)
        for name, field in fields.items():
            if name in value:
                arguments[field.name] = self.read(field.type, value[name], _join(path, name))
            elif field.required:
                self._wrong(_join(path, name), "is missing", "add it; docs/operations.md describes every setting")
        return kind(**arguments) if len(self.problems) == before else None

    def _mapping(self, kinds: tuple[Any, ...], value: object, path: str) -> object:
        key_kind, value_kind = kinds
        if not isinstance(value, dict):
            return self._wrong(
                path, f"is {_shown(value)} where a mapping of names belongs", "write `name: …` lines below it"
            )
        return {self._leaf(key_kind, key, _join(path, str(key))): self.read(value_kind, item, _join(path, str(key)))
                for key, item in value.items()}  # fmt: skip

    def _list(self, kind: Any, value: object, path: str) -> object:
        if not isinstance(value, list):
            return self._wrong(path, f"is {_shown(value)} where a list belongs", "write it as [one, two]")
        return tuple(self.read(kind, item, f"{path}[{number}]") for number, item in enumerate(value))

    def _path(self, value: object, path: str) -> object:
        if not isinstance(value, str) or not value or "\0" in value:
            return self._wrong(path, f"is {_shown(value)} where a file path belongs", "write the path as text")
        return self._base / value

    def _leaf(self, kind: Any, value: object, path: str) -> object:
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            options = _options(kind)
            fix = f"use one of: {', '.join(options)}" if options else "write a value of that kind"
            if not options and _is_text(kind) and not isinstance(value, str):
                fix = "write it in quotes"
            return self._wrong(path, f"is {_shown(value)}: {str(error)[:1].lower()}{str(error)[1:]}", fix)

    def _wrong(self, path: str, what: str, fix: str) -> object:
        self.problems.append(Problem(path, what, fix))
        return None


def _is_written_so(kind: Any, value: object) -> bool:
    """Whether values of that kind look like this one in YAML."""
    if get_origin(kind) is tuple:
        return isinstance(value, list)
    is_struct = isinstance(kind, type) and issubclass(kind, msgspec.Struct)
    return isinstance(value, dict) if is_struct else not isinstance(value, list | dict)


def _is_text(kind: Any) -> bool:
    return isinstance(msgspec.inspect.type_info(kind), msgspec.inspect.StrType)


def _keys(kind: type[msgspec.Struct]) -> str:
    return ", ".join(field.encode_name for field in msgspec.structs.fields(kind))


def _shown(value: object) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _options(kind: Any) -> list[str]:
    match msgspec.inspect.type_info(kind):
        case msgspec.inspect.EnumType(cls=cls):
            return [str(member.value) for member in cls]
        case msgspec.inspect.LiteralType(values=values):
            return [str(value) for value in values]
        case _:
            return []
