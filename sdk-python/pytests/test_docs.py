"""The blocks of docs/python.md, run in order as a reader would: `sh` by bash, `python` in one module."""

from __future__ import annotations

import os
import re
import subprocess
import warnings
from pathlib import Path

import pytest
from conftest import PROGRAM, World

DOCS = Path(os.environ["AGENT_VAULT_TEST_DOCS"])
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_docs_python_md_runs_as_it_is_written(bare: World, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (DOCS / "python.md").read_text("utf-8")
    blocks = [(kind, code, text.count("\n", 0, found.start()) + 1) for found in BLOCK.finditer(text) for kind, code in [found.groups()]]
    assert {kind for kind, _, _ in blocks} == {"python", "sh", "text"}
    monkeypatch.chdir(bare.repo)
    path = f"{Path(PROGRAM).parent}:{os.environ['PATH']}"
    module: dict[str, object] = {"__name__": "documented"}
    for kind, code, line in blocks:
        if kind == "sh":
            done = subprocess.run(["bash", "-euc", code], env={**os.environ, "PATH": path}, capture_output=True, check=False)
            assert done.returncode == 0, (line, done.stderr.decode())
        elif kind == "python":
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                exec(compile("\n" * line + code, "docs/python.md", "exec"), module)


def test_the_package_s_own_readme_says_nothing_else() -> None:
    import importlib.metadata

    described = str(importlib.metadata.metadata("agent-vault").json["description"])
    for kind, code in BLOCK.findall(described):
        assert kind == "python"
        compile(code, "README.md", "exec")
