"""What is known to break when a function's runtime changes (cloud-api#runtimes)."""

from __future__ import annotations

import re

from orchestrator.model import Settings

# Runtimes from before Ubuntu 22.04: "bash" is 18.04 according to the docs, the others by their age.
_UBUNTU_18 = {
    "python37", "python38", "python39", "nodejs10", "nodejs12", "nodejs14", "php74", "php8", "golang116", "golang117",
    "golang118", "golang119", "java11", "dotnetcore31", "dotnet31", "bash",
}  # fmt: skip
_WITH_SDK = {
    "python37": "yandexcloud: requirements.txt", "python38": "yandexcloud: requirements.txt",
    "nodejs10": "yandex-cloud: package.json", "nodejs12": "yandex-cloud: package.json",
    "nodejs14": "yandex-cloud: package.json",
}  # fmt: skip
_PRELOADED = {"nodejs16", "nodejs18", "nodejs22", "python311", "python312"}
_NOT_PRELOADED_WITH = {"X_YCF_NO_RUNTIME_POOL", "LD_PRELOAD", "LD_LIBRARY_PATH"}  # in the environment
_MAJOR_FIRST = ("python", "golang", "php", "ruby", "r")  # languages whose runtimes are named by MAJOR and MINOR
_CONCURRENT = ("nodejs", "golang", "java", "bash", "kotlin")  # runtimes that take `concurrency` (cloud-api#fields)


def language(runtime: str) -> str:
    """Return a runtime's language: python312 → python, bash-2204 → bash."""
    found = re.match("[a-z]*", runtime)
    name = found[0] if found else ""
    return "dotnet" if name == "dotnetcore" else name


def is_older(runtime: str, *, than: str) -> bool:
    """Return whether a runtime is an older one of the same language: python39 than python312, nodejs8 than nodejs10."""
    return language(runtime) == language(than) and generation(runtime) < generation(than)


def generation(runtime: str) -> tuple[int, ...]:
    """Return the version number of a runtime: python312 → (3, 12), nodejs22 → (22,), bash → ()."""
    numbers = re.findall("[0-9]+", runtime)
    named = language(runtime)
    if len(numbers) == 1 and (named in _MAJOR_FIRST or (named == "dotnet" and numbers == ["31"])):
        return int(numbers[0][0]), int(numbers[0][1:] or 0)
    return tuple(int(number) for number in numbers)


def allows_concurrency(runtime: str) -> bool:
    """Return whether one instance may serve more than one call at a time."""
    return runtime.startswith(_CONCURRENT)


def traps(old: str, to: str, settings: Settings) -> list[str]:
    """Return what may break when a function with these settings changes its runtime, a sentence each."""
    found = []
    if old in _WITH_SDK and to not in _WITH_SDK:
        library, file = _WITH_SDK[old].split(": ")
        found.append(f"{to} no longer includes the Yandex SDK: code that uses {library} must list it in {file}")
    if old in _UBUNTU_18 and to not in _UBUNTU_18:
        found.append(f"{to} runs on Ubuntu 22.04, not 18.04: shared libraries in the package were built for libc 2.27")
    opted_out = settings.tmpfs_size_bytes or _NOT_PRELOADED_WITH & settings.environment.keys()
    if to in _PRELOADED and old not in _PRELOADED and not opted_out:
        found.append(
            f"{to} is preloaded, so the cloud may change its minor version; set the variable X_YCF_NO_RUNTIME_POOL=1 to"
            " opt out"
        )
    return found


def forbidden(to: str, settings: Settings) -> str:
    """Return which setting the new runtime does not allow, "" for none: nothing is dropped silently."""
    if (settings.concurrency or 0) > 1 and not allows_concurrency(to):
        return f"it has concurrency = {settings.concurrency}, which {to} does not allow: set it to 1, or skip it"
    return ""
