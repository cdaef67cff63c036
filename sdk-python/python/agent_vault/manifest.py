"""The policy of a vault: who is in which group, and which secrets are."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Manifest:
    """One look at the policy, verified when it was taken; ``Vault.manifest`` takes a new one each time."""

    __slots__ = ("_agents", "_groups", "_readers")

    def __init__(
        self,
        agents: Sequence[tuple[str, list[str]]],
        groups: Mapping[str, list[str]],
        readers: Mapping[str, list[str]],
    ) -> None:
        """Made by ``Vault.manifest``."""
        self._agents = dict(agents)
        self._groups = groups
        self._readers = readers

    def agent_groups(self, agent_name: str) -> list[str]:
        """The groups of an agent; none for one that is not there."""
        return list(self._agents.get(agent_name, ()))

    def group_secrets(self, group_name: str) -> list[str]:
        """The secrets of a group; none for one that is not there."""
        return list(self._groups.get(group_name, ()))

    def agents_for_secret(self, secret_path: str) -> list[str]:
        """The agents that can read a secret, by their groups or beyond them; none for one that is not there."""
        return list(self._readers.get(secret_path, ()))

    def list_agents(self) -> list[dict[str, str | list[str]]]:
        """Every agent, as a dict with ``name`` and ``groups``."""
        return [{"name": name, "groups": list(groups)} for name, groups in self._agents.items()]

    def list_groups(self) -> list[str]:
        """Every group."""
        return list(self._groups)

    def list_secrets(self, group: str | None = None) -> list[str]:
        """The path of every secret, or of those of a group."""
        return list(self._readers) if group is None else self.group_secrets(group)

    def __repr__(self) -> str:
        """How many there are of each."""
        return f"Manifest(agents={len(self._agents)}, groups={len(self._groups)}, secrets={len(self._readers)})"
