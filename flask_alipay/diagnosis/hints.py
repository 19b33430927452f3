"""What to tell people, where it needs nothing of the payload."""

from __future__ import annotations

from ..protocol.i18n import N_
from .messages import message

CHANGED_BESIDES = message("Its words were changed after that as well.")
SIGN_WITH_SPACES = message(
    "The signature's '+' have become spaces: it was pasted or sent without percent-encoding, or "
    "decoded twice. Copy the raw body, in which each of them is %2B."
)
ALTERED = message(
    "The key is right, but the words are not those that were signed: a parameter was changed, lost "
    "or added afterwards. No known mistake explains it."
)
ALTERED_OR_OTHER_KEY = message(
    "No known mistake explains it: it was altered, or signed with another key; MD5 can't tell "
    "which by one payload. Compare the key with the one that Alipay shows, then look for what "
    "changes the body on its way."
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
SIGN_IN_LIST = message("The signature is a list, as in ['…']: take its one item.")
SIGN_STRAY = message(
    "There are spaces, line ends or quotes in the signature that are not part of it: it was copied "
    "or stored with them."
)
SIGN_CASE = message(
    "The signature's letters are capitals: Alipay writes MD5 in lower case, and it is compared "
    "as it came. Look for what changes the case."
)
SIGN_BASE64 = message(
    "The signature was written anew in another kind of base64: without its '=' at the end, or with "
    "'-' and '_'. Alipay's is the standard one; hand it on as it came."
)
LOWER_CASED = message(
    "The signature has no capital letter, as if it had been lower-cased; base64 cannot be restored "
    "from that. Compare it with the raw body."
)
STRAY_SPACE = message(
    "The configured key has a space or line end around it, quotes, or capital letters that do not "
    "belong to it: without them the payload verifies. Mend the setting."
)
MERCHANT_PUBLIC_KEY = message(
    "The key configured as Alipay's is your own: the public half of your private key. You upload "
    "that one to Alipay's console, and configure the other one that the console shows in return "
    "(支付宝公钥)."
)
MERCHANT_SIGNATURE = message(
    "It was signed with your own private key, so it is a request of yours to Alipay (or made with "
    "your key), not something that Alipay says."
)
SANDBOX = message(
    "It comes from Alipay's sandbox, which has keys of its own: verify it with the key that the "
    "sandbox's console shows, and keep its notify_url apart from production's."
)
DECODED_BEFORE = message(
    "It is the text of a form that was decoded already, and reading it as a form decoded it "
    "once more. Keep the raw body (request.get_data()), or hand the parameters on as they are."
)
WAP_OTHER_KEY = message(
    "It is a notification of the older WAP gateway, and neither that gateway's published key nor a "
    "key here made its signature (unless that itself was altered)."
)

# With names in them.
WRITTEN_ANEW = N_(
    "The text arrived in the wrong charset: it is written in {written} and it was signed in "
    "{signed}, while {said} is what it says or what is configured. Something on the way read it "
    "and wrote it anew; verify the body as it came over the wire (request.get_data())."
)
SIGNED_IN_ANOTHER = N_(
    "The text arrived in the wrong charset: it was signed in {signed}, while {said} is what it "
    "says or what is configured. Something on the way read it and wrote it anew; verify the body "
    "as it came over the wire (request.get_data())."
)
GARBLED = N_(
    "The text is garbled: it is {right}, but something decoded it as {wrong}. Read it as {right}, "
    "or verify the body as it came over the wire (request.get_data())."
)
DECODED_TWICE = N_(
    "{name} was percent-decoded twice. Decode the body once only, or leave it to this package: it "
    "takes the raw body."
)
WITHOUT = N_(
    "It verifies without {names}: not Alipay's, or at least not signed by it. Take the shop's own "
    "parameters out before verifying (an argument in RETURN_URL comes back like that)."
)
FILLED_IN = N_(
    "It verifies without {name}: that was empty or missing when it was signed, and was filled in "
    "afterwards."
)
PUT_BACK = N_(
    "It verifies with {names} put back: that was signed and has been lost since. Look for what "
    "takes parameters out before they are verified."
)
UNREADABLE = N_("There are no parameters to be read in it: {refused}.")
REFUSED_UNREAD = N_("Besides, the notification route refuses it unread: {refused}.")
REPEATS = N_(
    "It repeats {names}: Alipay sends each parameter once, and of two nobody can say which was "
    "signed. Look for what adds one on the way."
)
NO_FORM = N_(
    "It is refused unread: {refused}. If it was copied, copy the raw body, in which every & = and "
    "% inside a value is percent-encoded."
)
NO_SIGN = message(
    "It has no sign. Either Alipay did not send it, or it was cut short: an unquoted & ends a "
    "command in a shell, and a # the query of a URL."
)
LACKS = N_(
    "It lacks what Alipay always sends: {names}. It may have been cut at an & or a # (unquoted in "
    "a shell, unencoded in a value), or something took that out."
)
SIGNED_WITH = N_("It was signed with {sign_type}, but {configured} is what is configured.")
SIGNED_WITH_BY = N_(
    "It was signed with {sign_type} and {whose}, but {configured} is what is configured."
)
LOOKS_LIKE = N_("Its signature is one of {sign_type}, but {configured} is what is configured.")
SELF_DECLARED = N_(
    "It says that it is signed with {sign_type}, but {configured} is what is configured."
)
SET_SIGN_TYPE = message(
    "Set the sign type (and the key that goes with it) to what the account uses; a payload is "
    "never allowed to choose its own."
)
SIGNED_BY = N_(
    "It was signed with {whose}, which is not configured. Configure the key of the account that "
    "this payload belongs to."
)
OTHER_SIZE = N_("It was signed with an RSA key of {bits} bits; the one here has {have}.")
NONE_OF_THE_KEYS = message(
    "None of the keys here made its signature (unless that itself was altered)."
)
KEY_OF_THIS_APP = message(
    "Take Alipay's public key of just this app_id from the console (not the application's own "
    "public key), and mind whether it is the sandbox or production."
)
KEY_OF_THE_LEGACY_GATEWAY = message(
    "A payload of the legacy gateway verifies with Alipay's published key of that gateway; one of "
    "the open platform would name its app_id."
)
BESIDES = message("Besides:")

RESPONSE_NOT_SIGNED = message(
    "The response has no signature. Alipay does not sign some of its rejections; anything else is "
    "not to be trusted without one."
)
RESPONSE_REWRITTEN = message(
    "The response was parsed and written anew: the signature covers the very text that Alipay "
    "sent, with its spaces and escapes. Cut the node out of the raw response before parsing it."
)
RESPONSE_OF_RSA = message(
    "The response is signed with RSA or RSA2, and MD5 is configured: it belongs to the open "
    "platform. Verify it with the public key of its application."
)
