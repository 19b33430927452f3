"""``keygen``: an RSA key pair in the formats of Alipay's console and the SDKs."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import click
from cryptography.hazmat.primitives.asymmetric import rsa

from ..exceptions import KeyFormatError
from ..keys import generate_private_key, key_to_base64, load_private_key, private_pem, public_pem
from .errors import CommandFailed, sentence
from .i18n import N_, _
from .merchants import program
from .options import json_option
from .table import Column, echo_json, echo_table

_HELP = N_("""Generate an RSA key pair in all common formats.

Writes the private key as PKCS#8 and as PKCS#1, and the public key, each as PEM and as base64, into
a folder. Only the current user can read the private keys (mode 0600). Existing files are never
overwritten.

\b
Examples:
  {prefix} keygen --out keys
  {prefix} keygen --from pasted.txt --out keys
""")

_NEXT = N_("""
1. Upload this public key to Alipay's console, at the application's signing settings
   (接口加签方式, 公钥):

{public_key}

2. The console then shows Alipay's public key (支付宝公钥). Save it as
   {alipay_public_key}: notifications are verified with it,
   not with the key above.

3. Configure the app:

   FLASK_ALIPAY_PRIVATE_KEY_PATH={private_key}
   FLASK_ALIPAY_PUBLIC_KEY_PATH={alipay_public_key}
""")


class KeyFormat(NamedTuple):
    """A file to write."""

    name: str
    #: Whether it holds the private key.
    private: bool
    write: Callable[[rsa.RSAPrivateKey], str]
    #: The use of this format, in words.
    purpose: str


FORMS = (
    KeyFormat("app_private_key.pem", True, private_pem, N_("private, PKCS#8: for the app")),
    KeyFormat(
        "app_private_key_pkcs1.pem",
        True,
        lambda key: private_pem(key, pkcs1=True),
        N_("private, PKCS#1: for older tools"),
    ),
    KeyFormat(
        "app_private_key.txt", True, key_to_base64, N_("private, PKCS#8 in base64: Java SDKs")
    ),
    KeyFormat(
        "app_private_key_pkcs1.txt",
        True,
        lambda key: key_to_base64(key, pkcs1=True),
        N_("private, PKCS#1 in base64: other SDKs"),
    ),
    KeyFormat(
        "app_public_key.pem",
        False,
        lambda key: public_pem(key.public_key()),
        N_("public: to verify the app's signatures"),
    ),
    KeyFormat(
        "app_public_key.txt",
        False,
        lambda key: key_to_base64(key.public_key()),
        N_("public, in base64: for Alipay's console"),
    ),
)


def keygen_command(in_app: bool) -> click.Command:
    """Return the command, in the current language.

    :param in_app: whether it belongs to ``flask alipay``.
    """
    prefix = program(in_app)

    @click.command(
        "keygen",
        help=_(_HELP).format(prefix=prefix),
        short_help=_("Generate an RSA key pair in all common formats."),
    )
    @click.option(
        "--bits",
        type=click.IntRange(2048, 8192),
        default=2048,
        show_default=True,
        help=_("The key size. RSA2 requires 2048 bits."),
    )
    @click.option(
        "--from",
        "source",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help=_("Convert an existing private key, in any format, instead of generating one."),
    )
    @click.option(
        "--out",
        default=".",
        show_default=True,
        type=click.Path(file_okay=False, path_type=Path),
        help=_("The folder; created if it is missing."),
    )
    @json_option
    def keygen(bits: int, source: Path | None, out: Path, as_json: bool) -> None:
        key = generate_private_key(bits) if source is None else _read(source)
        files = _write(key, out)
        if as_json:
            public_key = key_to_base64(key.public_key())
            names = {form.name: str(file) for form, file in zip(FORMS, files, strict=True)}
            echo_json({"bits": key.key_size, "files": names, "public_key": public_key})
        else:
            _print(key, out, files)

    return keygen


def _read(source: Path) -> rsa.RSAPrivateKey:
    try:
        return load_private_key(source.read_bytes())
    except KeyFormatError as error:
        raise click.BadParameter(sentence(error), param_hint="--from") from None
    except OSError as error:
        raise click.BadParameter(f"{source}: {error.strerror}.", param_hint="--from") from None


def _write(key: rsa.RSAPrivateKey, folder: Path) -> list[Path]:
    """Write all files or none."""
    written: list[Path] = []
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for form in FORMS:
            written.append(_created(folder / form.name, form.private))
        for form, file in zip(FORMS, written, strict=True):
            file.write_text(form.write(key).strip() + "\n", encoding="ascii")
    except OSError as error:
        for file in written:
            file.unlink(missing_ok=True)
        if isinstance(error, FileExistsError):
            text = _(
                "{file} exists already, and keys are never overwritten. Choose another folder with "
                "--out."
            )
            raise CommandFailed(text.format(file=error.filename)) from None
        text = _("{file} cannot be written ({reason}). No file was written.")
        raise CommandFailed(text.format(file=error.filename, reason=error.strerror)) from None
    return written


def _created(file: Path, private: bool) -> Path:
    """Create an empty file exclusively, private before it has content."""
    os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600 if private else 0o644))
    return file


def _print(key: rsa.RSAPrivateKey, out: Path, files: list[Path]) -> None:
    columns = [Column(_("file"), min_width=20), Column(_("purpose"), min_width=20)]
    echo_table(columns, [(file, _(form.purpose)) for form, file in zip(FORMS, files, strict=True)])
    text = _(_NEXT).format(
        public_key=key_to_base64(key.public_key()),
        private_key=(out / "app_private_key.pem").absolute(),
        alipay_public_key=(out / "alipay_public_key.pem").absolute(),
    )
    click.echo(text.rstrip())
