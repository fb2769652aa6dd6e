"""Every way in which a run can end, and the commands that may follow: for tests and for docs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from orchestrator.app.commands import resume, rollback, run, runs, show
from orchestrator.app.session.back import unbegun_of
from orchestrator.app.session.carry_out import deploy_selected
from orchestrator.app.session.invocation import Invocation
from orchestrator.errors import Exit, OrchestratorError
from orchestrator.journal.store import open_store
from orchestrator.model import Limits
from orchestrator.report.history import chain_word, state_word
from orchestrator.report.plan_text import plan_counts
from orchestrator.report.summary import counts
from orchestrator.report.views import CommandResult, PlanView, ResultView, RunsView
from tests.simulation.rollouts import RolloutBench

HEAD = """
[cloud]
folder_id = "folder"
[storage]
bucket = "packages"
prefix = "functions/"
[defaults]
runtime = "python312"
entrypoint = "index.handler"
memory = "128MB"
create = true
[limits]
operations_per_folder = 1
[jobs.all]
run = "mass_redeploy"
schedule = "0 * * * *"
"""
COUNT = 3
HOUR_S = 3600.0  # as the job is due


class EndBench(RolloutBench):
    """A bench that collects all output of a command: errors with their advice, and the command to continue."""

    dies_when: Callable[[], bool] | None = None

    def tick(self) -> None:
        if self.dies_when is not None and self.die_after is None and self.dies_when():
            self.die_after = 1
        super().tick()

    def sent_versions(self) -> list[tuple[str, Mapping[str, Any]]]:
        """Return the createVersion calls that were sent."""
        return self.functions.sent

    def type_in(self, command: str) -> tuple[int | None, str]:
        """Run a command. Returns its exit code, and its output except progress."""
        if command in ("show", "runs"):
            given: dict[str, Any] = {
                "config": self.root / "deploy.toml",
                "state": self.state_dir,
                "endpoint": None,
                "bucket": None,
            }
            given |= {"environment": "", "variables": {}}
            return self._looked(command, given)
        self.reported: list[str] = []
        code = self._typed(command)
        return code, " | ".join([*(one for one in self.said if not one.startswith("reading ")), *self.reported])

    def _typed(self, command: str) -> int | None:
        match command:
            case "run" | "run --due":
                return self._command("run all", self._hear(run._run), job="all", due=command == "run --due")
            case "promote":
                return self.promote_now()
            case "rollback":
                return self.roll_back_now()
            case "resume" | "resume --give-up":
                work = resume._resume if command == "resume" else resume._give_up
                return self._command("resume", self._hear(partial(resume._run, "last", work)))
        return self._command("deploy", self._hear(deploy_selected), dry_run=command == "plan", job="")

    def _hear(self, main: Callable[[Invocation], Awaitable[CommandResult]]) -> Any:
        """Keep the result of a command, and the advice of its error."""

        async def work(invocation: Invocation) -> CommandResult:
            try:
                result = await main(invocation)
            except OrchestratorError as error:
                self.reported.append(error.advice)
                raise
            if isinstance(result.view, PlanView):
                self.reported += [f"{count} {what}" for what, count in plan_counts(result.view.plan).items() if count]
            if isinstance(result.view, ResultView):
                self.reported += [f"{count} {what}" for what, count in counts(result.view.state).items()]
            self.reported += [result.next_step] if result.next_step else []
            return result

        return work

    def _looked(self, verb: str, given: Mapping[str, Any]) -> tuple[int, str]:
        options: dict[str, Any] = {"run": "last", "everything": False, "timings": False, **given}
        if verb == "show":
            result = show.show_command(options, self.messages)
            view = result.view
            assert isinstance(view, ResultView)
            return int(result.exit), chain_word(view.state, view.back, alive=view.alive)
        result = runs.runs_command(options, self.messages)
        assert isinstance(result.view, RunsView)
        return int(result.exit), state_word(result.view.runs[0])


@dataclass
class Scene:
    """A bench on which all functions were deployed once, and then changed in the manifest."""

    bench: EndBench
    rollout: str = ""
    revision: int = 0
    verb: str = "deploy"  # the command of the run that ends

    def write(self) -> None:
        """Write the manifest and the sources."""
        root, tables = self.bench.root, [HEAD, f"[rollout]\n{self.rollout}"]
        for number in range(COUNT):
            folder = root / "src" / f"f{number:02}"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "index.py").write_text(f"def handler(event, context):\n    return {self.revision}  # {number}\n")
            tables.append(f'[functions.f{number:02}]\nsource = "src/f{number:02}"\n')
        (root / "deploy.toml").write_text("\n".join(tables))

    def change(self, rollout: str = "") -> None:
        self.revision, self.rollout = self.revision + 1, rollout
        self.write()

    def die(self, command: str, made: int) -> None:
        """Run a command, and kill it after it has requested so many more versions."""
        bench, before = self.bench, len(self.bench.sent_versions())

        def enough() -> bool:
            return len(bench.sent_versions()) >= before + made

        bench.dies_when = enough
        code, _ = bench.type_in(command)
        bench.dies_when = None
        assert code is None, f"{command} has ended with {code}"


def scene(root: Path) -> Scene:
    """Deploy all functions, and change them in the manifest."""
    found = Scene(EndBench(root, durations="fixed:3", limits=Limits(operations_per_folder=1)))
    found.write()
    assert found.bench.type_in("deploy")[0] == Exit.DONE
    found.change()
    return found


def once_due(root: Path) -> Scene:
    """The same, and the job is due: the run that ends is the one of this due time."""
    found = scene(root)
    assert found.bench.type_in("run --due")[0] == Exit.DONE
    found.bench.pass_time(HOUR_S)
    found.verb = "run --due"
    return found


def done(scene: Scene) -> None:
    scene.bench.type_in(scene.verb)


def failed(scene: Scene, allowed: int = COUNT) -> None:
    scene.change(f"max_failures = {allowed}\n")
    scene.bench.faults.failing_functions.add("f00")
    assert scene.bench.type_in(scene.verb)[0] == Exit.FAILED
    scene.bench.faults.failing_functions.clear()


def breached(scene: Scene) -> None:
    failed(scene, 0)


def killed(scene: Scene) -> None:
    scene.die(scene.verb, 2)


def unknown(scene: Scene) -> None:
    limits = scene.bench.limits
    scene.bench.limits = replace(limits, operation_deadline_s=1.0)
    assert scene.bench.type_in(scene.verb)[0] == Exit.INTERRUPTED
    scene.bench.limits = limits


def paused(scene: Scene) -> None:
    scene.change('waves = [1, "100%"]\npause = "approval"\n')
    assert scene.bench.type_in(scene.verb)[0] == Exit.INTERRUPTED


def given_up(scene: Scene) -> None:
    killed(scene)
    assert scene.bench.type_in("resume --give-up")[0] == Exit.DONE


def rolled_back(scene: Scene) -> None:
    done(scene)
    assert scene.bench.type_in("rollback")[0] == Exit.DONE


def killed_and_rolled_back(scene: Scene) -> None:
    killed(scene)
    assert scene.bench.type_in("rollback")[0] == Exit.DONE


def killed_and_named_back(scene: Scene) -> None:
    """Roll back by its name the one function that the run had not begun."""
    killed(scene)
    bench = scene.bench
    with open_store(bench.state_dir, read_only=True) as store:
        (never,) = unbegun_of(store.chain_state(store.find("last")))
    assert bench._command("rollback", rollback._rollback, patterns=(never,)) == Exit.DONE


def rolling_back(scene: Scene) -> None:
    done(scene)
    scene.die("rollback", 1)
