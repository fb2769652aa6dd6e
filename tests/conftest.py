"""What holds for all tests."""

from __future__ import annotations

from hypothesis import settings

# Time is no property of what is tested: a machine with other work on it takes longer, and is not wrong.
settings.register_profile("timeless", deadline=None)
settings.load_profile("timeless")
