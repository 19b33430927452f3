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
SIGN_NOT_DECODED = (
    "The signature is still percent-encoded: %2B is its '+', %2F its '/'. Decode the form once "
    "before verifying."
)
SIGN_ESCAPED = (
    "The signature was escaped for HTML: &#43; is its '+'. Verify the raw body, escape afterwards."
)
SIGN_IN_LIST = "The signature is a list, as in ['…']: take its one item."
SIGN_STRAY = (
    "There are spaces, line ends or quotes in the signature that are not part of it: it was copied "
    "or stored with them."
)
SIGN_CASE = (
    "The signature's letters are capitals: Alipay writes MD5 in lower case, and it is compared "
    "as it came. Look for what changes the case."
)
SIGN_BASE64 = (
    "The signature was written anew in another kind of base64: without its '=' at the end, or with "
    "'-' and '_'. Alipay's is the standard one; hand it on as it came."
)
LOWER_CASED = (
    "The signature has no capital letter, as if it had been lower-cased; base64 cannot be restored "
    "from that. Compare it with the raw body."
)
STRAY_SPACE = (
    "The configured key has a space or line end around it, quotes, or capital letters that do not "
    "belong to it: without them the payload verifies. Mend the setting."
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
# Follows on that it comes from the sandbox.
SANDBOX = (
    ", which has keys of its own: verify it with the key that the sandbox's console shows, and "
    "keep its notify_url apart from production's."
)
DECODED_BEFORE = (
    "It is the text of a form that was decoded already, and reading it as a form decoded it "
    "once more. Keep the raw body (request.get_data()), or hand the parameters on as they are."
)
WAP_OTHER_KEY = (
    "It is a notification of the older WAP gateway, and neither that gateway's published key nor a "
    "key here made its signature (unless that itself was altered)."
)
