"""The Git remote: looked at when it is time, warned of when it is gone, cloned when it is all that is named."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import pytest
from conftest import World

import agent_vault
from agent_vault import Vault


@pytest.fixture
def hub(world: World) -> Path:
    """The owner's remote."""
    hub = world.root / "hub.git"
    world.git("init", "--quiet", "--bare", "--initial-branch=main", str(hub))
    world.git("remote", "add", "origin", str(hub))
    world.av("sync", "--yes")
    return hub


@pytest.fixture
def clone(world: World, hub: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An agent's clone of it, on a machine that knows nothing of what the owner has seen."""
    monkeypatch.setenv("AGENT_VAULT_HOME", str(world.root / "agent"))
    monkeypatch.setenv("AGENT_VAULT_KEY", world.key("ci").read_text())
    world.git("clone", "--quiet", str(hub), str(world.root / "clone"))
    return world.root / "clone"


def test_a_read_looks_at_the_remote_when_the_last_look_is_too_old(world: World, clone: Path) -> None:
    seldom, always = Vault(clone, max_age=3600), Vault(clone, max_age=0)
    never = Vault(clone, auto_pull=False)
    assert seldom.get("stripe/api-key") == "sk_live_51"
    world.set("stripe/api-key", "sk_live_52")
    world.av("sync")
    assert never.get("stripe/api-key") == "sk_live_51"
    assert seldom.get("stripe/api-key") == "sk_live_51"
    assert always.get("stripe/api-key") == "sk_live_52"
    # The work tree has moved on: whoever looks at no remote sees that too.
    assert never.get("stripe/api-key") == "sk_live_52"
    with pytest.raises(agent_vault.UsageError):
        Vault(clone, max_age=-1)


def test_pull_looks_at_once(world: World, clone: Path) -> None:
    vault = Vault(clone, max_age=3600)
    assert vault.get("stripe/api-key") == "sk_live_51"
    world.set("stripe/api-key", "sk_live_52")
    world.av("sync")
    vault.pull()
    assert vault.get("stripe/api-key") == "sk_live_52"


def test_an_owner_s_change_is_pushed_where_the_machine_is_set_so(world: World, hub: Path) -> None:
    vault = Vault(world.repo)
    pushed = world.git("rev-parse", "main", cwd=hub)
    vault.set("stripe/api-key", "sk_live_52")
    assert world.git("rev-parse", "main", cwd=hub) == pushed
    world.av("config", "set", "sync.push", "auto")
    commit = vault.set("stripe/api-key", "sk_live_53").commit
    assert world.git("rev-parse", "main", cwd=hub).strip() == commit


def test_a_remote_that_is_gone_is_a_warning_or_an_error_if_that_is_wanted(world: World, hub: Path, clone: Path) -> None:
    vault = Vault(clone, max_age=0)
    shutil.rmtree(hub)
    with pytest.warns(agent_vault.RemoteWarning, match="this is what is known here"):
        assert vault.get("stripe/api-key") == "sk_live_51"
    with pytest.warns(agent_vault.RemoteWarning):
        vault.pull()
    with pytest.raises(agent_vault.RemoteError) as caught:
        vault.pull(strict=True)
    assert caught.value.code == "remote" and caught.value.path
    # A program may want no read that is not fresh.
    with warnings.catch_warnings():
        warnings.simplefilter("error", agent_vault.RemoteWarning)
        with pytest.raises(agent_vault.RemoteWarning):
            vault.get("stripe/api-key")


def test_to_have_no_remote_is_fine_unless_one_is_wanted(world: World) -> None:
    vault = Vault(world.repo, max_age=0)
    vault.pull()
    with pytest.raises(agent_vault.ConflictError):
        vault.pull(strict=True)


def test_a_remote_that_went_back_is_never_passed_over(world: World, hub: Path, clone: Path) -> None:
    vault, before = Vault(clone, max_age=3600), world.git("rev-parse", "HEAD").strip()
    world.set("stripe/api-key", "sk_live_52")
    world.av("sync")
    vault.pull()
    world.git("update-ref", "refs/heads/main", before, cwd=hub)
    with pytest.raises(agent_vault.RollbackError):
        vault.pull()
    assert vault.get("stripe/api-key") == "sk_live_52"


def test_an_address_is_cloned_once_and_then_kept_fresh(world: World, hub: Path) -> None:
    url = hub.as_uri()
    vault = Vault(url, world.key("ci"), max_age=0)
    assert vault.get("stripe/api-key") == "sk_live_51"
    assert vault.dir.startswith(str(world.home / ".agent-vault" / "cache"))
    world.set("stripe/api-key", "sk_live_52")
    world.av("sync")
    assert Vault(url, world.key("ci"), max_age=0).get("stripe/api-key") == "sk_live_52"
    assert vault.get("stripe/api-key") == "sk_live_52"
    with pytest.raises(agent_vault.RemoteError):
        Vault((world.root / "nowhere.git").as_uri(), world.key("ci"))
