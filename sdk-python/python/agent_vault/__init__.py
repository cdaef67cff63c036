"""Secrets encrypted in a Git repository, readable by exactly those whom a signed policy names.

::

    from agent_vault import Vault

    with Vault(".") as vault:
        key = vault.get("stripe/api-key")

Everything is verified before it is used, as by the command line: both are the same program underneath. A ``Vault`` may be
shared by threads, and used on after ``fork``.
"""

from agent_vault._native import Secret, SecretMetadata, __version__
from agent_vault.errors import (
    ConflictError,
    CorruptError,
    InvalidNameError,
    NoKeyError,
    NotAuthorizedError,
    NotFoundError,
    RemoteError,
    RemoteWarning,
    RollbackError,
    SecretNotFoundError,
    TamperedError,
    UnsignedVaultWarning,
    UsageError,
    VaultError,
    VaultNotFoundError,
    VaultWarning,
)
from agent_vault.manifest import Manifest
from agent_vault.vault import Change, Stored, Vault

__all__ = [
    "Change",
    "ConflictError",
    "CorruptError",
    "InvalidNameError",
    "Manifest",
    "NoKeyError",
    "NotAuthorizedError",
    "NotFoundError",
    "RemoteError",
    "RemoteWarning",
    "RollbackError",
    "Secret",
    "SecretMetadata",
    "SecretNotFoundError",
    "Stored",
    "TamperedError",
    "UnsignedVaultWarning",
    "UsageError",
    "Vault",
    "VaultError",
    "VaultNotFoundError",
    "VaultWarning",
    "__version__",
]
