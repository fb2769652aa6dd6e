"""The same as mass_redeploy, made for `[jobs.NAME] schedule = "…"`: each time it is due, everything gets a new version.

`force = false` leaves the unchanged alone.
"""

from dataclasses import replace

from orchestrator.job import mass
from orchestrator.job.mass import desired, folders, offline

PARAMETERS = {**mass.PARAMETERS, "force": replace(mass.PARAMETERS["force"], default=True)}

__all__ = ["PARAMETERS", "desired", "folders", "offline"]
