"""Redeploy a selection of functions: what changed and nothing else, or all of it with `force`.

Also one new environment value or secret version across many functions whose source is not at hand: their code and
everything else is copied from what is live (`functions`).
"""

from orchestrator.job.mass import PARAMETERS, desired, folders, offline

__all__ = ["PARAMETERS", "desired", "folders", "offline"]
