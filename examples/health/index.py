"""Say that the service answers, and as which version."""

import os

from common import answer


def handler(event, context):
    return answer(200, {"status": "ok", "level": os.environ.get("LEVEL", "info")})
