#!/bin/sh
# agent-vault pre-commit hook: blocks commits that hold secrets.
# `agent-vault hook uninstall` removes it and puts back what was here before.
@FOLDER@

kept="${0%/*}/pre-commit.before-agent-vault"
before=0
if [ -x "$kept" ]; then
    @RUN@
    before=$?
fi

installed=@PROGRAM@
if command -v agent-vault >/dev/null 2>&1; then
    agent-vault hook pre-commit
    ours=$?
elif [ -x "$installed" ]; then
    "$installed" hook pre-commit
    ours=$?
else
    cat >&2 <<'END'
error: agent-vault is not found, so nobody looked for secrets in this commit
hint: build it from its repository with `cargo build --release` and put target/release/agent-vault on your PATH;
hint: to commit once without it: git commit --no-verify; to remove this hook, delete it from the hooks folder
END
    ours=1
fi

if [ "$before" -ne 0 ]; then
    exit "$before"
fi
exit "$ours"
