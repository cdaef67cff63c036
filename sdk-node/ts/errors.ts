import type { Heard, Told } from "./native.js";

/** What every error of this package is. None holds a secret. */
export class VaultError extends Error {
  /** The stable name of the error's kind, such as `secret-not-found`. */
  readonly code: string;
  /** What to do next. */
  readonly hint: string;
  /** What it is about: a secret, another name, or a file. */
  readonly path: string | undefined;

  constructor(message: string, told?: { code?: string; hint?: string; path?: string | undefined }) {
    super(message);
    this.name = new.target.name;
    this.code = told?.code ?? "other";
    this.hint = told?.hint ?? "";
    this.path = told?.path;
  }
}

/** No vault there or in any folder above. */
export class VaultNotFoundError extends VaultError {}
/** No key, or one that cannot be used or is locked. */
export class NoKeyError extends VaultNotFoundError {}
/** No such agent, group or alias. */
export class NotFoundError extends VaultError {}
/** No such secret. */
export class SecretNotFoundError extends NotFoundError {}
/** A name that the format does not allow. */
export class InvalidIdentifierError extends SecretNotFoundError {}
/** The key is not among the recipients, or is no owner's; or the value is use-only. */
export class NotAuthorizedError extends VaultError {}
/** Not what an owner signed, or not the vault that is known here: do not use it. */
export class TamperedError extends VaultError {}
/** An older state than one that was seen here. */
export class RollbackError extends TamperedError {}
/** A damaged file. */
export class CorruptError extends VaultError {}
/** A manifest that is none. */
export class ManifestError extends CorruptError {}
/** The Git remote cannot be reached. */
export class RemoteError extends VaultError {}
/** It exists, is busy, has diverged, or is unsigned and to be written. */
export class ConflictError extends VaultError {}
/** The call is wrong. */
export class UsageError extends VaultError {}

type Kind = new (message: string, told: Told) => VaultError;

const BY_CODE: Readonly<Record<string, Kind>> = {
  "secret-not-found": SecretNotFoundError,
  "vault-not-found": VaultNotFoundError,
  "invalid-name": InvalidIdentifierError,
  rollback: RollbackError,
  corrupt: CorruptError,
};

const BY_CLASS: Readonly<Record<string, Kind>> = {
  "not-found": NotFoundError,
  "not-authorized": NotAuthorizedError,
  tampered: TamperedError,
  "no-key": NoKeyError,
  locked: NoKeyError,
  conflict: ConflictError,
  remote: RemoteError,
  usage: UsageError,
};

/** The exception for what the core said. */
export function exception(told: Told): VaultError {
  const kind = BY_CODE[told.code] ?? BY_CLASS[told.class] ?? VaultError;
  return new kind(told.message, told);
}

/** Tells what should be heard of as Node's warnings; what is no warning, nobody. */
export function tell(heard: readonly Heard[]): void {
  for (const { warning, text } of heard) {
    if (warning !== undefined) {
      process.emitWarning(text, warning);
    }
  }
}
