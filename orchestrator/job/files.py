"""Jobs are files, loaded by path: the built-in ones, and the user's own in `jobs/` beside deploy.toml."""

from __future__ import annotations

import importlib.util
import re
import sys
import tomllib
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, time
from difflib import get_close_matches
from hashlib import sha256
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, TypeVar

import structlog

from orchestrator.errors import OrchestratorError, UsageError
from orchestrator.job.contract import COMMON, Desired, Job, JobError, Parameter, text, texts
from orchestrator.manifest.declared.job_parameters import builtin_folder
from orchestrator.manifest.rollout.rollout_tables import RolloutTable
from orchestrator.manifest.rollout.rollout_values import rollout
from orchestrator.manifest.values import frozen
from orchestrator.model import JobSpec, Manifest, Rollout
from orchestrator.model.live_state import LiveState

T = TypeVar("T")

_log = structlog.get_logger()
_NAME = re.compile("[a-z][_a-z0-9]*")  # as `run` of [jobs.NAME] takes it
_FUNCTIONS = ("folders", "desired")


def known_jobs(project: Path) -> Mapping[str, Path]:
    """Return the files of all jobs by name: the built-in ones, and those of `project`, the folder of deploy.toml.

    A job of the project replaces a built-in one of the same name.
    """
    return builtin_jobs() | _files(project / "jobs")


def builtin_jobs() -> dict[str, Path]:
    """Return the files of the built-in jobs by name."""
    return _files(builtin_folder())


def _files(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(folder.glob("*.py")) if _NAME.fullmatch(path.stem)}


def find_job(name: str, project: Path) -> FileJob:
    """Load a job. `project`: the folder of deploy.toml. Raises `UsageError`."""
    jobs = known_jobs(project)
    path = jobs.get(name)
    if path is None:
        raise UsageError(
            f'there is no job "{name}"',
            advice=f"{perhaps(name, jobs)}choose from {', '.join(sorted(jobs))}, or write your own in"
            f" {project / 'jobs' / name}.py",
        )
    builtin = builtin_jobs().get(name)
    if builtin is not None and not builtin.samefile(path):
        _log.info("the project's own job is used in place of the built-in one", job=name, file=str(path))
    return FileJob(name, path)


def perhaps(name: str, known: Iterable[str]) -> str:
    """Return the start of an advice with the name that was most likely meant, "" if none is similar."""
    close = get_close_matches(name, list(known), n=1)
    return f'did you mean "{close[0]}"? ' if close else ""


class FileJob:
    """A job that is a file. Errors in it are reported with its file and line. `Job` documents its results."""

    def __init__(self, name: str, path: Path) -> None:
        self.name, self._path = name, path
        self._module = self._guarded(lambda: _load(name, path))
        for function in _FUNCTIONS:
            if not callable(getattr(self._module, function, None)):
                raise UsageError(
                    f"{path}: the job has no function {function}()", advice="see docs/jobs.md for what a job is"
                )
        self.PARAMETERS: Mapping[str, Parameter] = getattr(self._module, "PARAMETERS", None)  # type: ignore[assignment]  # checked next
        if not isinstance(self.PARAMETERS, Mapping) or not all(
            isinstance(parameter, Parameter) for parameter in self.PARAMETERS.values()
        ):
            raise UsageError(
                f"{path}: the job has no PARAMETERS, a table of name → Parameter",
                advice="write PARAMETERS = {} if it takes none",
            )

    @property
    def about(self) -> str:
        """The first paragraph of the file's docstring, in one line."""
        return " ".join((self._module.__doc__ or "").strip().partition("\n\n")[0].split())

    def folders(self, manifest: Manifest, given: Mapping[str, Any]) -> Sequence[str]:
        """Return the folders that the job needs."""
        found = self._guarded(lambda: self._module.folders(manifest, given))
        if not isinstance(found, list | tuple) or not all(isinstance(folder, str) for folder in found):
            raise self._wrong("folders", found, "a list of folder IDs")
        return found

    def desired(self, manifest: Manifest, live: LiveState, given: Mapping[str, Any]) -> Desired:
        """Return what the job desires."""
        found = self._guarded(lambda: self._module.desired(manifest, live, given))
        if not isinstance(found, Desired):
            raise self._wrong("desired", found, "Desired")
        if lost := found.failures.keys() - found.specs.keys():
            raise JobError(
                f'job "{self.name}" returns no spec for {", ".join(sorted(lost))}, which it lists in `failures`',
                advice=f"{self._path}: every function of `failures` must also be in `specs`",
            )
        return found

    def offline(self, manifest: Manifest, given: Mapping[str, Any]) -> None:
        """Run the checks of the job that do not need the live state. Raises `JobError`, `UsageError`."""
        own = getattr(self._module, "offline", None)
        if callable(own):
            self._guarded(lambda: own(manifest, given))

    def _wrong(self, function: str, found: object, desired: str) -> JobError:
        return JobError(
            f'job "{self.name}": {function}() gave {type(found).__name__}, not {desired}', advice=f"fix {self._path}"
        )

    def _guarded(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except OrchestratorError:
            raise
        except SyntaxError as error:
            place = f"{error.filename or self._path}:{error.lineno or 0}"
            raise UsageError(f"{place}: {error.msg}", advice="fix the job's file") from error
        except (Exception, SystemExit) as error:
            where = self._place(error)
            raise JobError(
                f'job "{self.name}" failed at {where}: {type(error).__name__}: {error}', advice="fix the job's file"
            ) from error

    def _place(self, error: BaseException) -> str:
        """Return the line of the job's own file that led to an error, or the file alone."""
        own = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(self._path)]
        return f"{self._path}:{own[-1]}" if own else str(self._path)


class _Loader(SourceFileLoader):
    """Reads the source each time, so that no __pycache__ appears in the user's project."""

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002 - as importlib calls it
        code: CodeType = self.source_to_code(self.get_data(self.path), self.path)
        return code


def _load(name: str, path: Path) -> ModuleType:
    """Import a file under a unique name. Files beside it do not become importable."""
    private = f"_orchestrator_job_{name}_{sha256(str(path).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(private, path, loader=_Loader(private, str(path)))
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} cannot be loaded", advice="a job is a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[private] = module  # dataclasses look their module up there
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[private]
        raise
    return module


def parameters(job: Job, spec: JobSpec, given: Mapping[str, str]) -> dict[str, Any]:
    """Return a value for every parameter: from `--param k=v` (`given`), [jobs.NAME], or the job's default, in this
    order.

    The engine adds `rollout`, `today` and `board_only`. Raises `JobError`.
    """
    place = f"{spec.place.file}:{spec.place.line}"
    in_file = _own(spec)
    for source, names in ((f" ({place})", in_file), (" (--param)", given)):
        for name in names:
            if name not in job.PARAMETERS:
                raise _unknown(name, job.PARAMETERS, _label(spec), source)
    values: dict[str, Any] = {}
    for name, parameter in job.PARAMETERS.items():
        if name in given:
            values[name] = _parsed(given[name], parameter)
        elif name in in_file:
            values[name] = in_file[name]
        elif parameter.required:
            raise JobError(
                f'job "{spec.name}" needs `{name}`: {parameter.description}',
                advice=f"add it at {place}, or give --param {name}=…",
            )
        else:
            values[name] = parameter.default
        if parameter.read is not None:
            parameter.read(values, name)
        if name in given or name in in_file:
            _check_given(name, parameter, values[name], {*given, *in_file})
    return values


def _check_given(name: str, parameter: Parameter, value: object, names: Collection[str]) -> None:
    """Check the rules for parameters that are set: see `Parameter.selects` and `needs`. `names`: all that are set.
    Raises `JobError`.
    """
    if parameter.selects and isinstance(value, tuple | list) and not value:
        raise JobError(
            f"`{name}` is empty: an empty list selects nothing", advice=f"list at least one, or remove `{name}`"
        )
    if parameter.needs and parameter.needs not in names:
        raise JobError(
            f"`{name}` has no effect without `{parameter.needs}`",
            advice=f"add `{parameter.needs}`, or remove `{name}`",
        )


def wrong_parameters(job: Job, spec: JobSpec, given: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the parameters of [jobs.NAME]: the key, "" for the table, and the message. `given`:
    those that --param sets instead.
    """
    in_file = _own(spec)
    for name in in_file:
        if name not in job.PARAMETERS:
            error = _unknown(name, job.PARAMETERS, _label(spec), "")
            yield name, f"{error.message}; {error.advice}"
    for name, parameter in job.PARAMETERS.items():
        if name in in_file and name not in given and parameter.read is not None:
            try:
                parameter.read(in_file, name)
                _check_given(name, parameter, in_file[name], {*given, *in_file})
            except JobError as error:
                yield name, f"{error.message}; {error.advice}"
        elif parameter.required and name not in in_file and name not in given:
            yield "", f"needs `{name}`: {parameter.description}"


def _own(spec: JobSpec) -> dict[str, Any]:
    """Return the parameters in [jobs.NAME] for the job itself."""
    return {key: value for key, value in spec.parameters.items() if key not in COMMON}


def _label(spec: JobSpec) -> str:
    """Return a job with the file that it runs, unless that has the same name."""
    return f'job "{spec.name}"' + (f" ({spec.run})" if spec.run != spec.name else "")


def _unknown(name: str, known: Iterable[str], job: str, source: str) -> JobError:
    names = sorted(known)
    return JobError(
        f'{job} has no parameter "{name}"{source}',
        advice=f"{perhaps(name, names)}its parameters are {', '.join(names)}" if names else "it has no parameters",
    )


def _parsed(given: str, parameter: Parameter) -> Any:
    """Read a value as TOML would, otherwise as text, or as several texts separated by commas if a list is expected.
    Numbers and dates are read only if text is not expected.
    """
    listed = parameter.read is texts or (parameter.read is None and isinstance(parameter.default, tuple))
    as_text: str | tuple[str, ...] = given
    if parameter.read is texts or (listed and "," in given):
        as_text = tuple(part for item in given.split(",") if (part := item.strip()))
    try:
        table = tomllib.loads(f"value = {given}")
    except tomllib.TOMLDecodeError:
        return as_text
    value = table["value"]
    if table.keys() != {"value"}:  # a line end in it began another statement
        return as_text
    textual = listed or parameter.read is text or isinstance(parameter.default, str | tuple)
    return as_text if textual and isinstance(value, bool | int | float | date | time) else frozen(value)


def rollout_of(spec: JobSpec, manifest: Manifest) -> Rollout:
    """Merge a job's own `rollout`, key by key, over [rollout]."""
    own = spec.parameters.get("rollout")
    if own is None:
        return manifest.rollout
    return rollout(RolloutTable.model_validate(_thawed(own)), manifest.path.absolute().parent, manifest.rollout)


def _thawed(value: Any) -> Any:
    """Return tuples as lists, as the tables take them, at any depth."""
    if isinstance(value, Mapping):
        return {key: _thawed(item) for key, item in value.items()}
    return list(map(_thawed, value)) if isinstance(value, tuple) else value
