"""What to tell people, where it needs nothing of the payload."""

from __future__ import annotations

#: Follows on who signed it and how.
CHANGED_BESIDES = " (and its words were changed after that)"
SIGN_WITH_SPACES = (
    "The signature's '+' have become spaces: it was pasted or sent without percent-encoding, or "
    "decoded twice. Copy the raw body, in which each of them is %2B."
)
ALTERED = (
    "The key is right, but the words are not those that were signed: a parameter was changed, lost "
    "or added afterwards. No known mistake explains it."
)
ALTERED_OR_OTHER_KEY = (
    "No known mistake explains it: it was altered, or signed with another key; MD5 can't tell "
    "which by one payload. Compare the key with the one that Alipay shows, then look for what "
    "changes the body on its way."
)
DAMAGED = (
    "The signature itself is damaged: it is too short or too long, or has characters that a "
    "signature never has. Compare it with the raw body."
)
STRAY_SPACE = (
    "The configured key has a space or line end around it; without that the payload verifies. "
    "Remove it from the setting."
)
OWN_PUBLIC_KEY = (
    "The key configured as Alipay's is your own: the public half of your private key. You upload "
    "that one to Alipay's console, and configure the other one that the console shows in return "
    "(支付宝公钥)."
)
OWN_SIGNATURE = (
    "It was signed with your own private key, so it is a request of yours to Alipay (or made with "
    "your key), not something that Alipay says."
)
