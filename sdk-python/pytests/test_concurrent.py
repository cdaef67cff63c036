"""Threads, tasks and forks."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import World

import agent_vault
from agent_vault import Vault

MANY = 40
"""More than so few that they are read on one core."""


@pytest.fixture
def many(world: World) -> Vault:
    owner = Vault(world.repo)
    for at in range(MANY):
        owner.set(f"many/s{at}", f"value-{at}")
    return owner


def test_64_threads_share_one_vault(many: Vault) -> None:
    def one(thread: int) -> int:
        for at in range(20):
            wanted = (thread + at) % MANY
            assert many.get(f"many/s{wanted}") == f"value-{wanted}"
            with pytest.raises(agent_vault.SecretNotFoundError):
                many.get("many/none")
        return len(many.list_secrets("many"))

    with ThreadPoolExecutor(64) as pool:
        assert list(pool.map(one, range(64))) == [MANY] * 64


def test_python_goes_on_while_the_core_works(world: World) -> None:
    """The core waits for a key that only another thread of this Python can give it."""
    pipe = world.root / "key"
    os.mkfifo(pipe)
    key = world.key("ci").read_text()

    def give() -> None:
        pipe.write_text(key)

    thread = threading.Thread(target=give)
    thread.start()
    assert Vault(world.repo, pipe).get("stripe/api-key") == "sk_live_51"
    thread.join()


def test_10_000_tasks_are_answered(many: Vault) -> None:
    async def all_of_them() -> None:
        values = await asyncio.gather(*(many.aget(f"many/s{at % MANY}") for at in range(10_000)))
        assert values == [f"value-{at % MANY}" for at in range(10_000)]
        assert len(await many.alist_secrets("many")) == MANY
        assert await many.alist_agents() == many.list_agents()
        assert await many.aget_bytes("many/s1") == b"value-1"
        assert (await many.aget_secret("many/s1")).expose() == "value-1"
        assert await many.aenv({"X": "many/s2"}) == {"X": "value-2"}
        await many.apull()
        with pytest.raises(agent_vault.SecretNotFoundError):
            await many.aget("many/none")
        async with many as same:
            assert same is many

    asyncio.run(all_of_them())


FORKS = """
import os, sys, threading
from agent_vault import Vault

vault, many = Vault(sys.argv[1], auto_pull=False), int(sys.argv[2])
stop = threading.Event()

def load(thread):
    at = thread
    while not stop.is_set():
        assert vault.get(f"many/s{at % many}") == f"value-{at % many}"
        if thread == 0:
            assert len(vault.list_secrets("many")) == many
        if thread == 1:
            vault.env({f"V{n}": f"many/s{n}" for n in range(many)})
        at += 1

def child():
    # What needs the threads that did not come along, too.
    assert vault.get("many/s3") == "value-3"
    assert len(vault.list_secrets("many")) == many
    assert vault.env({f"V{n}": f"many/s{n}" for n in range(many)})["V7"] == "value-7"
    inner = os.fork()
    if inner == 0:
        assert vault.env({f"V{n}": f"many/s{n}" for n in range(many)})["V8"] == "value-8"
        os._exit(0)
    return os.waitpid(inner, 0)[1]

threads = [threading.Thread(target=load, args=(n,)) for n in range(8)]
for thread in threads:
    thread.start()
ended = []
for _ in range(25):
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = child()
        finally:
            os._exit(1 if code else 0)
    ended.append(os.waitpid(pid, 0)[1])
stop.set()
for thread in threads:
    thread.join()
assert ended == [0] * 25, ended
print("all of them")
"""


def test_a_fork_under_load_leaves_both_sides_working(world: World, many: Vault) -> None:
    program = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKS, str(world.repo), str(MANY)]
    process = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    try:
        out, err = process.communicate(timeout=240)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise AssertionError("a process hangs") from None
    assert (process.returncode, out) == (0, b"all of them\n"), err.decode()


def test_multiprocessing_s_forks_read_too(world: World, many: Vault) -> None:
    program = (
        "import multiprocessing, sys\n"
        "from agent_vault import Vault\n"
        "vault = Vault(sys.argv[1])\n"
        "vault.list_secrets()\n"
        "def read(path):\n"
        "    return vault.get(path)\n"
        "with multiprocessing.get_context('fork').Pool(4) as pool:\n"
        "    print(sorted(set(pool.map(read, ['many/s1', 'many/s2'] * 50))))\n"
    )
    assert world.run(sys.executable, "-c", program, str(world.repo)) == "['value-1', 'value-2']\n"


def test_the_log_has_a_segment_for_each_process(world: World, many: Vault) -> None:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = 0 if many.get("many/s1") == "value-1" else 1
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0
    many.get("many/s2")
    world.av("audit", "verify")
    assert f'"pid":{pid}'.replace(" ", "") in world.av("audit", "--json").replace(" ", "")
