"""What is known of a secret without decrypting it (0.1.0 had it in this module)."""

from agent_vault._native import SecretMetadata

__all__ = ["SecretMetadata"]
