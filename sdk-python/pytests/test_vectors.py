"""The table that every face agrees on; `vectors/README.md` says what a case is. The Rust side is `open/tests/vectors.rs`."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import pytest
from conftest import CORE, World

import agent_vault
from agent_vault import Vault, VaultError

FILES = sorted((CORE / "vectors").glob("*.json"))
CASES = [
    pytest.param(case, id=f"{file.stem}: {case['name']}")
    for file in FILES
    for case in json.loads(file.read_text("utf-8"))["cases"]
]
CLASSES = {
    "conflict": agent_vault.ConflictError,
    "locked": agent_vault.NoKeyError,
    "no-key": agent_vault.NoKeyError,
    "not-authorized": agent_vault.NotAuthorizedError,
    "not-found": agent_vault.NotFoundError,
    "other": agent_vault.VaultError,
    "tampered": agent_vault.TamperedError,
    "usage": agent_vault.UsageError,
}


def test_the_table_is_all_there() -> None:
    assert [file.name for file in FILES] == ["keys.json", "names.json", "tampered.json", "values.json"]
    assert len(CASES) > 75


def golden(vault: str, key: str) -> str:
    return (CORE / "golden" / vault / f"{key}.test-key").read_text("utf-8")


def key_of(step: dict[str, Any]) -> str:
    key = step.get("key", "owner")
    if isinstance(key, str):
        return golden("v1", key)
    text: str = key["text"]
    for vault, name, mark in (("v1", "ci", "ci"), ("v1", "old", "old"), ("v1", "owner", "owner"), ("v0", "ci", "v0/ci")):
        file = golden(vault, name)
        text = text.replace(f"{{{mark}}}", file).replace(f"{{{mark}!}}", file.strip().splitlines()[-1])
    if "replace" in key:
        text = text.replace(*key["replace"])
    return text[: key.get("cut")]


def value_of(step: dict[str, Any]) -> bytes:
    if "text" in step:
        return str(step["text"]).encode()
    if "hex" in step:
        return bytes.fromhex(step["hex"])
    unit, length = bytes.fromhex(step["repeat"]["hex"]), int(step["repeat"]["bytes"])
    return (unit * (length // len(unit) + 1))[:length]


def edited(world: World, source: Path, edit: dict[str, Any]) -> None:
    folder = world.repo / ".agent-vault"
    match edit:
        case {"flip": name, "at": at}:
            found = bytearray((folder / name).read_bytes())
            found[at] ^= 1
            (folder / name).write_bytes(found)
        case {"append": name, "hex": more}:
            (folder / name).write_bytes((folder / name).read_bytes() + bytes.fromhex(more))
        case {"write": name, "hex": new}:
            (folder / name).write_bytes(bytes.fromhex(new))
        case {"copy": name, "to": to}:
            (folder / to).write_bytes((folder / name).read_bytes())
        case {"replace": name, "old": old, "new": new}:
            before = (folder / name).read_bytes()
            after = before.replace(old.encode(), new.encode())
            assert before != after
            (folder / name).write_bytes(after)
        case {"remove": name}:
            (folder / name).unlink()
        case {"restore": name}:
            (folder / name).write_bytes((source / name).read_bytes())
        case _:
            raise AssertionError(edit)


def done(world: World, vault: str, step: dict[str, Any]) -> None:
    opened = Vault(world.repo, key_str=golden("v0", "ci") if vault == "v0" else key_of(step))
    match step:
        case {"get": path, "as": "text"}:
            opened.get(path)
        case {"get": path}:
            found = opened.get_bytes(path)
            assert found == value_of(step)
            assert opened.get_secret(path).expose_bytes() == found
        case {"store": path}:
            opened.set(path, value_of(step))
        case {"list": group}:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                assert [secret.name for secret in opened.list_secrets(group)] == step["names"]
            assert len(caught) == step["broken"]
        case {"agents": True}:
            opened.list_agents()
        case _:
            raise AssertionError(step)


@pytest.mark.filterwarnings("ignore::agent_vault.VaultWarning")
@pytest.mark.parametrize("case", CASES)
def test_a_case_of_the_table(case: dict[str, Any], bare: World) -> None:
    source = CORE / "golden" / case["vault"] / "vault"
    shutil.copytree(source, bare.repo / ".agent-vault")
    bare.git("add", "--all", "--force", ".")
    bare.git("commit", "--quiet", "--message", "golden")
    for step in case["steps"]:
        if "vanish" in step:
            shutil.rmtree(bare.repo / ".agent-vault")
        elif "edit" in step:
            edited(bare, source, step["edit"])
        elif "fails" in step:
            with pytest.raises(VaultError) as caught:
                done(bare, case["vault"], step)
            told = caught.value
            assert told.code == step["fails"]["code"], told
            assert isinstance(told, CLASSES[step["fails"]["class"]]), told
            assert told.hint and str(told)
        else:
            done(bare, case["vault"], step)
