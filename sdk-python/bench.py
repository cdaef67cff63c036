"""What can only be measured inside Python. `cargo xtask bench` calls it, with the built wheel and pyrage at hand.

    get REPO SECRET CIPHERTEXT KEY ROUNDS   `ours` a warm, verified read; `pyrage` one decryption of the same ciphertext
    list REPO ROUNDS                        `list` a warm listing
    threads REPO SECRET READS               `one` so many reads by one thread; `four` the same number by four; `hashes` and
                                            `halves` a piece of work by one process and by two
    memory REPO SECRET READS                `before` the bytes that are resident after 1,000 reads; `after` after all

Prints one `name number` a line, in nanoseconds or bytes; times are medians.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from agent_vault import Vault


def timed(work: Callable[[], object]) -> int:
    start = time.perf_counter_ns()
    work()
    return time.perf_counter_ns() - start


def in_turn(rounds: int, **sides: Callable[[], object]) -> None:
    samples: dict[str, list[int]] = {name: [] for name in sides}
    for at in range(rounds + rounds // 10 + 1):
        for name, work in sides.items():
            taken = timed(work)
            if at > rounds // 10:
                samples[name].append(taken)
    for name, sample in samples.items():
        print(name, int(statistics.median(sample)))


def get(repo: str, secret: str, ciphertext: str, key: str, rounds: str) -> None:
    import pyrage

    vault = Vault(repo, key, auto_pull=False)
    lines = Path(key).read_text("utf-8").split()
    identity = pyrage.x25519.Identity.from_str(next(line for line in lines if line.startswith("AGE-SECRET-KEY-")))
    encrypted = Path(ciphertext).read_bytes()
    assert pyrage.decrypt(encrypted, [identity]) == vault.get_bytes(secret)
    in_turn(int(rounds), ours=lambda: vault.get(secret), pyrage=lambda: pyrage.decrypt(encrypted, [identity]))


def listing(repo: str, rounds: str) -> None:
    vault = Vault(repo, auto_pull=False)
    # The list cache trusts no file that was changed within the last two seconds.
    time.sleep(4)
    in_turn(int(rounds), list=vault.list_secrets)


def threads(repo: str, secret: str, reads: str) -> None:
    vault = Vault(repo, auto_pull=False)

    def some(number: int) -> None:
        for _ in range(number):
            vault.get(secret)

    def four() -> None:
        started = [threading.Thread(target=some, args=(int(reads) // 4,)) for _ in range(4)]
        for thread in started:
            thread.start()
        for thread in started:
            thread.join()

    in_turn(5, one=lambda: some(int(reads)), four=four)

    # What this machine's processors can do at best: work without Python, files or anything shared.
    data = b"x" * 100_000

    def hashes(number: int) -> None:
        for _ in range(number):
            hashlib.sha256(data).digest()

    def pair() -> None:
        fork = multiprocessing.get_context("fork")
        started = [fork.Process(target=hashes, args=(2_000,)) for _ in range(2)]
        for process in started:
            process.start()
        for process in started:
            process.join()

    in_turn(5, hashes=lambda: hashes(4_000), halves=pair)


def memory(repo: str, secret: str, reads: str) -> None:
    vault = Vault(repo, auto_pull=False)

    def resident() -> int:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
        return pages * 4096

    for _ in range(1_000):
        vault.get(secret)
    print("before", resident())
    for _ in range(int(reads) - 1_000):
        vault.get(secret)
    print("after", resident())


if __name__ == "__main__":
    {"get": get, "list": listing, "threads": threads, "memory": memory}[sys.argv[1]](*sys.argv[2:])
