import os

from common import log


def handler(event, context):
    log(f"loading {os.environ['FEED']}")
