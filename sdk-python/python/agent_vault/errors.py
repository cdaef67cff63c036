"""What goes wrong, as classes; and what is only warned of.

Every error of a vault is a :class:`VaultError`. Go by its class, or by ``code`` where classes are not fine enough; texts
may change.
"""

from __future__ import annotations


class VaultError(Exception):
    """Any error of a vault. ``str()`` says what happened; none of it is ever secret."""

    code: str
    """A stable name, finer than the class: ``"secret-not-found"``, ``"rollback"``, ``"busy"``."""
    hint: str
    """What to do next."""
    path: str | None
    """What it is about: a secret's path or another name, or a file; None where it is about no one thing."""

    def __init__(self, message: str = "", *, code: str = "other", hint: str = "", path: str | None = None) -> None:
        """Makes an error; the package does."""
        super().__init__(message)
        self.code = code
        self.hint = hint
        self.path = path


class NotFoundError(VaultError):
    """Something that was named is not there: an agent, a group, an owner, an alias."""


class VaultNotFoundError(NotFoundError):
    """There is no vault at that place or above it."""


class SecretNotFoundError(NotFoundError):
    """There is no such secret."""


class NotAuthorizedError(VaultError):
    """The key is not among the secret's recipients, or is no owner's."""


class TamperedError(VaultError):
    """What is there is not what an owner signed, or not the vault that is known here. Do not use it."""


class RollbackError(TamperedError):
    """An older state than one that this machine has seen was put back."""


class CorruptError(VaultError):
    """A file is damaged, too large, or not of its format."""


class RemoteError(VaultError):
    """The Git remote could not be reached, did not answer in time, or did not let us in."""


class ConflictError(VaultError):
    """What was asked for contradicts what is there: it exists, is busy, or has diverged. Nothing was changed."""


class NoKeyError(VaultNotFoundError):
    """There is no key, or it cannot be used or unlocked. (0.1.0 raised VaultNotFoundError for it, so it is one.)"""


class UsageError(VaultError, ValueError):
    """The call itself is wrong."""


class InvalidNameError(UsageError, SecretNotFoundError):
    """The format allows no such name. Nothing can have it, so it is a SecretNotFoundError too."""


class ManifestError(VaultError):
    """Not raised any more, and here so that 0.1.0's imports go on working: what is wrong with a manifest is a
    TamperedError or, in an unsigned vault, a CorruptError."""


class VaultWarning(UserWarning):
    """Something about a vault that should not be overlooked. What was asked for goes on."""


class UnsignedVaultWarning(VaultWarning):
    """The vault is one of agent-vault 0.1.0: nothing in it can be verified."""


class RemoteWarning(VaultWarning):
    """The Git remote could not be looked at: what is known here was used."""


_BY_CODE: dict[str, type[VaultError]] = {
    "corrupt": CorruptError,
    "invalid-name": InvalidNameError,
    "rollback": RollbackError,
    "secret-not-found": SecretNotFoundError,
    "vault-not-found": VaultNotFoundError,
}
_BY_CLASS: dict[str, type[VaultError]] = {
    "conflict": ConflictError,
    "locked": NoKeyError,
    "no-key": NoKeyError,
    "not-authorized": NotAuthorizedError,
    "not-found": NotFoundError,
    "remote": RemoteError,
    "tampered": TamperedError,
    "usage": UsageError,
}


def _exception(code: str, kind: str, message: str, hint: str, path: str | None) -> VaultError:
    """The exception for an error of the core, by its code and class."""
    found = _BY_CODE.get(code) or _BY_CLASS.get(kind) or VaultError
    return found(message, code=code, hint=hint, path=path)
