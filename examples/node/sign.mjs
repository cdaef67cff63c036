// Signs what comes in on standard input, as receivers of webhooks expect it: HMAC-SHA256, in hexadecimal.
//
// The key is a secret of the vault here. It is in no file, no argument and no variable, and nothing prints it.

import { createHmac } from "node:crypto";
import { buffer } from "node:stream/consumers";

import { ConflictError, RemoteError, Vault, VaultError } from "agent-vault";

const KEY = "webhooks/signing-key";

/** The payload's signature. The key is read anew each time, so a new one is used from the next call on. */
async function signature(vault, payload) {
  const secret = await vault.getSecret(KEY);
  const key = secret.exposeBytes();
  try {
    return createHmac("sha256", key).update(payload).digest("hex");
  } finally {
    key.fill(0);
    secret.wipe();
  }
}

try {
  console.log(await signature(new Vault({ repoPath: "." }), await buffer(process.stdin)));
} catch (error) {
  if (!(error instanceof VaultError)) {
    throw error;
  }
  console.error(`error: ${error.message}\nhint: ${error.hint}`);
  // Some errors pass by themselves; whoever started this may try again (EX_TEMPFAIL of sysexits.h).
  const passes = error instanceof RemoteError || (error instanceof ConflictError && error.code === "busy");
  process.exitCode = passes ? 75 : 1;
}
