// The blocks of docs/node.md, as a reader would run them: those of the shell, then those of JavaScript in one module.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import test from "node:test";

import { bare, story } from "./world.mjs";

test("docs/node.md runs as it stands", () => {
  const page = readFileSync(join(process.env.AGENT_VAULT_TEST_DOCS, "node.md"), "utf8");
  const blocks = (kind) => [...page.matchAll(new RegExp(`^\`\`\`${kind}\\n([^]*?)^\`\`\`$`, "gm"))].map((found) => found[1]);
  const kinds = new Set([...page.matchAll(/^```(\w+)$/gm)].map((found) => found[1]));
  assert.deepEqual([...kinds].sort(), ["js", "sh", "text"]);
  const world = bare();
  const bin = join(world.root, "bin");
  mkdirSync(bin);
  symlinkSync(process.env.AGENT_VAULT_TEST_PROGRAM, join(bin, "agent-vault"));
  const env = { PATH: `${bin}:${process.env.PATH}`, HOME: world.home, TMPDIR: process.env.TMPDIR };
  const options = { cwd: world.root, env, encoding: "utf8" };
  const shell = spawnSync("bash", ["-euo", "pipefail", "-c", blocks("sh").join("\n")], options);
  assert.equal(shell.status, 0, shell.stderr);
  const script = blocks("js").join("\n");
  const imports = script.split("\n").filter((line) => line.startsWith("import "));
  const rest = script.split("\n").filter((line) => !line.startsWith("import "));
  // Where the blocks of the shell end.
  const here = join(world.root, "app");
  writeFileSync(join(here, "page.mjs"), [...new Set(imports), ...rest].join("\n"));
  symlinkSync(join(dirname(process.env.AGENT_VAULT_TEST_DOCS), "node_modules"), join(world.root, "node_modules"));
  const node = spawnSync(process.execPath, ["page.mjs"], { ...options, cwd: here });
  assert.equal(node.status, 0, node.stderr);
});

test("the example runs as its README says", () => {
  const world = story();
  const beside = join(world.root, "agent-vault");
  cpSync(process.env.AGENT_VAULT_TEST_EXAMPLES, join(beside, "examples"), { recursive: true });
  symlinkSync(join(dirname(process.env.AGENT_VAULT_TEST_DOCS), "node_modules"), join(beside, "node_modules"));
  const bin = join(world.root, "bin");
  mkdirSync(bin);
  symlinkSync(process.env.AGENT_VAULT_TEST_PROGRAM, join(bin, "agent-vault"));
  symlinkSync(process.execPath, join(bin, "node"));
  const page = readFileSync(join(beside, "examples", "node", "README.md"), "utf8");
  const script = [...page.matchAll(/^```sh\n([^]*?)^```$/gm)].map((found) => found[1]).join("\n");
  assert.ok(script.includes("sign.mjs"));
  const env = { PATH: `${bin}:${process.env.PATH}`, HOME: world.home, TMPDIR: process.env.TMPDIR };
  const shell = spawnSync("bash", ["-euo", "pipefail", "-c", script], { cwd: world.repo, env, encoding: "utf8" });
  assert.equal(shell.status, 0, shell.stderr);
});
