// Everything that the package offers, as a program in TypeScript uses it. It is compiled, with --strict, and not run.

import { Manifest, parseMetadata, Secret, SecretNotFoundError, Vault, VaultError } from "agent-vault";
import type { Change, ManifestAgent, SecretMetadata, Stored, VaultOptions } from "agent-vault";

const options: VaultOptions = { repoPath: ".", keyPath: undefined, autoPull: false, maxAge: 60 };

export async function all(): Promise<string> {
  const vault = new Vault(options);
  const value: string = await vault.get("a/b");
  const bytes: Buffer = await vault.getBytes("a/b");
  using secret: Secret = await vault.getSecret("a/b");
  const listed: SecretMetadata[] = [...vault.listSecrets(), ...(await vault.listSecretsAsync("a"))];
  const agents: ManifestAgent[] = [...vault.listAgents(), ...(await vault.listAgentsAsync())];
  const manifest: Manifest = vault.manifest;
  const variables: Record<string, string> = await vault.env({ A: "a/b" });
  const stored: Stored = await vault.set("a/b", bytes, { expires: new Date(), description: null });
  const change: Change = await vault.grant("ci", "a", { dryRun: true });
  await vault.revoke("ci", { secret: "a/b" });
  vault.pull({ strict: true });
  const when: Date | undefined = parseMetadata("name: a").expiresAt;
  try {
    await vault.rm("a/b");
  } catch (error) {
    if (error instanceof SecretNotFoundError) {
      const path: string | undefined = error.path;
      return `${error.code} ${error.hint} ${path}`;
    }
    throw error instanceof VaultError ? new Error(error.message) : error;
  }
  // @ts-expect-error: a value is no number
  await vault.set("a/b", 7);
  // @ts-expect-error: a folder is needed
  new Vault({});
  // @ts-expect-error: a value is not shown by mistake
  const shown: string = secret;
  return [value, listed, agents, manifest.listGroups(), variables, stored.revision, change.gains, when, shown].join();
}
