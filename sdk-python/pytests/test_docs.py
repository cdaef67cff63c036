"""The blocks of the pages that have Python in them, run in order as a reader would: `sh` by bash, `python` in one module."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from conftest import PROGRAM, World

import agent_vault

DOCS = Path(os.environ["AGENT_VAULT_TEST_DOCS"])
EXAMPLES = Path(os.environ["AGENT_VAULT_TEST_EXAMPLES"])
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(file: Path) -> list[tuple[str, str, int]]:
    """Each block: its kind, its text, and the line before its first."""
    text = file.read_text("utf-8")
    return [(kind, code, text.count("\n", 0, found.start()) + 1) for found in BLOCK.finditer(text) for kind, code in [found.groups()]]


def path_of_a_reader() -> str:
    """What was built is on PATH, the Python that has the package in front."""
    return f"{Path(sys.executable).parent}:{Path(PROGRAM).parent}:{os.environ['PATH']}"


def run_as_a_reader(file: Path, cwd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs the blocks in order: what one leaves as folder, variables and names, the next one finds."""
    monkeypatch.chdir(cwd)
    monkeypatch.setenv("PATH", path_of_a_reader())
    module: dict[str, object] = {"__name__": "documented"}
    for kind, code, line in blocks(file):
        if kind == "sh":
            left = cwd.parent / "left"
            script = f'{code}\npwd > "{left}.folder"\nenv -0 > "{left}.env"'
            done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], capture_output=True, check=False)
            assert done.returncode == 0, (file.name, line, done.stderr.decode())
            monkeypatch.chdir(Path(f"{left}.folder").read_text().rstrip("\n"))
            for variable in Path(f"{left}.env").read_text("utf-8").split("\0"):
                name, _, value = variable.partition("=")
                if name not in ("", "_", "PWD", "OLDPWD", "SHLVL") and os.environ.get(name) != value:
                    monkeypatch.setenv(name, value)
        elif kind == "python":
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                exec(compile("\n" * line + code, file.name, "exec"), module)
        else:
            assert kind == "text", (file.name, line)


@pytest.mark.parametrize("name", ["python.md", "for-agents.md"])
def test_a_page_runs_as_it_is_written(name: str, bare: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert {"python", "sh"} <= {kind for kind, _, _ in blocks(DOCS / name)}
    run_as_a_reader(DOCS / name, bare.repo, monkeypatch)


def test_the_example_runs_as_its_readme_says(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(EXAMPLES, world.root / "agent-vault" / "examples")
    run_as_a_reader(EXAMPLES / "python" / "README.md", world.repo, monkeypatch)


def test_the_example_signs_as_rfc_4231_does_and_shows_no_key(world: World) -> None:
    world.set("webhooks/signing-key", "Jefe")
    sign = [sys.executable, str(EXAMPLES / "python" / "sign.py")]
    done = subprocess.run(sign, input=b"what do ya want for nothing?", cwd=world.repo, capture_output=True, check=True)
    assert done.stdout == b"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843\n"
    for key in (str(world.key("ci")), "/none"):
        surroundings = {**os.environ, "AGENT_VAULT_KEY": key}
        done = subprocess.run(sign, input=b"x", cwd=world.repo, env=surroundings, capture_output=True, check=False)
        told = done.stderr.decode()
        assert done.returncode == 1 and told.startswith("error: ") and "\nhint: " in told and "Traceback" not in told
        assert not done.stdout and "Jefe" not in told


def test_the_page_for_agents_has_the_right_class_beside_each_exit_code(world: World) -> None:
    text = (DOCS / "for-agents.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| (\d+) \| ([^|]*) \|", text, re.MULTILINE))
    named = {name for row in rows.values() for name in re.findall(r"`(\w+Error)`", row)}
    public = {name for name, found in vars(agent_vault).items() if isinstance(found, type) and issubclass(found, agent_vault.VaultError)}
    assert named == public - {"ManifestError"}
    world.av("add-agent", "bystander")
    tampered = world.repo / ".agent-vault/secrets/postgres/password.enc"
    tampered.write_bytes(tampered.read_bytes() + b"x")
    for words in (
        ["get", "stripe/api-kye"],
        ["get", "../x"],
        ["get", "postgres/password"],
        ["get", "stripe/api-key", "--key", "/none"],
        ["get", "stripe/api-key", "-C", "/"],
        ["get", "stripe/api-key", "--key", str(world.key("bystander"))],
    ):
        done = subprocess.run([PROGRAM, *words], cwd=world.repo, capture_output=True, check=False)
        options = dict(zip(words[2::2], words[3::2], strict=True))
        with pytest.raises(agent_vault.VaultError) as caught:
            agent_vault.Vault(options.get("-C", world.repo), options.get("--key")).get(words[1])
        assert f"`{type(caught.value).__name__}`" in rows[str(done.returncode)], (words, done.stderr.decode())


def test_the_package_s_own_readme_says_nothing_else() -> None:
    import importlib.metadata

    described = str(importlib.metadata.metadata("agent-vault").json["description"])
    for kind, code in BLOCK.findall(described):
        assert kind == "python"
        compile(code, "README.md", "exec")
