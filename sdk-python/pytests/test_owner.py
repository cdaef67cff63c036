"""What an owner changes."""

from __future__ import annotations

import datetime

import pytest
from conftest import World

import agent_vault
from agent_vault import Vault


def test_an_owner_sets_describes_and_removes(world: World) -> None:
    vault = Vault(world.repo)
    stored = vault.set("new/key", b"\x00\xff", description="what it is", expires="90d")
    assert stored.revision == 1 and stored.commit == world.git("rev-parse", "HEAD").strip()
    assert vault.get_bytes("new/key") == b"\x00\xff"
    until = datetime.datetime(2040, 1, 2, 3, 4, 5, tzinfo=datetime.timezone(datetime.timedelta(hours=1)))
    assert vault.set("new/key", expires=until, description=False, agents=["ci"]).revision == 2
    (secret,) = vault.list_secrets("new")
    assert secret.expires == until and secret.description is None and secret.agents == ["ci"]
    assert Vault(world.repo, world.key("ci")).get_bytes("new/key") == b"\x00\xff"
    assert vault.set("new/key", expires=False).revision == 3
    assert vault.set("new/key", expires=False).commit is None
    assert vault.list_secrets("new")[0].expires is None
    assert vault.rm("new/key") == world.git("rev-parse", "HEAD").strip()
    with pytest.raises(agent_vault.SecretNotFoundError):
        vault.get("new/key")
    assert "is clean" in world.git("status") or "clean" in world.git("status")
    world.av("check")
    world.av("verify", "--history")


def test_an_owner_grants_and_revokes(world: World) -> None:
    vault, agent = Vault(world.repo), Vault(world.repo, world.key("ci"))
    dry = vault.grant("ci", "postgres", dry_run=True)
    assert dry.commit is None and list(dry.gains) == ["postgres/password"] and dry.loses == {}
    with pytest.raises(agent_vault.NotAuthorizedError):
        agent.get("postgres/password")
    change = vault.grant("ci", "postgres")
    assert change.commit and change.gains["postgres/password"][0].startswith("ci@")
    assert agent.get("postgres/password") == "hunter2-and-more"
    assert vault.grant("ci", "postgres").commit is None
    change = vault.revoke("ci", "postgres")
    assert list(change.loses) == ["postgres/password"] and "1 secrets" in repr(change)
    with pytest.raises(agent_vault.NotAuthorizedError):
        agent.get("postgres/password")
    assert vault.list_secrets("postgres")[0].exposed_to
    vault.set("postgres/password", agents=["ci"])
    assert list(vault.revoke("ci", secret="postgres/password").loses) == ["postgres/password"]
    with pytest.raises(agent_vault.UsageError):
        vault.revoke("ci")
    with pytest.raises(agent_vault.NotFoundError) as caught:
        vault.grant("ci", "nogroup")
    assert caught.value.path == "nogroup" and not isinstance(caught.value, agent_vault.SecretNotFoundError)
    assert vault.grant("ci", "nogroup", create=True).commit


def test_an_agent_changes_nothing(world: World) -> None:
    vault, before = Vault(world.repo, world.key("ci")), world.git("rev-parse", "HEAD")
    for call in (
        lambda: vault.set("stripe/api-key", "mine"),
        lambda: vault.rm("stripe/api-key"),
        lambda: vault.grant("ci", "postgres"),
        lambda: vault.revoke("ci", "stripe"),
    ):
        with pytest.raises(agent_vault.NotAuthorizedError) as caught:
            call()
        assert caught.value.code == "not-owner"
    assert world.git("rev-parse", "HEAD") == before


def test_a_vault_that_is_busy_is_a_conflict(world: World) -> None:
    (world.repo / ".git" / "index.lock").touch()
    with pytest.raises(agent_vault.ConflictError) as caught:
        Vault(world.repo).set("stripe/api-key", "x")
    assert caught.value.code == "busy"
