"""Texts of the hints."""

from __future__ import annotations

from ..protocol.i18n import N_
from .messages import message

CHANGED_BESIDES = message("Its content was also changed after signing.")
SIGN_WITH_SPACES = message(
    "The signature's '+' have become spaces: it was pasted or sent without percent-encoding, or "
    "decoded twice. Copy the raw body, in which each of them is %2B."
)
ALTERED = message(
    "The key is correct, but the content differs from what was signed: a parameter was changed, "
    "lost or added afterwards. No known mistake explains it."
)
ALTERED_OR_OTHER_KEY = message(
    "No known mistake explains it: the payload was altered, or signed with another key; with MD5 "
    "one payload does not show which. Compare the key with the one that Alipay shows, then find "
    "out what changes the body in transit."
)
DAMAGED = message(
    "The signature itself is damaged: it is too short or too long, or has characters that a "
    "signature never has. Compare it with the raw body."
)
SIGN_NOT_DECODED = message(
    "The signature is still percent-encoded: %2B is its '+', %2F its '/'. Decode the form once "
    "before verifying."
)
SIGN_ESCAPED = message(
    "The signature was escaped for HTML: &#43; is its '+'. Verify the raw body, escape afterwards."
)
SIGN_IN_LIST = message("The signature is a list, as in ['…']: use its only item.")
SIGN_STRAY = message(
    "The signature contains spaces, line ends or quotes that are not part of it: it was copied or "
    "stored with them."
)
SIGN_CASE = message(
    "The signature is in upper case: Alipay writes MD5 in lower case, and the comparison is "
    "case-sensitive. Find out what changes the case."
)
SIGN_BASE64 = message(
    "The signature was converted to another form of base64: without the final '=', or with '-' "
    "and '_'. Alipay uses standard base64; pass it on unchanged."
)
LOWER_CASED = message(
    "The signature has no capital letter, as if it had been converted to lower case, which cannot "
    "be undone. Compare it with the raw body."
)
STRAY_SPACE = message(
    "The configured key has surrounding spaces, line ends or quotes, or wrong capital letters: "
    "without them the payload verifies. Correct the setting."
)
MERCHANT_PUBLIC_KEY = message(
    "The key configured as Alipay's is your application's public key, which belongs to your "
    "private key. Upload that one to Alipay's console, and configure the one that the console "
    "shows in return (支付宝公钥)."
)
MERCHANT_SIGNATURE = message(
    "It was signed with your application's private key, so it is your request to Alipay (or made "
    "with your key), not sent by Alipay."
)
SANDBOX = message(
    "It comes from Alipay's sandbox, which has its own keys: verify it with the key that the "
    "sandbox's console shows, and use separate notify_urls for sandbox and production."
)
DECODED_BEFORE = message(
    "The form was already decoded, and reading it as a form decoded it again. Keep the raw body "
    "(request.get_data()), or pass the parameters on unchanged."
)
WAP_OTHER_KEY = message(
    "It is a notification of the older WAP gateway, and its signature matches neither that "
    "gateway's published key nor a key here (unless the signature was altered)."
)

# Templates with placeholders.
WRITTEN_ANEW = N_(
    "The text arrived in the wrong charset: it is encoded in {written}, was signed in {signed}, "
    "and {said} is declared or configured. Something decoded and encoded it again in transit; "
    "verify the raw body (request.get_data())."
)
SIGNED_IN_ANOTHER = N_(
    "The text arrived in the wrong charset: it was signed in {signed}, and {said} is declared or "
    "configured. Something decoded and encoded it again in transit; verify the raw body "
    "(request.get_data())."
)
GARBLED = N_(
    "The text is garbled: it is {right}, but something decoded it as {wrong}. Read it as {right}, "
    "or verify the raw body (request.get_data())."
)
DECODED_TWICE = N_(
    "{name} was percent-decoded twice. Decode the body only once, or pass the raw body to this "
    "package."
)
WITHOUT = N_(
    "It verifies without {names}, which Alipay did not send or did not sign. Remove the shop's "
    "own parameters before verifying (an argument in RETURN_URL comes back this way)."
)
FILLED_IN = N_(
    "It verifies without {name}, which was empty or missing when it was signed, and was filled in "
    "afterwards."
)
PUT_BACK = N_(
    "It verifies with {names} restored, which was signed and then lost. Find out what removes "
    "parameters before they are verified."
)
UNREADABLE = N_("No parameters can be read from it: {refused}.")
REFUSED_UNREAD = N_("Besides, the notification route rejects it before reading it: {refused}.")
REPEATS = N_(
    "It repeats {names}: Alipay sends each parameter once, and of two it is unknown which was "
    "signed. Find out what adds one in transit."
)
NO_FORM = N_(
    "It is rejected before it is read: {refused}. If it was copied, copy the raw body, in which "
    "every & = and % inside a value is percent-encoded."
)
NO_SIGN = message(
    "It has no sign. Either Alipay did not send it, or it was truncated: an unquoted & ends a "
    "command in a shell, and a # ends the query of a URL."
)
LACKS = N_(
    "It lacks parameters that Alipay always sends: {names}. It may have been truncated at an & or "
    "a # (unquoted in a shell, unencoded in a value), or something removed them."
)
SIGNED_WITH = N_("It was signed with {sign_type}, but {configured} is configured.")
SIGNED_WITH_BY = N_("It was signed with {sign_type} and {whose}, but {configured} is configured.")
LOOKS_LIKE = N_("Its signature looks like {sign_type}, but {configured} is configured.")
SELF_DECLARED = N_("It declares {sign_type}, but {configured} is configured.")
SET_SIGN_TYPE = message(
    "Set the sign type and its key to what the account uses; a payload is never allowed to choose "
    "its own sign type."
)
SIGNED_BY = N_(
    "It was signed with {whose}, which is not configured. Configure the key of the account that "
    "this payload belongs to."
)
OTHER_SIZE = N_("It was signed with an RSA key of {bits} bits; the one here has {have}.")
NONE_OF_THE_KEYS = message(
    "Its signature matches none of the keys here (unless the signature was altered)."
)
KEY_OF_THIS_APP = message(
    "Copy Alipay's public key of this app_id from the console (not the application's public key), "
    "from the sandbox or from production, whichever it is."
)
KEY_OF_THE_LEGACY_GATEWAY = message(
    "A payload of the legacy gateway verifies with Alipay's published key of that gateway; one of "
    "the open platform contains its app_id."
)
BESIDES = message("Besides:")

RESPONSE_NOT_SIGNED = message(
    "The response has no signature. Alipay does not sign some of its rejections; do not trust any "
    "other response without one."
)
RESPONSE_REWRITTEN = message(
    "The response was parsed and serialized again: the signature covers the exact text that "
    "Alipay sent, with its spaces and escapes. Cut the node out of the raw response before "
    "parsing it."
)
RESPONSE_OF_RSA = message(
    "The response is signed with RSA or RSA2, and MD5 is configured: it belongs to the open "
    "platform. Verify it with the public key of its application."
)
