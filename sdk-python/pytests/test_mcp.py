"""The console script `agent-vault-mcp` of the installed wheel, as a client starts it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from conftest import World

SCRIPT = Path(sys.executable).parent / "agent-vault-mcp"


def ended(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRIPT, *words], cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60
    )


class Server:
    """The script at work, and a client that waits for each answer."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def ask(self, method: str, params: dict[str, Any]) -> Any:
        assert self.process.stdin is not None and self.process.stdout is not None
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())["result"]

    def begin(self) -> Any:
        client = {"name": "pytest", "version": "1"}
        return self.ask("initialize", {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client})

    def tool(self, name: str, **arguments: str) -> Any:
        return self.ask("tools/call", {"name": f"agent_vault_{name}", "arguments": arguments})


@contextmanager
def serving(*words: str, cwd: Path) -> Iterator[Server]:
    pipe = subprocess.PIPE
    with subprocess.Popen([SCRIPT, *words], cwd=cwd, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            yield Server(process)
        finally:
            process.kill()


def test_it_serves_with_the_flags_of_0_1_0(world: World, tmp_path: Path) -> None:
    with serving("--repo", str(world.repo), "--key", str(world.key("ci")), cwd=tmp_path) as server:
        assert server.begin()["serverInfo"]["name"] == "agent-vault"
        tools = [tool["name"] for tool in server.ask("tools/list", {})["tools"]]
        assert tools == [f"agent_vault_{name}" for name in ("get", "list", "whoami", "check")]
        assert server.tool("get", secret="stripe/api-key")["content"][0]["text"] == "sk_live_51"
        refused = server.tool("get", secret="postgres/password")
        assert refused["isError"] and "hunter2" not in json.dumps(refused)
        assert server.tool("whoami")["structuredContent"]["role"] == "agent"
        assert server.process.stdin is not None
        server.process.stdin.close()
        assert server.process.wait(timeout=60) == 0


def test_its_calls_are_recorded_with_the_name_of_the_client(world: World) -> None:
    with serving("--key", str(world.key("ci")), cwd=world.repo) as server:
        server.begin()
        server.tool("get", secret="stripe/api-key")
    records = json.loads(world.av("audit", "--json", "--path", "stripe/api-key"))
    assert "pytest" in json.dumps(records)


def test_an_interrupt_ends_it(world: World) -> None:
    with serving(cwd=world.repo) as server:
        server.begin()
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(timeout=60) == -signal.SIGINT


def test_what_it_does_not_know_is_told(world: World) -> None:
    wrong = ended("--rep", ".", cwd=world.repo)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "--repo" in wrong.stderr
    version = ended("--version", cwd=world.repo)
    assert version.returncode == 0 and version.stdout.startswith("agent-vault-mcp 0.")
    none = ended("--exec-allow", "no-such-program", cwd=world.repo)
    assert none.returncode != 0 and "hint: " in none.stderr


def test_what_it_installs_starts_it_again(world: World, tmp_path: Path) -> None:
    def installed(client: str) -> list[str]:
        file = tmp_path / f"{client}.json"
        done = ended("install", "--client", client, "--config", str(file), "--key", str(world.key("ci")), cwd=world.repo)
        assert done.returncode == 0, done.stderr
        entry = json.loads(file.read_text())["mcpServers"]["agent-vault"]
        return [entry["command"], *entry["args"]]

    # What is printed is printed to its end, whether or not a line ends there.
    for text in ("{}", '{\n  "mcpServers": {}\n}'):
        (tmp_path / "old.json").write_text(text)
        printed = ended("install", "--client", "cursor", "--print", "--config", str(tmp_path / "old.json"), cwd=world.repo)
        assert "agent-vault-mcp" in json.loads(printed.stdout)["mcpServers"]["agent-vault"]["command"]
    # A project's file is for everybody who works on it: no place of this machine.
    assert installed("claude-code")[:3] == ["agent-vault-mcp", "--repo", "."]
    command = installed("claude-desktop")
    assert command[0] == str(SCRIPT)
    with serving(*command[1:], cwd=tmp_path) as server:
        server.begin()
        assert "stripe/api-key" in server.tool("list")["content"][0]["text"]
