// A home and a repository with a vault of owner eric, made by the command line of the same build.

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, realpathSync } from "node:fs";
import { join } from "node:path";

const PROGRAM = process.env.AGENT_VAULT_TEST_PROGRAM;
/** A copy of the golden vaults and of the table. */
export const CORE = process.env.AGENT_VAULT_TEST_CORE;
/** What the story's secret holds. */
export const VALUE = "sk_live_51";

for (const name of Object.keys(process.env)) {
  if (name.startsWith("AGENT_VAULT_") && !name.startsWith("AGENT_VAULT_TEST_")) {
    delete process.env[name];
  }
}

export class World {
  constructor() {
    this.root = realpathSync(mkdtempSync(join(process.env.TMPDIR, "world-")));
    this.home = join(this.root, "home");
    this.repo = join(this.root, "repo");
    mkdirSync(this.home);
    mkdirSync(this.repo);
    // The vault's own code looks for the home in this process.
    process.env.HOME = this.home;
  }

  /** Runs a program that must succeed; what it printed. */
  run(program, words, { input = "", cwd = this.repo } = {}) {
    const env = { PATH: process.env.PATH, HOME: this.home, GIT_CONFIG_NOSYSTEM: "1", LC_ALL: "C.UTF-8" };
    const done = spawnSync(program, words, { input, cwd, env, maxBuffer: 1 << 26 });
    if (done.status !== 0) {
      throw new Error(`${program} ${words.join(" ")}: ${done.stderr}`);
    }
    return done.stdout.toString();
  }

  git(...words) {
    return this.run("git", words);
  }

  av(...words) {
    return this.run(PROGRAM, words);
  }

  set(path, value) {
    this.run(PROGRAM, ["set", path], { input: value });
  }

  key(agent) {
    return join(this.home, ".agent-vault", "agents", `${agent}.key`);
  }
}

/** A repository without a vault. */
export function bare() {
  const world = new World();
  world.git("init", "--quiet", "--initial-branch=main");
  for (const [name, value] of [["user.name", "Eric"], ["user.email", "eric@example.com"], ["commit.gpgSign", "false"]]) {
    world.git("config", "--global", name, value);
  }
  return world;
}

/** A vault with two secrets, and an agent that reads one of them. */
export function story() {
  const world = bare();
  world.av("init", "--owner", "eric", "--no-hook");
  world.set("stripe/api-key", VALUE);
  world.set("postgres/password", "hunter2-and-more");
  world.av("add-agent", "ci");
  world.av("grant", "ci", "stripe");
  return world;
}
