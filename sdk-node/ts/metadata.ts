import { readFileSync } from "node:fs";

import { CorruptError } from "./errors.js";
import { native, type Listed } from "./native.js";

/** What is known of a secret without decrypting it. */
export interface SecretMetadata {
  /** Its path. */
  name: string;
  /** The group whose agents read it. */
  group: string;
  /** When it was made. Where nobody says, the beginning of 1970. */
  createdAt: Date;
  /** When its value was last set. Where nobody says, the beginning of 1970. */
  rotatedAt: Date;
  /** When it expires. */
  expiresAt?: Date;
  /** The agents that can read it. */
  authorizedAgents: string[];
  /** One line for people. */
  description?: string;
  /** The agents that may read it beyond its group. */
  agents?: string[];
  /** Counts every write; 0 in an unsigned vault. */
  revision?: number;
  /** Counts the changes of its value; 0 in an unsigned vault. */
  valueRevision?: number;
  /** Keys that could read the value and no longer may: rotation is due until it changes. */
  exposedTo?: string[];
  /** Whether its owner bound the value to programs or hosts: `get` refuses it, whatever the key. */
  useOnly?: boolean;
  /** The programs that a use-only value is handed to. */
  programs?: string[];
  /** The hosts that Git may send it to. */
  hosts?: string[];
}

const date = (seconds: number | undefined): Date => new Date((seconds ?? 0) * 1000);

/** A row of a listing. */
export function metadata(row: Listed): SecretMetadata {
  const { created, rotated, expires, ...rest } = row;
  const found: SecretMetadata = { ...rest, createdAt: date(created), rotatedAt: date(rotated) };
  if (expires !== undefined && expires !== null) {
    found.expiresAt = date(expires);
  }
  return found;
}

/**
 * What the text of a `.meta` file claims. Nothing of it is verified: `Vault.listSecrets` is what counts.
 *
 * @throws {@link CorruptError} where it is none.
 */
export function parseMetadata(content: string): SecretMetadata {
  const claimed = native.claimedMetadata(content);
  if (claimed === null) {
    throw new CorruptError("this is no metadata of a secret", { code: "corrupt", hint: "list the vault instead: new Vault(...).listSecrets()" });
  }
  const { name, group, created, rotated, expires, authorizedAgents } = claimed;
  const found: SecretMetadata = { name, group, createdAt: date(created), rotatedAt: date(rotated), authorizedAgents };
  if (expires !== undefined && expires !== null) {
    found.expiresAt = date(expires);
  }
  return found;
}

/** The same, of a file. */
export function parseMetadataFile(filePath: string): SecretMetadata {
  return parseMetadata(readFileSync(filePath, "utf8"));
}
