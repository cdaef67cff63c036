import { readFileSync } from "node:fs";

import { ManifestError } from "./errors.js";
import { native, type Named } from "./native.js";

/** An agent and its groups. */
export interface ManifestAgent {
  name: string;
  groups: string[];
}

/** A group and its secrets. */
export interface ManifestGroup {
  name: string;
  secrets: string[];
}

/** What a manifest is made of. */
export interface ManifestData {
  agents?: { name: string; groups?: string[] }[];
  groups?: { name: string; secrets?: string[] }[];
}

/** One look at the policy: who is in which group, and which secrets are. */
export class Manifest {
  readonly #agents: Map<string, string[]>;
  readonly #groups: Map<string, string[]>;
  readonly #readers: Map<string, string[]> | undefined;

  /** `readers` is what a verified look knows beyond the groups. */
  constructor(data: ManifestData, readers?: readonly Named[]) {
    this.#agents = new Map((data.agents ?? []).map(({ name, groups }) => [name, [...(groups ?? [])]]));
    this.#groups = new Map((data.groups ?? []).map(({ name, secrets }) => [name, [...(secrets ?? [])]]));
    this.#readers = readers && new Map(readers.map(({ name, of }) => [name, of]));
  }

  /**
   * What a file of agent-vault 0.1.0 claims. Nothing of it is verified: `Vault.manifest` is what counts.
   *
   * @throws {@link ManifestError} where the file is not there, or is no manifest of 0.1.0.
   */
  static load(filePath: string): Manifest {
    let text: string;
    try {
      text = readFileSync(filePath, "utf8");
    } catch {
      throw new ManifestError(`cannot read the manifest ${filePath}`, {
        code: "corrupt",
        hint: "check the path, or open the vault with new Vault(...)",
        path: filePath,
      });
    }
    const claimed = native.claimedManifest(text);
    if (claimed === null) {
      throw new ManifestError(`${filePath} is no manifest of agent-vault 0.1.0`, {
        code: "corrupt",
        hint: "open the vault with new Vault(...)",
        path: filePath,
      });
    }
    return new Manifest({
      agents: claimed.agents.map(({ name, of }) => ({ name, groups: of })),
      groups: claimed.groups.map(({ name, of }) => ({ name, secrets: of })),
    });
  }

  /** The groups of an agent; none for one that is not there. */
  agentGroups(agentName: string): string[] {
    return [...(this.#agents.get(agentName) ?? [])];
  }

  /** The secrets of a group; none for one that is not there. */
  groupSecrets(groupName: string): string[] {
    return [...(this.#groups.get(groupName) ?? [])];
  }

  /** The agents that can read a secret; none for one that is not there. */
  agentsForSecret(secretPath: string): string[] {
    if (this.#readers !== undefined) {
      return [...(this.#readers.get(secretPath) ?? [])];
    }
    const reads = (groups: string[]): boolean => groups.some((group) => this.groupSecrets(group).includes(secretPath));
    return [...this.#agents].filter(([, groups]) => reads(groups)).map(([name]) => name);
  }

  /** Every agent with its groups. */
  listAgents(): ManifestAgent[] {
    return [...this.#agents].map(([name, groups]) => ({ name, groups: [...groups] }));
  }

  /** Every group. */
  listGroups(): string[] {
    return [...this.#groups.keys()];
  }

  /** Every secret, or those of a group. */
  listSecrets(group?: string): string[] {
    return group === undefined ? [...this.#groups.values()].flat() : this.groupSecrets(group);
  }
}
