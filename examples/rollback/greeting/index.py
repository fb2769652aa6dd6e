"""Greet somebody; the second release forgot a word in one city."""

import os

WORDS = {"first": {}, "second": {"Berlin": None}}


def handler(event, context):
    release, city = os.environ["RELEASE"], os.environ["CITY"]
    word = WORDS[release].get(city, "Hello")
    return {"release": release, "greeting": word.title() + ", " + event["name"]}
