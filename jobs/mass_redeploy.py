"""Redeploy a selection of functions: what has changed, or everything with `force`.

Also sets a new environment value or secret version in many functions without their sources: their code and all other
settings are copied from the live Versions (`functions`).
"""

from orchestrator.job.mass import PARAMETERS, desired, folders, offline

__all__ = ["PARAMETERS", "desired", "folders", "offline"]
