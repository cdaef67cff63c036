/**
 * agent-vault for Node.js: secrets that live encrypted in a Git repository.
 *
 * @packageDocumentation
 */

export {
  ConflictError,
  CorruptError,
  InvalidIdentifierError,
  ManifestError,
  NoKeyError,
  NotAuthorizedError,
  NotFoundError,
  RemoteError,
  RollbackError,
  SecretNotFoundError,
  TamperedError,
  UsageError,
  VaultError,
  VaultNotFoundError,
} from "./errors.js";
export { Manifest, type ManifestAgent, type ManifestData, type ManifestGroup } from "./manifest.js";
export { parseMetadata, parseMetadataFile, type SecretMetadata } from "./metadata.js";
export { Secret } from "./secret.js";
export { Vault, type Change, type SetOptions, type Stored, type VaultOptions } from "./vault.js";
