from common import answer


def handler(event, context):
    return answer(event)
