// A worker of `stress.test.mjs`: reads, and says what it read.

import { parentPort, workerData } from "node:worker_threads";

import { Vault } from "agent-vault";

const vault = new Vault({ repoPath: workerData.repo, keyPath: workerData.key });
const all = Array.from({ length: workerData.count }, () => vault.get("stripe/api-key"));
parentPort.postMessage("begun");
parentPort.postMessage([...new Set(await Promise.all(all))]);
