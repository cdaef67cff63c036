// The table that every face agrees on; `core/tests/vectors/README.md` says what a case is.

import assert from "node:assert/strict";
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";

import * as sdk from "agent-vault";

import { bare, CORE } from "./world.mjs";

const FILES = ["keys.json", "names.json", "tampered.json", "values.json"];
const CLASSES = {
  conflict: sdk.ConflictError,
  locked: sdk.NoKeyError,
  "no-key": sdk.NoKeyError,
  "not-authorized": sdk.NotAuthorizedError,
  "not-found": sdk.VaultError,
  other: sdk.VaultError,
  tampered: sdk.TamperedError,
  usage: sdk.VaultError,
};

const golden = (vault, key) => readFileSync(join(CORE, "golden", vault, `${key}.test-key`), "utf8");

function keyOf(step) {
  const key = step.key ?? "owner";
  if (typeof key === "string") {
    return golden("v1", key);
  }
  let { text } = key;
  for (const [vault, name, mark] of [["v1", "ci", "ci"], ["v1", "old", "old"], ["v1", "owner", "owner"], ["v0", "ci", "v0/ci"]]) {
    const file = golden(vault, name);
    text = text.replaceAll(`{${mark}}`, () => file).replaceAll(`{${mark}!}`, () => file.trim().split("\n").at(-1));
  }
  if (key.replace !== undefined) {
    text = text.replaceAll(key.replace[0], () => key.replace[1]);
  }
  return text.slice(0, key.cut);
}

function valueOf(step) {
  if (step.text !== undefined) {
    return Buffer.from(step.text, "utf8");
  }
  if (step.hex !== undefined) {
    return Buffer.from(step.hex, "hex");
  }
  return Buffer.alloc(step.repeat.bytes, Buffer.from(step.repeat.hex, "hex"));
}

function edited(world, source, edit) {
  const file = (name) => join(world.repo, ".agent-vault", name);
  if (edit.flip !== undefined) {
    const found = readFileSync(file(edit.flip));
    found[found.length + edit.at] ^= 1;
    writeFileSync(file(edit.flip), found);
  } else if (edit.append !== undefined) {
    writeFileSync(file(edit.append), Buffer.concat([readFileSync(file(edit.append)), Buffer.from(edit.hex, "hex")]));
  } else if (edit.write !== undefined) {
    writeFileSync(file(edit.write), Buffer.from(edit.hex, "hex"));
  } else if (edit.copy !== undefined) {
    cpSync(file(edit.copy), file(edit.to));
  } else if (edit.replace !== undefined) {
    const before = readFileSync(file(edit.replace), "latin1");
    const after = before.replaceAll(edit.old, () => edit.new);
    assert.notEqual(before, after);
    writeFileSync(file(edit.replace), after, "latin1");
  } else if (edit.remove !== undefined) {
    rmSync(file(edit.remove));
  } else if (edit.restore !== undefined) {
    cpSync(join(source, edit.restore), file(edit.restore));
  } else {
    throw new Error(`no such edit: ${JSON.stringify(edit)}`);
  }
}

async function done(world, vault, step) {
  const opened = new sdk.Vault({ repoPath: world.repo, keyStr: vault === "v0" ? golden("v0", "ci") : keyOf(step) });
  if (step.get !== undefined && step.as === "text") {
    await opened.get(step.get);
  } else if (step.get !== undefined) {
    const found = await opened.getBytes(step.get);
    assert.ok(found.equals(valueOf(step)));
    assert.ok((await opened.getSecret(step.get)).exposeBytes().equals(found));
  } else if (step.store !== undefined) {
    await opened.set(step.store, valueOf(step));
  } else if (step.list !== undefined) {
    const names = opened.listSecrets(step.list ?? undefined).map((secret) => secret.name);
    assert.deepEqual(names, step.names);
  } else if (step.agents === true) {
    opened.listAgents();
  } else {
    throw new Error(`no such step: ${JSON.stringify(step)}`);
  }
}

process.on("warning", () => {});

test("no file of the table is left out", () => {
  assert.deepEqual(readdirSync(join(CORE, "vectors")).filter((name) => name.endsWith(".json")).sort(), FILES);
});

for (const file of FILES) {
  for (const one of JSON.parse(readFileSync(join(CORE, "vectors", file), "utf8")).cases) {
    test(`${file}: ${one.name}`, async () => {
      const world = bare();
      const source = join(CORE, "golden", one.vault, "vault");
      cpSync(source, join(world.repo, ".agent-vault"), { recursive: true });
      world.git("add", "--all", "--force", ".");
      world.git("commit", "--quiet", "--message", "golden");
      for (const step of one.steps) {
        if (step.vanish) {
          rmSync(join(world.repo, ".agent-vault"), { recursive: true });
        } else if (step.edit !== undefined) {
          edited(world, source, step.edit);
        } else if (step.fails !== undefined) {
          await assert.rejects(done(world, one.vault, step), (error) => {
            assert.equal(error.code, step.fails.code, `${error}`);
            assert.ok(error instanceof CLASSES[step.fails.class], `${error}`);
            assert.ok(error.hint && error.message);
            return true;
          });
        } else {
          await done(world, one.vault, step);
        }
      }
    });
  }
}
