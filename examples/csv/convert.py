"""Two functions in one package: CSV to JSON and back."""

import csv
import io
import json


def to_json(event, context):
    rows = list(csv.DictReader(io.StringIO(event.get("body") or "")))
    return {"statusCode": 200, "body": json.dumps(rows, ensure_ascii=False)}


def to_csv(event, context):
    try:
        rows = json.loads(event.get("body") or "[]")
    except ValueError:
        return {"statusCode": 400, "body": "the body is no JSON"}
    names = sorted({name for row in rows for name in row})
    text = io.StringIO()
    writer = csv.DictWriter(text, names)
    writer.writeheader()
    writer.writerows(rows)
    return {"statusCode": 200, "headers": {"Content-Type": "text/csv"}, "body": text.getvalue()}
