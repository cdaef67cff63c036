"""The part that is compiled. Programs use `agent_vault`."""

from collections.abc import Sequence
from datetime import datetime
from os import PathLike
from types import TracebackType
from typing import Literal, NoReturn, SupportsIndex, final

__all__ = [
    "Secret",
    "SecretMetadata",
    "Vault",
    "__version__",
    "after_fork_in_child",
    "after_fork_in_parent",
    "before_fork",
    "restore_metadata",
    "serve_mcp",
]

__version__: str

@final
class Secret:
    """A secret's value, outside Python's own memory, until it is wiped or dropped. Nothing that prints, logs, formats,
    copies or pickles objects shows it; `expose()` and `expose_bytes()` do."""

    @property
    def path(self) -> str:
        """The secret's path."""
    @property
    def wiped(self) -> bool:
        """Whether the value was wiped."""
    def expose(self) -> str:
        """The value as text. The str that is returned is Python's: nothing wipes it."""
    def expose_bytes(self) -> bytes:
        """The value, byte for byte. The bytes that are returned are Python's: nothing wipes them."""
    def wipe(self) -> None:
        """Overwrites the value. Afterwards there is none."""
    def __format__(self, format_spec: str) -> str: ...
    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn: ...
    def __copy__(self) -> Secret: ...
    def __deepcopy__(self, memo: object) -> Secret: ...
    def __enter__(self) -> Secret: ...
    def __exit__(
        self, exc_type: type[BaseException] | None, exc_value: BaseException | None, traceback: TracebackType | None
    ) -> Literal[False]: ...

@final
class SecretMetadata:
    """What is known of a secret without decrypting it; of a signed vault, all of it verified."""

    @property
    def name(self) -> str:
        """The secret's path."""
    @property
    def group(self) -> str:
        """The group whose agents read it."""
    @property
    def created(self) -> datetime:
        """When it was made, in UTC. Where an unsigned vault does not say, the beginning of 1970."""
    @property
    def rotated(self) -> datetime:
        """When its value was last set, in UTC. Where an unsigned vault does not say, the beginning of 1970."""
    @property
    def expires(self) -> datetime | None:
        """When it expires, in UTC."""
    @property
    def authorized_agents(self) -> list[str]:
        """The agents that can read it."""
    @property
    def description(self) -> str | None:
        """One line for people."""
    @property
    def agents(self) -> list[str]:
        """The agents that may read it beyond its group."""
    @property
    def revision(self) -> int:
        """Counts every write of it; 0 in an unsigned vault."""
    @property
    def value_revision(self) -> int:
        """Counts the changes of its value; 0 in an unsigned vault."""
    @property
    def exposed_to(self) -> list[str]:
        """Keys that could read the value and no longer may: rotation is due until it changes."""
    @property
    def use_only(self) -> bool:
        """Whether its owner bound the value to programs or hosts: `get` refuses it, whatever the key."""
    @property
    def programs(self) -> list[str]:
        """The programs that a use-only value is handed to."""
    @property
    def hosts(self) -> list[str]:
        """The hosts that Git may send it to."""

_Facts = tuple[str, str, int, int, int | None, str | None]
_Readers = tuple[list[str], list[str], int, int, list[str]]
_Purpose = tuple[bool, list[str], list[str]]
_Change = tuple[str | None, list[tuple[str, list[str]]], list[tuple[str, list[str]]]]

def restore_metadata(facts: _Facts, readers: _Readers, purpose: _Purpose) -> SecretMetadata:
    """Makes what was pickled."""

def before_fork() -> None:
    """Before `os.fork`: keeps calls from beginning, and waits for those at work."""

def after_fork_in_parent() -> None:
    """After `os.fork`, in the process that called it."""

def after_fork_in_child() -> None:
    """After `os.fork`, in the new process."""

@final
class Vault:
    """An opened vault and the key to read it with. `agent_vault.Vault` is the class for programs."""

    def __new__(
        cls,
        repo_path: str | PathLike[str],
        key_path: str | PathLike[str] | None,
        key_str: str | None,
        auto_pull: bool,
        max_age: float | None,
    ) -> Vault: ...
    @property
    def dir(self) -> str: ...
    @property
    def signed(self) -> bool: ...
    def get(self, path: str) -> str: ...
    def get_bytes(self, path: str) -> bytes: ...
    def get_secret(self, path: str) -> Secret: ...
    def list_secrets(self, group: str | None) -> list[SecretMetadata]: ...
    def agents(self) -> list[tuple[str, list[str]]]: ...
    def overview(self) -> tuple[list[tuple[str, list[str]]], dict[str, list[str]], dict[str, list[str]]]: ...
    def env(self, mapping: Sequence[tuple[str, str]]) -> list[tuple[str, str]]: ...
    def pull(self, strict: bool) -> None: ...
    def reload(self) -> None: ...
    def set(
        self,
        path: str,
        given: str | bytes | Secret | None,
        group: str | None,
        agents: Sequence[str] | None,
        expires: str | Literal[False] | None,
        description: str | Literal[False] | None,
    ) -> tuple[str | None, int]: ...
    def rm(self, path: str) -> str: ...
    def grant(self, agent: str, group: str, create: bool, dry_run: bool) -> _Change: ...
    def revoke(self, agent: str, group: str | None, secret: str | None, dry_run: bool) -> _Change: ...

def serve_mcp(arguments: Sequence[str], place: str | None) -> int:
    """Does what the arguments of `agent-vault-mcp` say, from the program's name on; the exit code."""
