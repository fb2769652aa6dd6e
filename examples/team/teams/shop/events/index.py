import os

from common import log


def handler(event, context):
    for message in event.get("messages", []):
        log(f"{os.environ['TOPIC']}: {message}")
