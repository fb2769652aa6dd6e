"""Tell how large a thumbnail of a picture would be."""

from common import answer, parameters


def fit(width, height, limit):
    """Scale a size down so that no side is longer than `limit`."""
    scale = min(1.0, limit / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def handler(event, context):
    query = parameters(event)
    try:
        width, height = int(query["width"]), int(query["height"])
        limit = int(query.get("limit", "256"))
    except (KeyError, ValueError):
        return answer(400, {"error": "width and height are whole numbers"})
    if min(width, height, limit) < 1:
        return answer(400, {"error": "sizes start at 1"})
    new_width, new_height = fit(width, height, limit)
    return answer(200, {"width": new_width, "height": new_height})
