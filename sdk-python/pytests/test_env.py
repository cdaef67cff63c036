"""Variables for a program."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from conftest import World

import agent_vault
from agent_vault import Vault


def test_variables_are_paths_references_or_text_around_references(world: World) -> None:
    world.set("db/login", '{"user": "app", "password": "p:w"}')
    vault = Vault(world.repo)
    made = vault.env(
        {
            "KEY": "stripe/api-key",
            "PASSWORD": "av://db/login?field=password",
            "URL": "postgres://app:${av://postgres/password}@localhost/app",
        }
    )
    assert made == {
        "KEY": "sk_live_51",
        "PASSWORD": "p:w",
        "URL": "postgres://app:hunter2-and-more@localhost/app",
    }
    shown = [sys.executable, "-c", "import os; print(os.environ['KEY'], end='')"]
    assert subprocess.run(shown, env={**os.environ, **made}, capture_output=True, check=True).stdout == b"sk_live_51"
    assert vault.env({}) == {}


def test_bytes_that_are_no_text_reach_the_program_as_they_are(world: World) -> None:
    world.set("bin/x", b"\xff\xfe")
    made = Vault(world.repo).env({"X": "bin/x"})
    assert os.fsencode(made["X"]) == b"\xff\xfe"
    world.set("bin/x", b"a\x00b")
    with pytest.raises(agent_vault.UsageError, match="NUL"):
        Vault(world.repo).env({"X": "bin/x"})


def test_all_of_it_or_nothing_and_every_failure_is_named(world: World) -> None:
    vault = Vault(world.repo, world.key("ci"))
    with pytest.raises(agent_vault.VaultError) as caught:
        vault.env({"A": "stripe/api-key", "B": "postgres/password", "C": "stripe/none"})
    assert "B: " in str(caught.value) and "C: " in str(caught.value) and "sk_live" not in str(caught.value)
    assert isinstance(caught.value, (agent_vault.NotAuthorizedError, agent_vault.SecretNotFoundError))
    assert caught.value.path == "postgres/password", "as `get` names it"
    for wrong in ({"AGENT_VAULT_KEY": "stripe/api-key"}, {"1X": "stripe/api-key"}, {"X": "av://a b"}):
        with pytest.raises(agent_vault.UsageError):
            vault.env(wrong)


def test_an_alias_names_another_vault(world: World) -> None:
    other = world.root / "other"
    other.mkdir()
    world.git("init", "--quiet", "--initial-branch=main", cwd=other)
    world.av("init", "--no-hook", cwd=other)
    world.av("set", "db/password", stdin=b"of-the-other", cwd=other)
    world.av("config", "set", "vaults.prod", str(other))
    made = Vault(world.repo).env({"X": "av://@prod/db/password", "Y": "av://stripe/api-key"})
    assert made == {"X": "of-the-other", "Y": "sk_live_51"}
