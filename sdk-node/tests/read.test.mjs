// Reading: what 0.1.0 had, and what came since.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";

import * as esm from "agent-vault";

import { bare, story, VALUE } from "./world.mjs";

const cjs = createRequire(import.meta.url)("agent-vault");
const { Vault } = esm;

test("a value is read as 0.1.0 read it", async () => {
  const world = story();
  const vault = new Vault({ repoPath: world.repo, keyPath: world.key("ci"), autoPull: false });
  assert.equal(await vault.get("stripe/api-key"), VALUE);
  const keyStr = readFileSync(world.key("ci"), "utf8");
  assert.equal(await new Vault({ repoPath: world.repo, keyStr }).get("stripe/api-key"), VALUE);
  assert.equal(await new Vault({ repoPath: join(world.repo, ".agent-vault") }).get("stripe/api-key"), VALUE);
  const tilde = new Vault({ repoPath: world.repo, keyPath: "~/.agent-vault/agents/ci.key" });
  assert.equal(await tilde.get("stripe/api-key"), VALUE);
  process.env.AGENT_VAULT_KEY = keyStr;
  assert.equal(await new Vault({ repoPath: world.repo }).get("stripe/api-key"), VALUE);
  delete process.env.AGENT_VAULT_KEY;
});

test("listings, agents and the manifest are at hand, and without blocking too", async () => {
  const world = story();
  world.av("set", "stripe/api-key", "--description", "billing", "--expires", "2040-01-02");
  const vault = new Vault({ repoPath: world.repo, keyPath: world.key("ci") });
  const [secret] = vault.listSecrets("stripe");
  assert.equal(secret.name, "stripe/api-key");
  assert.deepEqual([secret.group, secret.authorizedAgents, secret.description], ["stripe", ["ci"], "billing"]);
  assert.ok(secret.createdAt instanceof Date && secret.rotatedAt.getTime() > 1.7e12);
  assert.equal(secret.expiresAt.toISOString().slice(0, 4), "2040");
  assert.deepEqual([secret.useOnly, secret.programs, secret.hosts], [false, [], []]);
  assert.equal(vault.listSecrets().length, 2);
  assert.equal("expiresAt" in vault.listSecrets("postgres")[0], false);
  assert.deepEqual(await vault.listSecretsAsync("stripe"), vault.listSecrets("stripe"));
  assert.deepEqual(vault.listAgents(), [{ name: "ci", groups: ["stripe"] }]);
  assert.deepEqual(await vault.listAgentsAsync(), vault.listAgents());
  const { manifest } = vault;
  assert.deepEqual(manifest.agentGroups("ci"), ["stripe"]);
  assert.deepEqual(manifest.groupSecrets("stripe"), ["stripe/api-key"]);
  assert.deepEqual(manifest.agentsForSecret("stripe/api-key"), ["ci"]);
  assert.deepEqual(manifest.agentsForSecret("postgres/password"), []);
  assert.deepEqual([manifest.listGroups().sort(), manifest.listSecrets().length], [["postgres", "stripe"], 2]);
  assert.deepEqual([manifest.agentGroups("x"), manifest.groupSecrets("x")], [[], []]);
  vault.pull();
  await vault.pullAsync();
  vault.reload();
  assert.ok(vault.signed && vault.dir.endsWith(".agent-vault"));
});

test("each kind of error has a class of its own, a code, a hint and what it is about", async () => {
  const world = story();
  const vault = new Vault({ repoPath: world.repo, keyPath: world.key("ci") });
  const cases = [
    [() => vault.get("stripe/nothing"), esm.SecretNotFoundError, "secret-not-found", "stripe/nothing"],
    [() => vault.get("postgres/password"), esm.NotAuthorizedError, "not-authorized", "postgres/password"],
    [() => vault.env({ B: "postgres/password" }), esm.NotAuthorizedError, "not-authorized", "postgres/password"],
    [() => vault.get("../x"), esm.InvalidIdentifierError, "invalid-name", "../x"],
    [() => vault.rm("stripe/api-key"), esm.NotAuthorizedError, "not-owner", undefined],
    [async () => new Vault({ repoPath: "/" }), esm.VaultNotFoundError, "vault-not-found", "/"],
    [async () => new Vault({ repoPath: world.repo, keyPath: "/nowhere" }), esm.NoKeyError, undefined, undefined],
    [async () => new Vault({}), esm.UsageError, "usage", undefined],
    [async () => new Vault({ repoPath: world.repo, maxAge: -1 }), esm.UsageError, "usage", undefined],
  ];
  for (const [call, kind, code, path] of cases) {
    await assert.rejects(call, (error) => {
      assert.ok(error instanceof kind && error instanceof esm.VaultError && error instanceof Error, `${error}`);
      assert.ok(error.hint && error.message && error.name === kind.name, `${error}`);
      assert.ok(code === undefined || error.code === code, `${error.code}`);
      assert.ok(path === undefined || error.path === path, `${error.path}`);
      return true;
    });
  }
  const file = join(world.repo, ".agent-vault", "secrets", "stripe", "api-key.enc");
  const bytes = readFileSync(file);
  writeFileSync(file, Buffer.concat([bytes, Buffer.from([0])]));
  await assert.rejects(vault.get("stripe/api-key"), esm.TamperedError);
  writeFileSync(file, bytes);
  assert.equal(await vault.get("stripe/api-key"), VALUE);
});

test("bytes come as they are, and what is no text says so", async () => {
  const world = story();
  world.set("stripe/binary", Buffer.from([0, 0xff, 0xfe]));
  const vault = new Vault({ repoPath: world.repo, keyPath: world.key("ci") });
  assert.deepEqual(await vault.getBytes("stripe/binary"), Buffer.from([0, 0xff, 0xfe]));
  await assert.rejects(vault.get("stripe/binary"), (error) => error instanceof esm.UsageError && error.code === "not-text");
});

test("variables for a program are all there or none", async () => {
  const world = story();
  const vault = new Vault({ repoPath: world.repo });
  const made = await vault.env({ KEY: "stripe/api-key", URL: "postgres://app:${av://postgres/password}@localhost" });
  assert.deepEqual(made, { KEY: VALUE, URL: "postgres://app:hunter2-and-more@localhost" });
  await assert.rejects(vault.env({ KEY: "stripe/api-key", OTHER: "stripe/none" }), esm.SecretNotFoundError);
  await assert.rejects(vault.env({ AGENT_VAULT_KEY: "stripe/api-key" }), esm.UsageError);
  await assert.rejects(vault.env({ "a b": "stripe/api-key" }), esm.UsageError);
});

test("a use-only value is listed and withheld, whatever the key", async () => {
  const world = story();
  world.av("set", "stripe/api-key", "--use-only", "--programs", "/usr/bin/wc", "--hosts", "github.com");
  for (const keyPath of [world.key("ci"), undefined]) {
    const vault = new Vault({ repoPath: world.repo, keyPath });
    const [secret] = vault.listSecrets("stripe");
    assert.deepEqual([secret.useOnly, secret.programs, secret.hosts], [true, ["/usr/bin/wc"], ["github.com"]]);
    const calls = [() => vault.get("stripe/api-key"), () => vault.getSecret("stripe/api-key"), () => vault.env({ A: "stripe/api-key" })];
    for (const call of calls) {
      await assert.rejects(call, (error) => error instanceof esm.NotAuthorizedError && error.code === "withheld");
    }
  }
});

test("import and require give the same classes", async () => {
  assert.deepEqual(Object.keys(esm).filter((name) => name !== "default").sort(), Object.keys(cjs).sort());
  for (const name of Object.keys(cjs)) {
    assert.equal(esm[name], cjs[name], name);
  }
});

test("what 0.1.0 wrote is read with a warning, and its documents by themselves", async () => {
  const world = bare();
  const { cpSync } = await import("node:fs");
  const golden = join(process.env.AGENT_VAULT_TEST_CORE, "golden", "v0");
  cpSync(join(golden, "vault"), join(world.repo, ".agent-vault"), { recursive: true });
  const warned = new Promise((resolve) => process.once("warning", resolve));
  const vault = new Vault({ repoPath: world.repo, keyStr: readFileSync(join(golden, "ci.test-key"), "utf8") });
  assert.equal((await warned).name, "UnsignedVaultWarning");
  assert.equal(vault.signed, false);
  const [first] = vault.listSecrets();
  const meta = readFileSync(join(world.repo, ".agent-vault", "secrets", `${first.name}.meta`), "utf8");
  assert.equal(esm.parseMetadata(meta).group, first.group);
  assert.deepEqual(esm.parseMetadata(meta).rotatedAt, first.rotatedAt);
  const manifest = esm.Manifest.load(join(world.repo, ".agent-vault", "manifest.yaml"));
  assert.ok(manifest.listAgents().length > 0 && manifest.agentsForSecret(first.name).length >= 0);
  assert.throws(() => esm.parseMetadata("- no metadata"), esm.CorruptError);
  assert.throws(() => esm.Manifest.load("/nowhere"), esm.ManifestError);
});
