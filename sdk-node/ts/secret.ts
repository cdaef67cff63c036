import { inspect } from "node:util";

import { UsageError } from "./errors.js";
import type { NativeSecret } from "./native.js";

/**
 * A secret's value, outside JavaScript's memory, until it is wiped or collected. Nothing that prints, logs, serializes or
 * clones objects shows it; `expose()` and `exposeBytes()` do.
 */
export class Secret implements Disposable {
  readonly #native: NativeSecret;
  /** The secret's path. */
  readonly path: string;

  /** Made by `Vault.getSecret`. */
  constructor(path: string, native: NativeSecret) {
    this.path = path;
    this.#native = native;
  }

  /** Whether the value was wiped. */
  get wiped(): boolean {
    return this.#native.wiped;
  }

  /** The value as text. The string that is returned is JavaScript's: nothing wipes it. */
  expose(): string {
    const text = this.#native.text();
    if (text === null) {
      throw this.#absent("not-text", `the value of ${JSON.stringify(this.path)} is not UTF-8 text`, "call exposeBytes()");
    }
    return text;
  }

  /** The value, byte for byte. The caller can overwrite the buffer that is returned. */
  exposeBytes(): Buffer {
    const bytes = this.#native.bytes();
    if (bytes === null) {
      throw this.#absent("usage", "", "");
    }
    return bytes;
  }

  /** Overwrites the value. Afterwards there is none. */
  wipe(): void {
    this.#native.wipe();
  }

  [Symbol.dispose](): void {
    this.wipe();
  }

  toString(): string {
    return `Secret(${JSON.stringify(this.path)}, redacted)`;
  }

  toJSON(): string {
    return this.toString();
  }

  [Symbol.toPrimitive](): string {
    return this.toString();
  }

  [inspect.custom](): string {
    return this.toString();
  }

  #absent(code: string, message: string, hint: string): UsageError {
    if (this.wiped) {
      const told = { code: "usage", hint: "read it again", path: this.path };
      return new UsageError(`the value of ${JSON.stringify(this.path)} was wiped`, told);
    }
    return new UsageError(message, { code, hint, path: this.path });
  }
}
