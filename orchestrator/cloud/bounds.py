"""How much of an answer is read: nobody who answers in the cloud's place fills our memory. See docs/bounds.md."""

from __future__ import annotations

ANSWER_MAX_BYTES = 64 * 1024 * 1024  # unpacked; a page of 1,000 versions takes about 5 MB
TOKEN_ANSWER_MAX_BYTES = 1024 * 1024  # of IAM's and the metadata service's
INVOKE_ANSWER_MAX_BYTES = 4 * 1024 * 1024  # of a Function; the cloud lets it be 3.5 MB (cloud-api#limits)
LISTING_MAX_BYTES = 1024 * 1024 * 1024  # all pages of one listing
PAGES_MAX = 2000  # of one listing: two million things
PAGE_TOKEN_MAX_CHARACTERS = 8192
