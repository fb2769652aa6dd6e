"""Like mass_redeploy, for `[jobs.NAME] schedule = "…"`: each time it is due, all functions get a new version.

`force = false` leaves unchanged functions alone.
"""

from dataclasses import replace

from orchestrator.job import mass
from orchestrator.job.mass import desired, folders, offline

PARAMETERS = {**mass.PARAMETERS, "force": replace(mass.PARAMETERS["force"], default=True)}

__all__ = ["PARAMETERS", "desired", "folders", "offline"]
