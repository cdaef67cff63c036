import { exception, tell, UsageError } from "./errors.js";
import { Manifest, type ManifestAgent } from "./manifest.js";
import { metadata, type SecretMetadata } from "./metadata.js";
import { native, type Answer, type Named, type NativeVault, type Place, type Wishes } from "./native.js";
import { Secret } from "./secret.js";

/** How a vault is opened. */
export interface VaultOptions {
  /** The repository's folder or any below it, or an address that Git takes: of that a cached clone is kept. */
  repoPath: string;
  /** A key file. Without it `AGENT_VAULT_KEY`, then `~/.agent-vault/owner.key`. */
  keyPath?: string | undefined;
  /** A raw key, or a key file's text; comes before `keyPath`. */
  keyStr?: string | undefined;
  /** Whether reads look at the Git remote, when the last look is older than `maxAge`. True by default. */
  autoPull?: boolean | undefined;
  /** Seconds; 0 looks each time. By default what `agent-vault config` says of `sync.max_age`: a minute. */
  maxAge?: number | undefined;
}

/** What is known of a secret beside its value; `null` clears. */
export interface SetOptions {
  group?: string;
  agents?: string[];
  /** A time, or text such as `90d` or `2030-01-01`. */
  expires?: Date | string | null;
  description?: string | null;
}

/** What `set` did. */
export interface Stored {
  /** The commit; undefined when nothing had to change. */
  commit: string | undefined;
  /** The secret's revision now. */
  revision: number;
}

/** What `grant` or `revoke` did, or would do. */
export interface Change {
  /** The commit; undefined for a dry run, or when the policy was so already. */
  commit: string | undefined;
  /** Secrets, each with the keys that can read it now and could not before. */
  gains: Record<string, string[]>;
  /** Secrets, each with the keys that could read it before and cannot now. Their values were known: rotate them. */
  loses: Record<string, string[]>;
}

/** The variables of the process that count. */
const VARIABLES = ["AGENT_VAULT_HOME", "AGENT_VAULT_KEY", "AGENT_VAULT_OWNER", "AGENT_VAULT_TRUST"];

/** An answer that is none of an error; what was heard is told. */
function taken(answer: Answer): Answer {
  tell(answer.heard);
  if (answer.error !== undefined && answer.error !== null) {
    throw exception(answer.error);
  }
  return answer;
}

/** What the addon always sends with this call. */
function there<T>(value: T | undefined): T {
  if (value === undefined || value === null) {
    throw new TypeError("the addon's answer is not whole: it is of another version than this package");
  }
  return value;
}

function record(pairs: readonly Named[]): Record<string, string[]> {
  return Object.fromEntries(pairs.map(({ name, of }) => [name, of]));
}

function change(answer: Answer): Change {
  const { commit, gains, loses } = there(taken(answer).changed);
  return { commit: commit ?? undefined, gains: record(gains), loses: record(loses) };
}

/**
 * A vault, and the key to read it with. What it reads is verified; reads and owners' calls work on threads of their own, and
 * one vault serves any number at once.
 */
export class Vault {
  readonly #native: NativeVault;

  constructor(options: VaultOptions) {
    if (typeof options?.repoPath !== "string") {
      throw new UsageError("repoPath is missing", { code: "usage", hint: 'new Vault({ repoPath: "." })' });
    }
    const place: Place = { repoPath: options.repoPath, autoPull: options.autoPull ?? true, env: {} };
    if (options.keyStr !== undefined) {
      place.keyStr = options.keyStr;
    } else if (options.keyPath !== undefined) {
      place.keyPath = home(options.keyPath);
    }
    if (options.maxAge !== undefined) {
      place.maxAge = options.maxAge;
    }
    for (const name of VARIABLES) {
      const value = process.env[name];
      if (value !== undefined) {
        place.env[name] = value;
      }
    }
    const { vault, error, heard } = native.open(place);
    tell(heard);
    if (error !== undefined && error !== null) {
      throw exception(error);
    }
    this.#native = there(vault);
  }

  /** The vault's folder. */
  get dir(): string {
    return this.#native.dir;
  }

  /** Whether an owner signed it; a vault of agent-vault 0.1.0 is not signed. */
  get signed(): boolean {
    return this.#native.signed;
  }

  /** A value as text. */
  async get(secretPath: string): Promise<string> {
    return there(taken(await this.#native.get(secretPath)).text);
  }

  /** A value, byte for byte. */
  async getBytes(secretPath: string): Promise<Buffer> {
    return there(taken(await this.#native.getBytes(secretPath)).bytes);
  }

  /** A value that is shown nowhere. */
  async getSecret(secretPath: string): Promise<Secret> {
    return new Secret(secretPath, there(taken(await this.#native.getSecret(secretPath)).secret));
  }

  /** Every secret, or those of a group, without their values. It blocks; `listSecretsAsync` does not. */
  listSecrets(group?: string): SecretMetadata[] {
    return listed(this.#native.listSync(group));
  }

  /** The same, without blocking. */
  async listSecretsAsync(group?: string): Promise<SecretMetadata[]> {
    return listed(await this.#native.list(group));
  }

  /** Every agent with its groups. It blocks; `listAgentsAsync` does not. */
  listAgents(): ManifestAgent[] {
    return this.manifest.listAgents();
  }

  /** The same, without blocking. */
  async listAgentsAsync(): Promise<ManifestAgent[]> {
    return (await this.manifestAsync()).listAgents();
  }

  /** A new, verified look at the policy. It blocks; `manifestAsync` does not. */
  get manifest(): Manifest {
    return policy(this.#native.policySync());
  }

  /** The same, without blocking. */
  async manifestAsync(): Promise<Manifest> {
    return policy(await this.#native.policy());
  }

  /** Variables for a program, all of them or none: secrets' paths, or text with references such as `av://group/name`. */
  async env(mapping: Readonly<Record<string, string>>): Promise<Record<string, string>> {
    const answer = taken(await this.#native.env(Object.keys(mapping), Object.values(mapping)));
    return Object.fromEntries(there(answer.variables).map(({ name, value }) => [name, value]));
  }

  /** Looks at the remote now. That it cannot be reached is a warning, or with `strict` an error. It blocks. */
  pull(options?: { strict?: boolean }): void {
    taken(this.#native.pullSync(options?.strict ?? false));
  }

  /** The same, without blocking. */
  async pullAsync(options?: { strict?: boolean }): Promise<void> {
    taken(await this.#native.pull(options?.strict ?? false));
  }

  /** Opens the vault anew. Reads need no reload. */
  reload(): void {
    taken(this.#native.reloadSync());
  }

  /** Stores a value, or changes what is known of a secret where none is given. For owners. */
  async set(secretPath: string, value?: string | Uint8Array | Secret, options: SetOptions = {}): Promise<Stored> {
    const { group, agents, expires, description } = options;
    const wishes: Wishes = {};
    if (group !== undefined) {
      wishes.group = group;
    }
    if (agents !== undefined) {
      wishes.agents = agents;
    }
    if (expires !== undefined) {
      wishes.expires = expires instanceof Date ? expires.toISOString().replace(/\.\d+Z$/, "Z") : (expires ?? "");
    }
    if (description !== undefined) {
      wishes.description = description ?? "";
    }
    const { commit, revision } = there(taken(await this.#native.set(secretPath, bytes(value), wishes)).changed);
    return { commit: commit ?? undefined, revision: there(revision) };
  }

  /** Removes a secret; the commit. For owners. */
  async rm(secretPath: string): Promise<string> {
    return there(there(taken(await this.#native.remove(secretPath)).changed).commit);
  }

  /** Lets an agent read a group. For owners. */
  async grant(agent: string, group: string, options?: { create?: boolean; dryRun?: boolean }): Promise<Change> {
    return change(await this.#native.grant(agent, group, options?.create ?? false, options?.dryRun ?? false));
  }

  /** Takes a group from an agent, or one secret that it was granted beyond its groups. For owners. */
  async revoke(agent: string, what: string | { secret: string }, options?: { dryRun?: boolean }): Promise<Change> {
    const [group, secret] = typeof what === "string" ? [what, undefined] : [undefined, what.secret];
    return change(await this.#native.revoke(agent, group, secret, options?.dryRun ?? false));
  }

  /** Ends the use of the vault; nothing has to be closed. */
  [Symbol.dispose](): void {}
}

/** A file in the home directory, as shells write it. */
function home(path: string): string {
  const at = process.env["HOME"] ?? process.env["USERPROFILE"];
  return at !== undefined && /^~(?=$|[/\\])/.test(path) ? at + path.slice(1) : path;
}

function listed(answer: Answer): SecretMetadata[] {
  const { listed: rows, broken } = taken(answer);
  tell((broken ?? []).map((text) => ({ warning: "VaultWarning", text })));
  return there(rows).map(metadata);
}

function policy(answer: Answer): Manifest {
  const { agents, groups, readers } = there(taken(answer).policy);
  return new Manifest(
    {
      agents: agents.map(({ name, of }) => ({ name, groups: of })),
      groups: groups.map(({ name, of }) => ({ name, secrets: of })),
    },
    readers,
  );
}

function bytes(value: string | Uint8Array | Secret | undefined): Buffer | undefined {
  if (value === undefined) {
    return undefined;
  }
  if (typeof value === "string") {
    return Buffer.from(value, "utf8");
  }
  if (value instanceof Secret) {
    return value.exposeBytes();
  }
  if (value instanceof Uint8Array) {
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  }
  // The type alone: the value may be secret.
  throw new TypeError(`a value is a string, bytes or a Secret, not ${typeof value}`);
}
