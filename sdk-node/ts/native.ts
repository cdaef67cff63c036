/** The addon, and where it is looked for. The shapes are those of `src/answer.rs` and `src/vault.rs`. */

/** What is wrong. */
export interface Told {
  code: string;
  class: string;
  message: string;
  hint: string;
  path?: string;
}

/** Something to hear of. */
export interface Heard {
  warning?: string;
  text: string;
}

export interface Listed {
  name: string;
  group: string;
  created: number;
  rotated: number;
  expires?: number;
  authorizedAgents: string[];
  description?: string;
  agents: string[];
  revision: number;
  valueRevision: number;
  exposedTo: string[];
  useOnly: boolean;
  programs: string[];
  hosts: string[];
}

export interface Named {
  name: string;
  of: string[];
}

export interface Policy {
  agents: Named[];
  groups: Named[];
  readers: Named[];
}

export interface Changed {
  commit?: string;
  revision?: number;
  gains: Named[];
  loses: Named[];
}

export interface NativeSecret {
  readonly wiped: boolean;
  text(): string | null;
  bytes(): Buffer | null;
  wipe(): void;
}

export interface Answer {
  error?: Told;
  heard: Heard[];
  text?: string;
  bytes?: Buffer;
  secret?: NativeSecret;
  listed?: Listed[];
  broken?: string[];
  policy?: Policy;
  variables?: { name: string; value: string }[];
  changed?: Changed;
}

export interface Wishes {
  group?: string;
  agents?: string[];
  expires?: string;
  description?: string;
}

export interface NativeVault {
  readonly dir: string;
  readonly signed: boolean;
  get(path: string): Promise<Answer>;
  getBytes(path: string): Promise<Answer>;
  getSecret(path: string): Promise<Answer>;
  list(group?: string): Promise<Answer>;
  listSync(group?: string): Answer;
  policy(): Promise<Answer>;
  policySync(): Answer;
  env(names: string[], values: string[]): Promise<Answer>;
  pull(strict: boolean): Promise<Answer>;
  pullSync(strict: boolean): Answer;
  reloadSync(): Answer;
  set(path: string, value: Buffer | undefined, wishes: Wishes): Promise<Answer>;
  remove(path: string): Promise<Answer>;
  grant(agent: string, group: string, create: boolean, dryRun: boolean): Promise<Answer>;
  revoke(agent: string, group: string | undefined, secret: string | undefined, dryRun: boolean): Promise<Answer>;
}

export interface Place {
  repoPath: string;
  keyPath?: string;
  keyStr?: string;
  autoPull: boolean;
  maxAge?: number;
  env: Record<string, string>;
}

export interface Claimed {
  name: string;
  group: string;
  created?: number;
  rotated?: number;
  expires?: number;
  authorizedAgents: string[];
}

export interface Native {
  open(place: Place): { vault?: NativeVault; error?: Told; heard: Heard[] };
  claimedMetadata(text: string): Claimed | null;
  claimedManifest(text: string): { agents: Named[]; groups: Named[] } | null;
}

/** Which build of the addon this machine takes: `linux-x64-gnu`. */
export function platform(): string {
  const base = `${process.platform}-${process.arch}`;
  if (process.platform !== "linux") {
    return base;
  }
  const report = process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined;
  return `${base}-${report?.header?.glibcVersionRuntime === undefined ? "musl" : "gnu"}`;
}

function load(): Native {
  const here = platform();
  const reasons: string[] = [];
  for (const place of [`../agent-vault.${here}.node`, `agent-vault-${here}`]) {
    try {
      return require(place) as Native;
    } catch (error) {
      reasons.push(`${place}: ${error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error)}`);
    }
  }
  throw new Error(
    `agent-vault has no addon for this platform (${here}): the package agent-vault-${here} is not installed.\n` +
      `Install this package again without --omit=optional or --no-optional and on the platform that runs it, ` +
      `or build the addon from the repository (docs/node.md).\n` +
      reasons.map((reason) => `  ${reason}`).join("\n"),
  );
}

export const native: Native = load();
