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

/** The packages of which one has the addon for this machine. Which C library Linux has is slow to ask: see what loads. */
function candidates(): string[] {
  const name = `agent-vault-${process.platform}-${process.arch}`;
  return process.platform === "linux" ? [`${name}-gnu`, `${name}-musl`] : [name];
}

/** The one that this machine takes, by Node's own report. */
function wanted(): string {
  const names = candidates();
  const report = process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined;
  return (report?.header?.glibcVersionRuntime === undefined ? names.at(-1) : names[0]) ?? "";
}

/** The addon is a package of its own for each platform, of the same version as this one. */
function load(): Native {
  const { version } = require("../package.json") as { version: string };
  const reasons: string[] = [];
  for (const name of candidates()) {
    const found = installed(name);
    if (found === version) {
      try {
        return require(name) as Native;
      } catch (error) {
        reasons.push(`${name}: ${error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error)}`);
      }
    } else if (found !== undefined) {
      reasons.push(`${name}: it is of version ${found}, and agent-vault of ${version}`);
    }
  }
  // No name to type after `npm install`: in the registry it may be anybody's.
  throw new Error(
    `agent-vault has no addon that this machine can load: it takes the package ${wanted()}, ` +
      `${reasons.length === 0 ? "which is not installed" : "and found"}\n` +
      reasons.map((reason) => `  ${reason}\n`).join("") +
      `Both packages come from one run of \`cargo xtask node-package\` in the repository, on the platform that runs them, and are ` +
      `installed together, as files (docs/node.md). No registry has them.`,
  );
}

/** The version of a package, where it is installed. */
function installed(name: string): string | undefined {
  try {
    return (require(`${name}/package.json`) as { version: string }).version;
  } catch {
    return undefined;
  }
}

export const native: Native = load();
