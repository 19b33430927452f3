"""Settings of the embedded simulator: whether it is enabled, and its options."""

from __future__ import annotations

from ..settings import CREDENTIALS, ConfigReader

#: Options for the simulator's merchant: certificate mode, encrypted content, an application that
#: receives OpenIDs, one that acts for other merchants.
SIMULATED = ("certificates", "encrypted", "open_id", "third_party")


def simulator_enabled(settings: ConfigReader, *, developing: bool = True) -> bool:
    """Return whether the simulator is enabled.

    :param developing: whether the application runs in debug or test mode; otherwise
        ``SIMULATOR_WITHOUT_DEBUG`` has to be set as well.
    :raises ConfigurationError: if the simulator is enabled and must not run: the shop would accept
        simulated payments, or credentials of a real merchant are set as well.
    """
    allowed = settings.flag("SIMULATOR_WITHOUT_DEBUG", False) or developing
    if not settings.flag_or_choices("SIMULATOR", False, SIMULATED)[0]:
        return False
    for name in CREDENTIALS:
        if settings.is_set(name):
            raise settings.error(
                "SIMULATOR",
                f"must not be set together with '{settings.key(name)}': the simulator has its own "
                "credentials, and its payments are not real. Remove one of them",
            )
    if not allowed:
        raise settings.error(
            "SIMULATOR",
            "must not be set without debug mode or TESTING: buyers could pay without money. Remove "
            "it, run with --debug, or, if nothing of value is sold, set "
            f"'{settings.key('SIMULATOR_WITHOUT_DEBUG')}'",
        )
    return True


def simulator_options(settings: ConfigReader, protocol: str, sign_type: str) -> dict[str, bool]:
    """Return the options of the simulator's merchant, from the value of ``SIMULATOR``.

    :param protocol: the merchant's gateway, ``mapi`` or ``openapi``.
    :param sign_type: the merchant's sign type.
    :returns: whether each option is enabled.
    :raises ConfigurationError: if the gateway or the sign type does not support an option.
    """
    _, options = settings.flag_or_choices("SIMULATOR", False, SIMULATED)
    if options and protocol != "openapi":
        raise settings.error(
            "SIMULATOR",
            "must be true on the legacy gateway, which has neither certificates, encryption, "
            "OpenIDs nor third-party applications",
        )
    if "certificates" in options and sign_type != "RSA2":
        raise settings.error("SIGN_TYPE", "must be RSA2 in certificate mode")
    return {name: name in options for name in SIMULATED}
