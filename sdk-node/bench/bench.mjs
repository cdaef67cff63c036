// What can only be measured inside Node. `cargo xtask bench` calls it, with the packed package and age-encryption at hand.
//
//   get PACKAGE AGE REPO SECRET CIPHERTEXT KEY ROUNDS   `ours` a warm, verified read; `age` one decryption of the same ciphertext;
//                                                       `hop` the least that Node can ask its threads for: whether a file is there
//   memory PACKAGE REPO SECRET READS                    `before` the bytes that are resident after 1,000 reads; `after` after all
//
// Prints one `name number` a line, in nanoseconds or bytes; times are medians.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { access } from "node:fs/promises";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [what, folder, ...rest] = process.argv.slice(2);
const { Vault } = createRequire(pathToFileURL(`${folder}/`))("agent-vault");

async function timed(work) {
  const start = process.hrtime.bigint();
  await work();
  return Number(process.hrtime.bigint() - start);
}

// Turns of twenty calls each, so that each side is warm, and the threads that it works on are awake.
const TURN = 20;

async function inTurn(rounds, sides) {
  const samples = Object.fromEntries(Object.keys(sides).map((name) => [name, []]));
  const turns = Math.ceil(rounds / TURN);
  const warm = Math.floor(turns / 10) + 1;
  for (let at = 0; at < turns + warm; at += 1) {
    for (const [name, work] of Object.entries(sides)) {
      for (let call = 0; call < TURN; call += 1) {
        const taken = await timed(work);
        if (at >= warm) {
          samples[name].push(taken);
        }
      }
    }
  }
  for (const [name, sample] of Object.entries(samples)) {
    console.log(name, sample.sort((a, b) => a - b)[Math.floor(sample.length / 2)]);
  }
}

async function get(age, repoPath, secret, file, keyPath, rounds) {
  const { Decrypter } = await import(pathToFileURL(`${age}/node_modules/age-encryption/dist/index.js`));
  const vault = new Vault({ repoPath, keyPath, autoPull: false });
  const decrypter = new Decrypter();
  decrypter.addIdentity(readFileSync(keyPath, "utf8").split("\n").find((line) => line.startsWith("AGE-SECRET-KEY-")));
  const encrypted = readFileSync(file);
  const decrypt = () => decrypter.decrypt(encrypted, "text");
  assert.equal(await decrypt(), await vault.get(secret));
  await inTurn(Number(rounds), { ours: () => vault.get(secret), age: decrypt, hop: () => access(file) });
}

async function memory(repoPath, secret, reads) {
  const vault = new Vault({ repoPath, autoPull: false });
  // Node itself grows by ten MiB over its first 50,000 calls of anything, which is not the package's.
  for (let at = 0; at < 50_000; at += 1) {
    await access(repoPath);
  }
  for (let at = 0; at < Number(reads); at += 1) {
    await vault.get(secret);
    if (at === 999) {
      console.log("before", process.memoryUsage.rss());
    }
  }
  console.log("after", process.memoryUsage.rss());
}

await { get, memory }[what](...rest);
