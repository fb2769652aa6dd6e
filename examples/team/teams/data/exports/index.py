import os

from common import log


def handler(event, context):
    log(f"exporting {os.environ['TABLE']}")
