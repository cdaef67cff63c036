"""What the tests share. They run from the installed wheel, in a folder of their own, with a HOME of their own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

PROGRAM = os.environ["AGENT_VAULT_TEST_PROGRAM"]
"""The command line of the same build: it makes what the tests read."""
CORE = Path(os.environ["AGENT_VAULT_TEST_CORE"])
"""A copy of the golden vaults and of the table."""


class World:
    """A home and a repository with a vault of owner eric."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = root / "home"
        self.repo = root / "repo"
        self.home.mkdir()
        self.repo.mkdir()

    def run(self, *words: str, stdin: bytes = b"", cwd: Path | None = None) -> str:
        """Runs a program that must succeed; what it printed."""
        # What a test sets for the vault under test is not for the owner's command line.
        own = {name: value for name, value in os.environ.items() if not name.startswith("AGENT_VAULT_")}
        done = subprocess.run(words, input=stdin, cwd=cwd or self.repo, env=own, capture_output=True, check=False)
        assert done.returncode == 0, (words, done.stderr.decode())
        return done.stdout.decode()

    def git(self, *words: str, cwd: Path | None = None) -> str:
        """Runs Git."""
        return self.run("git", *words, cwd=cwd)

    def av(self, *words: str, stdin: bytes = b"", cwd: Path | None = None) -> str:
        """Runs the command line."""
        return self.run(PROGRAM, *words, stdin=stdin, cwd=cwd)

    def set(self, path: str, value: str | bytes) -> None:
        """Stores a value."""
        self.av("set", path, stdin=value.encode() if isinstance(value, str) else value)

    def key(self, agent: str) -> Path:
        """The key file of an agent."""
        return self.home / ".agent-vault" / "agents" / f"{agent}.key"


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the caller's own."""
    for name in list(os.environ):
        if name.startswith(("GIT_", "AGENT_VAULT_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def bare(tmp_path: Path, surroundings: None) -> World:
    """A repository without a vault."""
    world = World(tmp_path)
    world.git("init", "--quiet", "--initial-branch=main")
    for setting in ("user.name=Eric", "user.email=eric@example.com", "commit.gpgSign=false"):
        world.git("config", "--global", *setting.split("=", 1))
    return world


@pytest.fixture
def world(bare: World) -> Iterator[World]:
    """A vault with a secret, and an agent that reads it."""
    bare.av("init", "--owner", "eric", "--no-hook")
    bare.set("stripe/api-key", "sk_live_51")
    bare.set("postgres/password", "hunter2-and-more")
    bare.av("add-agent", "ci")
    bare.av("grant", "ci", "stripe")
    yield bare
