"""The vault as programs use it."""

from __future__ import annotations

import os

from agent_vault import _native
from agent_vault.manifest import Manifest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime
    from os import PathLike
    from types import TracebackType
    from typing import Literal, ParamSpec, TypeVar

    from agent_vault._native import Secret, SecretMetadata

    _P = ParamSpec("_P")
    _T = TypeVar("_T")


class Stored:
    """What ``set`` did."""

    __slots__ = ("commit", "revision")

    commit: str | None
    """The commit's id; None when nothing had to change."""
    revision: int
    """The secret's revision now."""

    def __init__(self, commit: str | None, revision: int) -> None:
        """Made by ``Vault.set``."""
        self.commit = commit
        self.revision = revision

    def __repr__(self) -> str:
        """Commit and revision."""
        return f"Stored(commit={self.commit!r}, revision={self.revision})"


class Change:
    """What ``grant`` or ``revoke`` did, or would do."""

    __slots__ = ("commit", "gains", "loses")

    commit: str | None
    """The commit's id; None for a dry run, or when the policy was so already."""
    gains: dict[str, list[str]]
    """Secrets, each with the keys that can read it now and could not before."""
    loses: dict[str, list[str]]
    """Secrets, each with the keys that could read it before and cannot now. Their values were known: rotate them."""

    def __init__(
        self, commit: str | None, gains: Iterable[tuple[str, list[str]]], loses: Iterable[tuple[str, list[str]]]
    ) -> None:
        """Made by ``Vault.grant`` and ``Vault.revoke``."""
        self.commit = commit
        self.gains = dict(gains)
        self.loses = dict(loses)

    def __repr__(self) -> str:
        """The commit, and how many secrets."""
        return f"Change(commit={self.commit!r}, gains={len(self.gains)} secrets, loses={len(self.loses)} secrets)"


class Vault:
    """A vault, and the key to read it with.

    Every call verifies what it reads, under the owners that this machine knows, before it decrypts. One ``Vault`` may be
    used by many threads at once, and on after ``fork``. As a context manager it does nothing at the end: there is nothing
    to close.
    """

    __slots__ = ("__weakref__", "_vault")

    def __init__(
        self,
        repo_path: str | PathLike[str],
        key_path: str | PathLike[str] | None = None,
        key_str: str | None = None,
        auto_pull: bool = True,
        *,
        max_age: float | None = None,
    ) -> None:
        """Opens a vault.

        :param repo_path: The repository's folder or any below it, or an address that Git takes: of that a clone is made
            in the home's ``cache`` and used from then on.
        :param key_path: The file of an age identity or SSH key. Without it and ``key_str``: ``AGENT_VAULT_KEY`` (a path, a
            raw key, or a key file's text), then the home's ``owner.key``.
        :param key_str: A raw key, or a key file's text. Comes before ``key_path``.
        :param auto_pull: Look at the Git remote before a read, when the last look of any process is older than
            ``max_age``. A look that fails is warned of, and what is known here is read.
        :param max_age: Seconds; 0 looks each time. Without it, this machine's setting ``sync.max_age``, a minute by
            default.
        :raises VaultNotFoundError: There is no vault.
        :raises NoKeyError: There is no key, or it cannot be used.
        :raises TamperedError: It is not the vault that is known here.
        :raises RemoteError: It is an address, and cannot be cloned.
        """
        key = None if key_path is None else os.path.expanduser(key_path)
        self._vault = _native.Vault(os.path.expanduser(repo_path), key, key_str, auto_pull, max_age)

    def get(self, secret_path: str) -> str:
        """The value of a secret, as text.

        :raises SecretNotFoundError: There is no such secret.
        :raises NotAuthorizedError: The key is not among its recipients.
        :raises TamperedError: It is not what an owner signed; :class:`RollbackError` if it is older than what was seen.
        :raises UsageError: It is not UTF-8 (code ``"not-text"``): ``get_bytes`` has it.
        """
        return self._vault.get(secret_path)

    def get_bytes(self, secret_path: str) -> bytes:
        """The value of a secret, byte for byte. Raises as :meth:`get` does."""
        return self._vault.get_bytes(secret_path)

    def get_secret(self, secret_path: str) -> Secret:
        """The value of a secret, not shown until it is asked for. Raises as :meth:`get` does.

        What is returned may be logged, formatted, or stand in a traceback: all that is seen is its path.
        """
        return self._vault.get_secret(secret_path)

    def list_secrets(self, group: str | None = None) -> list[SecretMetadata]:
        """What is known of every secret, or of those of a group, without decrypting any. A secret whose metadata do not
        verify is left out, with a warning that says why."""
        return self._vault.list_secrets(group)

    def list_agents(self) -> list[dict[str, str | list[str]]]:
        """Every agent, as a dict with ``name`` and ``groups``."""
        return [{"name": name, "groups": groups} for name, groups in self._vault.agents()]

    def env(self, mapping: Mapping[str, str]) -> dict[str, str]:
        """Variables for a program, all of them or none.

        ``mapping`` says what each variable is set to: the path of a secret (``"db/password"``), a reference
        (``"av://@prod/db/login?field=password"``), or text around references (``"postgres://app:${av://db/password}@db"``).
        ``AGENT_VAULT_KEY`` cannot be among them.

        :raises VaultError: One of them cannot be resolved; the message names each, and ``code`` is that of the first, or of
            one that was tampered with.
        """
        return dict(self._vault.env(list(mapping.items())))

    def pull(self, strict: bool = False) -> None:
        """Looks at the Git remote now, and takes what is new there and verifies.

        Where it cannot be reached, a :class:`RemoteWarning` says so; with ``strict`` it is an error, and so is it to have no
        remote.

        :raises TamperedError: What the remote has breaks a rule. Nothing of it was taken.
        """
        self._vault.pull(strict)

    def reload(self) -> None:
        """Opens the vault anew, such as after an upgrade. Reads need no reload: they see what is there."""
        self._vault.reload()

    @property
    def manifest(self) -> Manifest:
        """The policy as it is now, verified."""
        return Manifest(*self._vault.overview())

    @property
    def dir(self) -> str:
        """The vault's folder, which is called ``.agent-vault``."""
        return self._vault.dir

    @property
    def signed(self) -> bool:
        """Whether an owner signed the vault; of one of 0.1.0 nothing can be verified."""
        return self._vault.signed

    def set(
        self,
        secret_path: str,
        value: str | bytes | Secret | None = None,
        *,
        group: str | None = None,
        agents: Iterable[str] | None = None,
        expires: str | datetime | Literal[False] | None = None,
        description: str | Literal[False] | None = None,
    ) -> Stored:
        """Stores a value, or changes what is known of one, in one signed commit. Needs an owner's key.

        :param value: The value, byte for byte; None keeps what is there.
        :param group: Its group; a new secret's is the first part of its path.
        :param agents: The agents that may read it beyond its group, instead of those that may now.
        :param expires: A date, a time, a span from now (``"90d"``), or False for never.
        :param description: One line that everybody sees, or False for none.
        :raises NotAuthorizedError: The key is no owner's.
        """
        until = _moment(expires)
        return Stored(*self._vault.set(secret_path, value, group, _strings(agents), until, description))

    def rm(self, secret_path: str) -> str:
        """Removes a secret; the id of the commit. Needs an owner's key. History keeps former ciphertexts."""
        return self._vault.rm(secret_path)

    def grant(self, agent: str, group: str, *, create: bool = False, dry_run: bool = False) -> Change:
        """Lets an agent read a group, in one signed commit. Needs an owner's key.

        :param create: Make the group if there is none.
        :param dry_run: Only say what would change.
        """
        return Change(*self._vault.grant(agent, group, create, dry_run))

    def revoke(
        self, agent: str, group: str | None = None, *, secret: str | None = None, dry_run: bool = False
    ) -> Change:
        """Takes a group from an agent, or one secret that it was granted beyond its groups. Needs an owner's key.

        Afterwards the agent's key opens no current ciphertext of it. What it has read, it knows: rotate those values.
        """
        return Change(*self._vault.revoke(agent, group, secret, dry_run))

    async def aget(self, secret_path: str) -> str:
        """:meth:`get`, while the event loop goes on."""
        return await _aside(self.get, secret_path)

    async def aget_bytes(self, secret_path: str) -> bytes:
        """:meth:`get_bytes`, while the event loop goes on."""
        return await _aside(self.get_bytes, secret_path)

    async def aget_secret(self, secret_path: str) -> Secret:
        """:meth:`get_secret`, while the event loop goes on."""
        return await _aside(self.get_secret, secret_path)

    async def alist_secrets(self, group: str | None = None) -> list[SecretMetadata]:
        """:meth:`list_secrets`, while the event loop goes on."""
        return await _aside(self.list_secrets, group)

    async def alist_agents(self) -> list[dict[str, str | list[str]]]:
        """:meth:`list_agents`, while the event loop goes on."""
        return await _aside(self.list_agents)

    async def aenv(self, mapping: Mapping[str, str]) -> dict[str, str]:
        """:meth:`env`, while the event loop goes on."""
        return await _aside(self.env, mapping)

    async def apull(self, strict: bool = False) -> None:
        """:meth:`pull`, while the event loop goes on."""
        await _aside(self.pull, strict)

    def __enter__(self) -> Vault:
        """The vault itself."""
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> Literal[False]:
        """Nothing is to be closed, and no exception is kept."""
        return False

    async def __aenter__(self) -> Vault:
        """The vault itself."""
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> Literal[False]:
        """Nothing is to be closed, and no exception is kept."""
        return False

    def __repr__(self) -> str:
        """Its folder."""
        return f"Vault({self.dir!r})"


def _strings(names: Iterable[str] | None) -> list[str] | None:
    return None if names is None else list(names)


def _moment(expires: str | datetime | Literal[False] | None) -> str | Literal[False] | None:
    """A moment as the core reads it. One without a zone is the local time's, as everywhere in Python."""
    if expires is None or expires is False or isinstance(expires, str):
        return expires
    from datetime import timezone

    return expires.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


async def _aside(call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Calls something in a thread of the event loop's own."""
    import asyncio

    return await asyncio.to_thread(call, *args, **kwargs)
