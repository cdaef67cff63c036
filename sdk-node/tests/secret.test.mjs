// A value that is shown nowhere.

import assert from "node:assert/strict";
import test from "node:test";
import { format, inspect } from "node:util";
import { MessageChannel } from "node:worker_threads";

import { Secret, UsageError, Vault } from "agent-vault";

import { story, VALUE } from "./world.mjs";

async function held() {
  const world = story();
  return new Vault({ repoPath: world.repo, keyPath: world.key("ci") }).getSecret("stripe/api-key");
}

test("nothing that prints, serializes or clones it shows it", async () => {
  const secret = await held();
  const { port1, port2 } = new MessageChannel();
  const received = new Promise((resolve) => port2.once("message", resolve));
  port1.postMessage({ secret });
  const shown = [
    inspect(secret, { showHidden: true, depth: 9, getters: true }),
    inspect({ deep: [secret] }, { depth: 9 }),
    format("%s %o %O %j %d", secret, secret, secret, secret, secret),
    `${secret}`,
    secret + "",
    String(secret),
    JSON.stringify({ secret }),
    inspect(structuredClone(secret), { showHidden: true }),
    inspect(await received, { depth: 9 }),
    inspect({ ...secret }),
    Object.entries(secret).join(),
    Reflect.ownKeys(secret).join(),
    new Error("failed", { cause: secret }).cause.toString(),
    inspect(new Error("failed", { cause: secret })),
  ];
  port1.close();
  for (const text of shown) {
    assert.ok(!text.includes(VALUE), text);
  }
  assert.equal(`${secret}`, 'Secret("stripe/api-key", redacted)');
  assert.equal(secret.expose(), VALUE);
  assert.deepEqual(secret.exposeBytes(), Buffer.from(VALUE));
});

test("it is wiped when it is told to, and by the end of a block", async () => {
  const secret = await held();
  assert.ok(secret instanceof Secret && !secret.wiped);
  secret[Symbol.dispose]();
  assert.ok(secret.wiped);
  secret.wipe();
  assert.throws(() => secret.expose(), (error) => error instanceof UsageError && error.hint === "read it again");
  assert.throws(() => secret.exposeBytes(), UsageError);
});

test("what is no text is exposed as bytes alone", async () => {
  const world = story();
  world.set("stripe/binary", Buffer.from([0xff]));
  const secret = await new Vault({ repoPath: world.repo }).getSecret("stripe/binary");
  assert.throws(() => secret.expose(), (error) => error.code === "not-text");
  assert.deepEqual(secret.exposeBytes(), Buffer.from([0xff]));
});
