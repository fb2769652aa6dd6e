from common import answer, log


def handler(event, context):
    log("carts: asked")
    return answer({"carts": []})
