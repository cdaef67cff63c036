"""What type checkers and readers of the documentation see, judged by stock mypy and pyright."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path

import agent_vault
from agent_vault import _native, errors, manifest, vault

TOOLS = Path(os.environ["AGENT_VAULT_TEST_PYTHON_TOOLS"]).parent
EXAMPLES = Path(os.environ["AGENT_VAULT_TEST_EXAMPLES"])

EXAMPLE = '''
import asyncio

from agent_vault import Change, RollbackError, Secret, SecretNotFoundError, Stored, Vault


def read(vault: Vault) -> str | None:
    try:
        return vault.get("stripe/api-key")
    except SecretNotFoundError as error:
        print(error.code, error.hint, error.path)
    except RollbackError:
        raise
    return None


async def main() -> None:
    async with Vault("https://example.com/vault.git", key_path="ci.key", max_age=0) as vault:
        values: list[str] = await asyncio.gather(*(vault.aget(f"s/{n}") for n in range(3)))
        secret: Secret = await vault.aget_secret("a/b")
        print(values, secret, len(secret.expose()))
        for found in vault.list_secrets("stripe"):
            print(found.name.upper(), found.created.year, found.expires and found.expires.year)
        stored: Stored = vault.set("a/b", secret, expires=False)
        change: Change = vault.grant("ci", "a", create=True)
        print(stored.commit, change.gains["a/b"], vault.env({"A": "a/b"})["A"].lower())
'''
MISTAKES = '''
from agent_vault import Vault

vault = Vault(".")
number: int = vault.get("a/b")
vault.set("a/b", 3)
vault.list_secrets()[0].nothing
'''


def judged(*words: str, cwd: Path) -> tuple[int, str]:
    # Programs take the environment that is active for the one to judge.
    active = {"VIRTUAL_ENV": sys.prefix, "PATH": f"{Path(sys.executable).parent}:{TOOLS}:{os.environ['PATH']}"}
    surroundings = {**os.environ, **active, "XDG_CACHE_HOME": str(cwd / "cache")}
    done = subprocess.run(words, cwd=cwd, env=surroundings, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_mypy_takes_an_example_and_finds_mistakes(tmp_path: Path) -> None:
    (tmp_path / "example.py").write_text(EXAMPLE)
    (tmp_path / "mistakes.py").write_text(MISTAKES)
    mypy = [str(TOOLS / "mypy"), "--strict", "--python-executable", sys.executable]
    code, said = judged(*mypy, "example.py", cwd=tmp_path)
    assert code == 0, said
    code, said = judged(*mypy, "mistakes.py", cwd=tmp_path)
    assert code == 1 and "Found 3 errors" in said, said


def test_pyright_takes_an_example_and_finds_mistakes(tmp_path: Path) -> None:
    (tmp_path / "example.py").write_text(EXAMPLE)
    (tmp_path / "mistakes.py").write_text(MISTAKES)
    pyright = [str(TOOLS / "pyright"), "--pythonpath", sys.executable]
    code, said = judged(*pyright, "example.py", cwd=tmp_path)
    assert code == 0 and "0 errors" in said, said
    code, said = judged(*pyright, "mistakes.py", cwd=tmp_path)
    assert code == 1 and "3 errors" in said, said


def test_every_public_type_is_known_and_documented(tmp_path: Path) -> None:
    code, said = judged(str(TOOLS / "pyright"), "--verifytypes", "agent_vault", "--ignoreexternal", cwd=tmp_path)
    assert code == 0 and "Type completeness score: 100%" in said, said
    assert "Functions without docstring: 0" in said and "Classes without docstring: 0" in said, said


def test_the_package_itself_and_the_tests_are_typed(tmp_path: Path) -> None:
    mypy = [str(TOOLS / "mypy"), "--strict", "--python-executable", sys.executable]
    code, said = judged(*mypy, "-p", "agent_vault", cwd=tmp_path)
    assert code == 0, said
    tests = sorted(str(file) for file in Path(__file__).parent.glob("*.py"))
    code, said = judged(*mypy, *tests, cwd=tmp_path)
    assert code == 0, said
    examples = sorted(str(file) for file in EXAMPLES.rglob("*.py"))
    assert examples
    code, said = judged(*mypy, *examples, cwd=tmp_path)
    assert code == 0, said


def test_the_stub_says_what_the_compiled_part_has() -> None:
    stub = Path(_native.__file__ or "").with_name("_native.pyi").read_text("utf-8")
    for name in _native.__all__:
        found = getattr(_native, name)
        assert f"class {name}:" in stub or f"def {name}(" in stub or f"{name}: " in stub, name
        for member in vars(found) if inspect.isclass(found) else ():
            if not member.startswith("_"):
                assert f"def {member}(" in stub, f"{name}.{member}"


def test_every_docstring_is_there_at_run_time() -> None:
    for module in (agent_vault, errors, manifest, vault, _native):
        assert module.__doc__, module
        for name, found in vars(module).items():
            if name.startswith("_") or not (inspect.isclass(found) or inspect.isfunction(found) or inspect.isbuiltin(found)):
                continue
            assert found.__doc__, f"{module.__name__}.{name}"
            for member, value in vars(found).items() if inspect.isclass(found) else ():
                if not member.startswith("_") and (callable(value) or isinstance(value, property)):
                    assert inspect.getdoc(value), f"{name}.{member}"
