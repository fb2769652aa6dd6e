"""How much of an answer is read: no server in the cloud's place can fill our memory. See docs/bounds.md."""

from __future__ import annotations

ANSWER_MAX_BYTES = 64 * 1024 * 1024  # after decompression; a page of 1,000 versions takes about 5 MB
TOKEN_ANSWER_MAX_BYTES = 1024 * 1024  # from IAM and the metadata service
INVOKE_ANSWER_MAX_BYTES = 4 * 1024 * 1024  # from a Function; the cloud's limit is 3.5 MB (cloud-api#limits)
LISTING_MAX_BYTES = 1024 * 1024 * 1024  # all pages of one listing
PAGES_MAX = 2000  # of one listing: two million entries
PAGE_TOKEN_MAX_CHARACTERS = 8192
