"""The rules of a merged function's settings that involve several keys (cloud-api#fields, #limits)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from orchestrator.manifest.locate import KeyPath
from orchestrator.model.units import GB, MB, as_duration, as_size
from orchestrator.version.rings import TAGS_MAX
from orchestrator.version.runtimes import allows_concurrency

Values = Mapping[str, Any]

ENVIRONMENT_MAX_BYTES = 4096  # names and values, and names of secrets' variables (cloud-api#limits)
LONG_TIMEOUT_S = 600  # longer timeouts need long-lived functions, a preview on request


class Breach(NamedTuple):
    """A rule that is broken at a key of the function.

    `warning`: allowed, but should be known. `others`: further keys that the rule involves. If one of them is wrong by
    itself, the breach is not reported.
    """

    path: KeyPath
    rule: str
    warning: bool = False
    others: tuple[KeyPath, ...] = ()


Rule = Callable[[Values], Iterator[Breach]]


def repeated(items: Iterable[Any]) -> list[int]:
    """Return the indexes of items that occurred before."""
    seen: set[Any] = set()
    indexes = []
    for index, item in enumerate(items):
        if item in seen:
            indexes.append(index)
        seen.add(item)
    return indexes


def _under(path: KeyPath, *keys: str) -> tuple[KeyPath, ...]:
    return tuple((*path, key) for key in keys)


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))


def _environment(values: Values) -> Iterator[Breach]:
    environment: dict[str, str] = values.get("environment", {})
    secrets = values.get("secrets", [])
    total = sum(_bytes(name) + _bytes(value) for name, value in environment.items())
    total += sum(_bytes(secret.environment_variable) for secret in secrets)
    if total > ENVIRONMENT_MAX_BYTES:
        rule = (
            f"all variables together have {total} bytes; names and values, including secrets' names, "
            f"may have {ENVIRONMENT_MAX_BYTES}"
        )
        yield Breach(("environment",) if environment else ("secrets",), rule)
    for name, value in environment.items():
        if not value:
            yield Breach(("environment", name), "is empty: the cloud is reported to refuse empty values", warning=True)


def _secrets(values: Values) -> Iterator[Breach]:
    secrets = values["secrets"]
    environment = values.get("environment", {})
    for index, secret in enumerate(secrets):
        path = ("secrets", index)
        if (secret.id is None) == (secret.name is None):
            yield Breach(path, "needs exactly one of id and name", others=_under(path, "id", "name"))
        if secret.environment_variable in environment:
            variable = secret.environment_variable
            rule = f"{variable} is also in environment: a variable has one value"
            rule += f'; to remove an inherited one, set without = ["environment.{variable}"]'
            yield Breach(("secrets", index, "environment_variable"), rule)
    for index in repeated(secret.environment_variable for secret in secrets):
        rule = f"{secrets[index].environment_variable} is already set by another secret"
        yield Breach(("secrets", index, "environment_variable"), rule)


def _tags(values: Values) -> Iterator[Breach]:
    tags = values["tags"]
    for index in repeated(tags):
        yield Breach(("tags", index), f'"{tags[index]}" is listed twice')
    if len({*tags}) > TAGS_MAX:
        yield Breach(("tags",), f"a function can have {TAGS_MAX} tags, not {len({*tags})}")


def _labels(values: Values) -> Iterator[Breach]:
    if len(values["labels"]) > 64:
        yield Breach(
            ("labels",), f"must have at most 64 entries; with those inherited there are {len(values['labels'])}"
        )


def _scaling(values: Values) -> Iterator[Breach]:
    for tag, policy in values["scaling"].items():
        path, names = ("scaling", tag), ("provisioned", "zone_instances", "zone_requests")
        if all(getattr(policy, name) is None for name in names):
            rule = f"has no effect: set {', '.join(names[:2])} or {names[2]}; set all of them to 0 to remove the policy"
            yield Breach(path, rule, others=_under(path, *names))


def _service_account(values: Values) -> Iterator[Breach]:
    if "service_account_id" in values:
        yield Breach(("service_account",), "set only one of service_account and service_account_id")


def _connectivity(values: Values) -> Iterator[Breach]:
    connectivity = values["connectivity"]
    subnets = connectivity.get("subnet_ids", [])
    if subnets:
        rule = "is deprecated by the API (2026-05-14): network_id is enough"
        yield Breach(("connectivity", "subnet_ids"), rule, warning=True)
    elif "network_id" not in connectivity:
        yield Breach(
            ("connectivity",), "needs network_id", others=_under(("connectivity",), "network_id", "subnet_ids")
        )
    for index in repeated(subnets):
        yield Breach(("connectivity", "subnet_ids", index), f'"{subnets[index]}" is listed twice')


def _log(values: Values) -> Iterator[Breach]:
    if {"group_id", "folder_id"} <= values["log"].keys():
        yield Breach(("log", "folder_id"), "set only one of group_id and folder_id")


def _mounts(values: Values) -> Iterator[Breach]:
    mounts = values.get("mounts", [])
    for index, mount in enumerate(mounts):
        path = ("mounts", index)
        others = _under(path, "bucket", "disk_size")
        if (mount.bucket is None) == (mount.disk_size is None):
            yield Breach(path, "needs exactly one of bucket and disk_size", others=others)
        if mount.prefix is not None and mount.bucket is None:
            yield Breach((*path, "prefix"), "is only allowed with bucket", others=others)
        if mount.block_size is not None and mount.disk_size is None:
            yield Breach((*path, "block_size"), "is only allowed with disk_size", others=others)
    older = values.get("storage_mounts", [])
    if older:
        yield Breach(("storage_mounts",), "is deprecated by the API (2024-08-19): use `mounts`", warning=True)
    counts = Counter(mount.name for mount in (*mounts, *older))
    for key, items in (("mounts", mounts), ("storage_mounts", older)):
        names = [item.name for item in items]
        for index, name in enumerate(names):
            if counts[name] > 1 and (name in names[:index] or key == "storage_mounts"):
                yield Breach((key, index, "name"), f'two mounts are named "{name}"')


def _async_invocation(values: Values) -> Iterator[Breach]:
    for key in ("success", "failure"):
        target = values["async_invocation"].get(key)
        if target is None or (target.queue_arn is None) == (target.service_account_id is None):
            continue
        lacking = "queue_arn" if target.queue_arn is None else "service_account_id"
        rule = f"a queue needs queue_arn and service_account_id; {lacking} is missing"
        yield Breach(("async_invocation", key), rule, others=(("async_invocation", key, lacking),))


def _tmpfs_size(values: Values) -> Iterator[Breach]:
    size_bytes, memory_bytes = values["tmpfs_size"], values.get("memory")
    if size_bytes == 0 or memory_bytes is None:
        return
    if memory_bytes < GB:
        yield Breach(("tmpfs_size",), f'needs a memory of at least "1GB", not {as_size(memory_bytes)}')
    elif not 512 * MB <= size_bytes <= memory_bytes * 3 // 4:
        most = as_size(memory_bytes * 3 // 4)
        yield Breach(
            ("tmpfs_size",), f"must be 0, or from 512MB to three quarters of memory ({most})", others=(("memory",),)
        )


def _concurrency(values: Values) -> Iterator[Breach]:
    runtime = values.get("runtime")
    if values["concurrency"] > 1 and runtime is not None and not allows_concurrency(runtime):
        yield Breach(
            ("concurrency",),
            f"is for Node.js, Go, Java, Kotlin and Bash only, not for {runtime}",
            others=(("runtime",),),
        )


def _timeout(values: Values) -> Iterator[Breach]:
    if values["timeout"] > LONG_TIMEOUT_S:
        rule = f"is over {as_duration(LONG_TIMEOUT_S)}: the cloud allows that only for long-lived functions, on request"
        yield Breach(("timeout",), rule, warning=True)


# The rules, by the key that makes them relevant.
_RULES: dict[str, Rule] = {
    "environment": _environment,
    "secrets": _secrets,
    "tags": _tags,
    "labels": _labels,
    "scaling": _scaling,
    "service_account": _service_account,
    "connectivity": _connectivity,
    "log": _log,
    "mounts": _mounts,
    "storage_mounts": _mounts,
    "async_invocation": _async_invocation,
    "tmpfs_size": _tmpfs_size,
    "concurrency": _concurrency,
    "timeout": _timeout,
}


def setting_breaches(values: Values) -> Iterator[Breach]:
    """Yield all rules that the settings break. A breach may come twice."""
    for key in values:
        rule = _RULES.get(key)
        if rule is not None:
            yield from rule(values)
    if "secrets" in values and "environment" not in values:
        yield from _environment(values)
