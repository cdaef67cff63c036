// Many reads at once, on Node's loop, on libuv's threads, and in workers.

import assert from "node:assert/strict";
import test from "node:test";
import { Worker } from "node:worker_threads";

import { Vault } from "agent-vault";

import { story, VALUE } from "./world.mjs";

test("10,000 reads at once on one vault, while the loop goes on", async () => {
  const world = story();
  const vault = new Vault({ repoPath: world.repo, keyPath: world.key("ci"), autoPull: false });
  let ticks = 0;
  const timer = setInterval(() => (ticks += 1), 1);
  const values = await Promise.all(Array.from({ length: 10_000 }, () => vault.get("stripe/api-key")));
  clearInterval(timer);
  assert.ok(values.every((value) => value === VALUE));
  assert.ok(ticks > 0, "the loop stood still");
});

test("readers do not disturb each other, nor an owner who writes", async () => {
  const world = story();
  const owner = new Vault({ repoPath: world.repo });
  const reader = new Vault({ repoPath: world.repo, keyPath: world.key("ci") });
  const known = new Set([VALUE]);
  const writes = (async () => {
    for (let round = 0; round < 5; round += 1) {
      known.add(`value-${round}`);
      await owner.set("stripe/api-key", `value-${round}`);
    }
  })();
  for (let round = 0; round < 50; round += 1) {
    for (const value of await Promise.all(Array.from({ length: 16 }, () => reader.get("stripe/api-key")))) {
      assert.ok(known.has(value), value);
    }
  }
  await writes;
  assert.equal(await reader.get("stripe/api-key"), "value-4");
});

test("workers load the package, read, and end, also in the middle of reads", async () => {
  const world = story();
  const start = (count) =>
    new Worker(new URL("./worker.mjs", import.meta.url), { workerData: { repo: world.repo, key: world.key("ci"), count } });
  const said = (worker) =>
    new Promise((resolve, reject) => {
      const heard = [];
      worker.on("message", (message) => heard.push(message));
      worker.on("error", reject);
      worker.on("exit", () => resolve(heard));
    });
  const all = await Promise.all(Array.from({ length: 8 }, () => said(start(200))));
  for (const heard of all) {
    assert.deepEqual(heard, ["begun", [VALUE]]);
  }
  for (let round = 0; round < 5; round += 1) {
    const worker = start(5_000);
    await new Promise((resolve) => worker.once("message", resolve));
    await worker.terminate();
  }
  const vault = new Vault({ repoPath: world.repo, keyPath: world.key("ci") });
  assert.equal(await vault.get("stripe/api-key"), VALUE);
});
