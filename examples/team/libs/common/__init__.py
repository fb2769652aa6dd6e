import json
import os


def answer(body, status=200):
    return {"statusCode": status, "headers": {"Content-Type": "application/json"}, "body": json.dumps(body)}


def log(text):
    if os.environ["LEVEL"] == "debug":
        print(text)
