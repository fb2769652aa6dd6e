"""Shared by several functions: one copy here, laid into each package by `files`."""

import json


def answer(status, body):
    """Build the reply of an HTTP function."""
    return {
        "statusCode": status,
        "headers": {"Content-Type": "application/json; charset=utf-8"},
        "body": json.dumps(body, ensure_ascii=False),
    }


def parameters(event):
    """Read the query parameters of an HTTP request."""
    return event.get("queryStringParameters") or {}
