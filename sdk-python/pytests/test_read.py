"""Reading: values, listings, agents, keys, and the shape of errors."""

from __future__ import annotations

import datetime
import os
import pickle
import shutil
import traceback
import warnings
from pathlib import Path

import pytest
from conftest import CORE, World

import agent_vault
from agent_vault import Vault


def test_a_value_is_read_with_the_owner_s_key_and_with_an_agent_s(world: World) -> None:
    assert Vault(world.repo).get("stripe/api-key") == "sk_live_51"
    assert Vault(str(world.repo), world.key("ci")).get("stripe/api-key") == "sk_live_51"
    assert Vault(world.repo, key_str=world.key("ci").read_text()).get_bytes("stripe/api-key") == b"sk_live_51"
    (world.repo / "below").mkdir()
    assert Vault(world.repo / "below").get("stripe/api-key") == "sk_live_51"


def test_a_tilde_is_the_home_as_in_0_1_0(world: World) -> None:
    vault = Vault("~/../repo", "~/.agent-vault/agents/ci.key")
    assert vault.get("stripe/api-key") == "sk_live_51"


def test_keys_are_looked_for_where_the_command_line_looks(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    key = world.key("ci")
    for variable in (str(key), key.read_text(), key.read_text().splitlines()[-1]):
        monkeypatch.setenv("AGENT_VAULT_KEY", variable)
        with pytest.raises(agent_vault.NotAuthorizedError):
            Vault(world.repo).get("postgres/password")
        assert Vault(world.repo, world.home / ".agent-vault/owner.key").get("postgres/password") == "hunter2-and-more"
    # A key that is named and cannot be used is never passed over.
    monkeypatch.setenv("AGENT_VAULT_KEY", "")
    with pytest.raises(agent_vault.NoKeyError) as caught:
        Vault(world.repo)
    assert caught.value.code == "key-unusable"
    monkeypatch.delenv("AGENT_VAULT_KEY")
    monkeypatch.setenv("AGENT_VAULT_HOME", str(world.root / "elsewhere"))
    with pytest.raises(agent_vault.VaultNotFoundError) as absent:
        Vault(world.repo)
    assert absent.value.code == "no-key"


def test_a_key_is_repeated_in_no_error(world: World) -> None:
    key = world.key("ci").read_text().splitlines()[-1]
    for call in (
        lambda: Vault(world.repo, key_str=key[:-2]),
        lambda: Vault(world.repo, key_path=key),
        lambda: Vault(world.repo, key_str=f"{key}\n{key[:-3]}"),
        lambda: Vault(key),
        lambda: Vault(world.repo).get(key),
    ):
        with pytest.raises(agent_vault.VaultError) as caught:
            call()
        told = f"{caught.value!r} {caught.value} {caught.value.hint} {caught.value.path}"
        assert key[15:40] not in told, told


def test_errors_say_what_happened_to_what_and_what_to_do(world: World) -> None:
    vault = Vault(world.repo, world.key("ci"))
    with pytest.raises(agent_vault.SecretNotFoundError, match="did you mean \"stripe/api-key\"") as missing:
        vault.get("stripe/api-kye")
    assert (missing.value.code, missing.value.path) == ("secret-not-found", "stripe/api-kye")
    assert "agent-vault list" in missing.value.hint
    with pytest.raises(agent_vault.NotAuthorizedError) as denied:
        vault.get("postgres/password")
    assert (denied.value.code, denied.value.path) == ("not-authorized", "postgres/password")
    with pytest.raises(agent_vault.InvalidNameError) as refused:
        vault.get("../x")
    assert isinstance(refused.value, ValueError) and isinstance(refused.value, agent_vault.SecretNotFoundError)
    enc = world.repo / ".agent-vault/secrets/stripe/api-key.enc"
    shutil.copy(world.repo / ".agent-vault/secrets/postgres/password.enc", enc)
    with pytest.raises(agent_vault.TamperedError) as forged:
        vault.get("stripe/api-key")
    assert forged.value.path == str(enc)
    again = pickle.loads(pickle.dumps(forged.value))
    assert (type(again), str(again), again.path, again.code, again.hint) == (
        agent_vault.TamperedError,
        str(forged.value),
        forged.value.path,
        forged.value.code,
        forged.value.hint,
    )


def test_a_listing_has_0_1_0_s_attributes_and_more(world: World) -> None:
    vault = Vault(world.repo, world.key("ci"))
    world.av("set", "stripe/api-key", "--description", "billing", "--expires", "2031-05-06T07:08:09Z")
    listed = vault.list_secrets()
    assert [secret.name for secret in listed] == ["postgres/password", "stripe/api-key"]
    (secret,) = vault.list_secrets("stripe")
    assert secret == listed[1] and hash(secret) == hash(listed[1]) and secret != listed[0]
    assert (secret.group, secret.authorized_agents) == ("stripe", ["ci"])
    assert secret.expires == datetime.datetime(2031, 5, 6, 7, 8, 9, tzinfo=datetime.timezone.utc)
    assert secret.created.tzinfo is not None and abs((secret.created - datetime.datetime.now(datetime.timezone.utc)).total_seconds()) < 3600
    assert (secret.description, secret.value_revision, secret.agents, secret.exposed_to) == ("billing", 1, [], [])
    assert secret.revision > 1 and listed[0].expires is None
    assert pickle.loads(pickle.dumps(secret)) == secret
    assert repr(secret).startswith('SecretMetadata(name="stripe/api-key"')
    assert vault.list_secrets("nobody") == []


def test_a_value_that_has_expired_is_read_with_a_warning(world: World) -> None:
    world.av("set", "stripe/api-key", "--expires", "2020-01-01")
    vault = Vault(world.repo, world.key("ci"))
    with pytest.warns(agent_vault.VaultWarning, match="stripe/api-key expired at 2020-01-01T00:00:00Z"):
        assert vault.get("stripe/api-key") == "sk_live_51"
    with pytest.warns(agent_vault.VaultWarning, match="expired"):
        assert vault.env({"KEY": "stripe/api-key"}) == {"KEY": "sk_live_51"}


def test_a_use_only_value_is_withheld_from_every_key_and_its_listing_says_for_whom(world: World) -> None:
    program = Path(world.run("sh", "-c", "command -v cmp").strip())
    world.av("set", "stripe/api-key", "--use-only", "--programs", str(program), "--hosts", "api.example.org")
    for vault in (Vault(world.repo), Vault(world.repo, world.key("ci"))):
        for read in (vault.get, vault.get_bytes, vault.get_secret):
            with pytest.raises(agent_vault.NotAuthorizedError, match="use-only") as caught:
                read("stripe/api-key")
            error = caught.value
            assert (error.code, error.path) == ("withheld", "stripe/api-key")
            assert "agent-vault run" in error.hint
            assert "sk_live_51" not in f"{error!r} {error} {error.hint}"
        with pytest.raises(agent_vault.NotAuthorizedError) as caught:
            vault.env({"KEY": "stripe/api-key"})
        assert caught.value.code == "withheld" and "agent-vault run" in caught.value.hint
        (bound,) = vault.list_secrets("stripe")
        assert (bound.use_only, bound.hosts) == (True, ["api.example.org"])
        assert bound.programs == [str(program.resolve())]
        assert pickle.loads(pickle.dumps(bound)) == bound
    (free,) = Vault(world.repo).list_secrets("postgres")
    assert (free.use_only, free.programs, free.hosts) == (False, [], [])


def test_agents_and_the_manifest_are_as_in_0_1_0(world: World) -> None:
    vault = Vault(world.repo, world.key("ci"))
    assert vault.list_agents() == [{"name": "ci", "groups": ["stripe"]}]
    manifest = vault.manifest
    assert manifest.list_agents() == vault.list_agents()
    assert manifest.agent_groups("ci") == ["stripe"] and manifest.agent_groups("nobody") == []
    assert manifest.group_secrets("stripe") == ["stripe/api-key"] and manifest.group_secrets("x") == []
    assert manifest.agents_for_secret("stripe/api-key") == ["ci"]
    assert manifest.agents_for_secret("postgres/password") == []
    assert manifest.list_groups() == ["postgres", "stripe"]
    assert manifest.list_secrets() == ["postgres/password", "stripe/api-key"]
    assert manifest.list_secrets("postgres") == ["postgres/password"]
    vault.reload()


def test_what_another_process_writes_is_seen_without_a_reload(world: World) -> None:
    vault = Vault(world.repo)
    assert vault.get("stripe/api-key") == "sk_live_51"
    world.set("stripe/api-key", "sk_live_52")
    world.av("grant", "ci", "postgres")
    assert vault.get("stripe/api-key") == "sk_live_52"
    assert vault.list_agents() == [{"name": "ci", "groups": ["postgres", "stripe"]}]


def test_an_unsigned_vault_of_0_1_0_is_read_with_a_warning(bare: World) -> None:
    shutil.copytree(CORE / "golden/v0/vault", bare.repo / ".agent-vault")
    bare.git("add", "--all", "--force", ".")
    bare.git("commit", "--quiet", "--message", "old")
    with pytest.warns(agent_vault.UnsignedVaultWarning, match="not signed"):
        vault = Vault(bare.repo, CORE / "golden/v0/ci.test-key")
    assert not vault.signed
    assert vault.get("stripe/api-key") == "sk_golden_0"
    assert "stripe/api-key" in [secret.name for secret in vault.list_secrets()]
    assert {"ci", "my bot"} <= {str(agent["name"]) for agent in vault.list_agents()}
    assert "stripe" in vault.manifest.list_groups()
    with pytest.raises(agent_vault.ConflictError) as caught:
        vault.set("a/b", "c")
    assert caught.value.code == "unsigned-vault"
    bare.av("upgrade", "--yes", "--key", str(CORE / "golden/v0/owner.test-key"), "--owner", "eric")
    vault.reload()
    assert vault.signed and vault.get("stripe/api-key") == "sk_golden_0"


def test_a_new_vault_is_warned_of_or_refused_where_that_is_wanted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    key = "\n".join(line for line in world.key("ci").read_text().splitlines() if not line.startswith("#"))
    monkeypatch.setenv("AGENT_VAULT_HOME", str(world.root / "fresh"))
    monkeypatch.setenv("AGENT_VAULT_TRUST", "strict")
    with pytest.raises(agent_vault.TamperedError) as caught:
        Vault(world.repo, key_str=key)
    assert caught.value.code == "untrusted"
    monkeypatch.delenv("AGENT_VAULT_TRUST")
    with pytest.warns(agent_vault.VaultWarning, match="AGENT_VAULT_OWNER=SHA256:"):
        assert Vault(world.repo, key_str=key).get("stripe/api-key") == "sk_live_51"


def test_a_warning_points_at_the_line_that_called(world: World) -> None:
    key = world.key("ci").read_text().splitlines()[-1]
    shutil.rmtree(world.home / ".agent-vault")
    with pytest.warns(agent_vault.VaultWarning) as caught:
        Vault(world.repo, key_str=key)
    assert caught[0].filename == __file__


def test_a_read_only_home_and_vault_are_enough(world: World, tmp_path: Path) -> None:
    """Where the tests run as root, whom no mode keeps from writing, a child becomes somebody else."""
    nobody = 65534
    kept = {folder: folder.stat().st_mode for folder in tmp_path.parents if folder.stat().st_uid == os.geteuid()}
    for folder in (world.home, world.repo):
        world.run("chmod", "-R", "a-w", str(folder))
        if os.geteuid() == 0:
            world.run("chown", "-R", str(nobody), str(folder))
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            for folder, mode in {**kept, tmp_path: tmp_path.stat().st_mode}.items():
                folder.chmod(mode | 0o011)
            if os.geteuid() == 0:
                os.setgid(nobody)
                os.setuid(nobody)
            with pytest.raises(PermissionError):
                (world.home / ".agent-vault" / "x").touch()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", agent_vault.VaultWarning)
                vault = Vault(world.repo)
                code = 0 if vault.get("stripe/api-key") == "sk_live_51" and len(vault.list_secrets()) == 2 else 2
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    ended = os.waitpid(pid, 0)[1]
    for folder in (world.home, world.repo):
        world.run("chmod", "-R", "u+w", str(folder), cwd=tmp_path)
    assert ended == 0


def test_a_context_manager_keeps_no_exception(world: World) -> None:
    with pytest.raises(KeyError), Vault(world.repo) as vault:
        assert vault.get("stripe/api-key")
        raise KeyError
    assert repr(vault) == f"Vault({str(Path(world.repo, '.agent-vault').resolve())!r})"
    with pytest.raises(TypeError):
        pickle.dumps(vault)


def test_the_modules_of_0_1_0_are_there() -> None:
    from agent_vault.errors import ManifestError, NotAuthorizedError, SecretNotFoundError, VaultError, VaultNotFoundError
    from agent_vault.manifest import Manifest
    from agent_vault.metadata import SecretMetadata
    from agent_vault.vault import Vault as There

    assert There is Vault and Manifest is agent_vault.Manifest and SecretMetadata is agent_vault.SecretMetadata
    for error in (ManifestError, NotAuthorizedError, SecretNotFoundError, VaultNotFoundError):
        assert issubclass(error, VaultError)
    assert agent_vault.__version__.count(".") == 2
