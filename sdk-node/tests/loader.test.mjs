// A package without an addon for this platform says so, and what to do.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import test, { after } from "node:test";

const installed = dirname(dirname(createRequire(import.meta.url).resolve("agent-vault/package.json")));
// Not below the tests: Node looks for packages in every folder above, and finds the whole ones there.
const outside = mkdtempSync(join(dirname(dirname(process.env.TMPDIR)), "agent-vault-loader-"));
after(() => rmSync(outside, { recursive: true }));
const LOADS = [
  ["-e", 'require("agent-vault")'],
  ["--input-type=module", "-e", 'import "agent-vault"'],
];

/** A copy of both packages, and what loading them says after a change of the addon's. */
function told(place, words, change) {
  const cwd = join(outside, place);
  const modules = join(cwd, "node_modules");
  cpSync(installed, modules, { recursive: true, dereference: true });
  const addons = readdirSync(modules).filter((name) => name.startsWith("agent-vault-"));
  assert.equal(addons.length, 1);
  change(join(modules, addons[0]));
  const done = spawnSync(process.execPath, words, { cwd });
  return { addon: addons[0], status: done.status, text: done.stderr.toString() };
}

test("both packages load from where they were installed", () => {
  for (const words of LOADS) {
    const done = told("both", words, () => {});
    assert.equal(done.status, 0, done.text);
  }
});

test("a missing addon is named with the remedy", () => {
  for (const words of LOADS) {
    const { addon, status, text } = told("without", words, (folder) => rmSync(folder, { recursive: true }));
    assert.notEqual(status, 0);
    assert.ok(text.includes(`it takes the package ${addon}, which is not installed`), text);
    assert.ok(text.includes("cargo xtask node-package") && !text.includes("npm install"), text);
  }
});

test("an addon of another version is not loaded", () => {
  for (const words of LOADS) {
    const { addon, status, text } = told("other", words, (folder) => {
      const file = join(folder, "package.json");
      writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, "utf8")), version: "9.9.9" }));
    });
    assert.notEqual(status, 0);
    assert.ok(text.includes(`${addon}: it is of version 9.9.9, and agent-vault of 0.`), text);
  }
});

test("an addon that cannot be loaded is named with the reason", () => {
  for (const words of LOADS) {
    const { addon, status, text } = told("broken", words, (folder) => {
      writeFileSync(join(folder, "agent-vault.node"), "no library");
    });
    assert.notEqual(status, 0);
    assert.ok(text.includes("no addon that this machine can load") && text.includes(`  ${addon}: `), text);
  }
});

test("the addon's package is for this platform alone", () => {
  const [addon] = readdirSync(installed).filter((name) => name.startsWith("agent-vault-"));
  const { os, cpu, libc, name, license } = JSON.parse(readFileSync(join(installed, addon, "package.json"), "utf8"));
  assert.deepEqual({ os, cpu, name, license }, { os: [process.platform], cpu: [process.arch], name: addon, license: "MIT" });
  const has = process.report.getReport().header.glibcVersionRuntime === undefined ? "musl" : "glibc";
  assert.deepEqual(libc, process.platform === "linux" ? [has] : undefined);
});
