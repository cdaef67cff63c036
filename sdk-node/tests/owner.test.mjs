// What an owner changes.

import assert from "node:assert/strict";
import test from "node:test";

import { NotAuthorizedError, NotFoundError, Secret, UsageError, Vault } from "agent-vault";

import { story } from "./world.mjs";

test("an owner sets, describes and removes", async () => {
  const world = story();
  const vault = new Vault({ repoPath: world.repo });
  const stored = await vault.set("new/key", Buffer.from([0, 255]), { description: "what it is", expires: "90d" });
  assert.deepEqual(stored, { commit: world.git("rev-parse", "HEAD").trim(), revision: 1 });
  assert.deepEqual(await vault.getBytes("new/key"), Buffer.from([0, 255]));
  const expires = new Date("2040-01-02T03:04:05.678Z");
  assert.equal((await vault.set("new/key", undefined, { expires, description: null, agents: ["ci"] })).revision, 2);
  const [secret] = vault.listSecrets("new");
  assert.deepEqual([secret.expiresAt, secret.description, secret.agents], [new Date("2040-01-02T03:04:05Z"), undefined, ["ci"]]);
  await vault.set("new/key", undefined, { expires: null });
  assert.equal(vault.listSecrets("new")[0].expiresAt, undefined);
  assert.equal((await vault.set("new/key", undefined, { expires: null })).commit, undefined);
  const held = await vault.getSecret("stripe/api-key");
  assert.ok(held instanceof Secret);
  await vault.set("new/copy", held);
  assert.equal(await vault.get("new/copy"), "sk_live_51");
  assert.equal(await vault.rm("new/key"), world.git("rev-parse", "HEAD").trim());
  world.av("check");
  world.av("verify", "--history");
  await assert.rejects(vault.set("new/x", 7), TypeError);
  await assert.rejects(vault.set("new/x", "y", { expires: "someday" }), UsageError);
});

test("an owner grants and revokes", async () => {
  const world = story();
  const [vault, agent] = [new Vault({ repoPath: world.repo }), new Vault({ repoPath: world.repo, keyPath: world.key("ci") })];
  const dry = await vault.grant("ci", "postgres", { dryRun: true });
  assert.deepEqual([dry.commit, Object.keys(dry.gains), dry.loses], [undefined, ["postgres/password"], {}]);
  await assert.rejects(agent.get("postgres/password"), NotAuthorizedError);
  assert.ok((await vault.grant("ci", "postgres")).commit);
  assert.equal(await agent.get("postgres/password"), "hunter2-and-more");
  const change = await vault.revoke("ci", "postgres");
  assert.deepEqual(Object.keys(change.loses), ["postgres/password"]);
  await assert.rejects(agent.get("postgres/password"), NotAuthorizedError);
  assert.equal(vault.listSecrets("postgres")[0].exposedTo.length, 1);
  await vault.set("postgres/password", undefined, { agents: ["ci"] });
  assert.deepEqual(Object.keys((await vault.revoke("ci", { secret: "postgres/password" })).loses), ["postgres/password"]);
  await assert.rejects(vault.grant("ci", "nogroup"), (error) => error instanceof NotFoundError && error.path === "nogroup");
  assert.ok((await vault.grant("ci", "nogroup", { create: true })).commit);
});

test("an agent changes nothing", async () => {
  const world = story();
  const vault = new Vault({ repoPath: world.repo, keyPath: world.key("ci") });
  const before = world.git("rev-parse", "HEAD");
  const calls = [
    () => vault.set("stripe/api-key", "mine"),
    () => vault.rm("stripe/api-key"),
    () => vault.grant("ci", "postgres"),
    () => vault.revoke("ci", "stripe"),
  ];
  for (const call of calls) {
    await assert.rejects(call, (error) => error instanceof NotAuthorizedError && error.code === "not-owner");
  }
  assert.equal(world.git("rev-parse", "HEAD"), before);
});
