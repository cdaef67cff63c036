// A package without an addon for this platform says so, and what to do.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, readdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import test from "node:test";

const installed = dirname(createRequire(import.meta.url).resolve("agent-vault/package.json"));

test("a missing addon is named with the remedy", () => {
  const copy = join(process.env.TMPDIR, "without", "node_modules", "agent-vault");
  cpSync(installed, copy, { recursive: true, dereference: true });
  const addons = readdirSync(copy).filter((name) => name.endsWith(".node"));
  assert.equal(addons.length, 1);
  rmSync(join(copy, addons[0]));
  const cwd = join(process.env.TMPDIR, "without");
  for (const words of [["-e", 'require("agent-vault")'], ["--input-type=module", "-e", 'import "agent-vault"']]) {
    const done = spawnSync(process.execPath, words, { cwd });
    const told = done.stderr.toString();
    assert.notEqual(done.status, 0);
    const name = addons[0].replace(/^agent-vault\.(.*)\.node$/, "agent-vault-$1");
    assert.ok(told.includes(`the package ${name} is not installed`) && told.includes("--omit=optional"), told);
  }
});
