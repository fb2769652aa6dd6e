"""Turn a list of recipients into messages, as a queue's trigger hands them over."""

from email.message import EmailMessage


def handler(event, context):
    letters = []
    for message in event.get("messages", []):
        letter = EmailMessage()
        letter["To"] = message["details"]["message"]["body"].strip()
        letter["Subject"] = "Your report is ready"
        letter.set_content("It waits for you in your account.")
        letters.append(letter.as_string())
    return {"statusCode": 200, "letters": len(letters)}
