"""Signs what comes in on standard input, as receivers of webhooks expect it: HMAC-SHA256, in hexadecimal.

The key is a secret of the vault here. It is in no file, no argument and no variable, and nothing prints it.
"""

from __future__ import annotations

import hashlib
import hmac
import sys

from agent_vault import ConflictError, RemoteError, Vault, VaultError

KEY = "webhooks/signing-key"


def signature(vault: Vault, payload: bytes) -> str:
    """The payload's signature. The key is read anew each time, so a new one is used from the next call on."""
    with vault.get_secret(KEY) as key:
        return hmac.new(key.expose_bytes(), payload, hashlib.sha256).hexdigest()


def main() -> int:
    """Prints the signature; an error is told with what to do about it."""
    try:
        with Vault(".") as vault:
            print(signature(vault, sys.stdin.buffer.read()))
    except VaultError as error:
        print(f"error: {error}\nhint: {error.hint}", file=sys.stderr)
        # Some errors pass by themselves; whoever started this may try again (EX_TEMPFAIL of sysexits.h).
        return 75 if isinstance(error, RemoteError) or (isinstance(error, ConflictError) and error.code == "busy") else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
