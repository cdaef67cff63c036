// The same classes for `import` as for `require`: `instanceof` holds between the two.
import agentVault from "./dist/index.js";

export const {
  ConflictError,
  CorruptError,
  InvalidIdentifierError,
  Manifest,
  ManifestError,
  NoKeyError,
  NotAuthorizedError,
  NotFoundError,
  RemoteError,
  RollbackError,
  Secret,
  SecretNotFoundError,
  TamperedError,
  UsageError,
  Vault,
  VaultError,
  VaultNotFoundError,
  parseMetadata,
  parseMetadataFile,
} = agentVault;
export default agentVault;
