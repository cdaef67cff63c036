#!/usr/bin/env bash
# Makes the golden vault of agent-vault 0.1.0 anew, with the real program:
#
#   cargo install agent-vault --version 0.1.0 --locked --root DIR
#   core/tests/golden/v0/make.sh DIR/bin/agent-vault
#
# Keys and ciphertexts are new each time, so the vault is made once and committed. README.md says what is in it.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
old=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HOME="$work/home" USER=golden GIT_CONFIG_NOSYSTEM=1
mkdir "$HOME" "$work/repo"
cd "$work/repo"
git init -q

"$old" init
for agent in ci deploy gone renewed 'my bot' idle; do
    "$old" add-agent "$agent"
done
"$old" set stripe/api-key sk_golden_0 --expires 2030-01-01T02:00:00+02:00
"$old" set stripe/webhook whsec_golden_0
"$old" set postgres/password pw_golden_0
"$old" grant ci stripe
"$old" grant deploy stripe
"$old" grant deploy postgres
"$old" grant gone postgres
"$old" grant renewed postgres
# Names without a slash, and their other spelling.
"$old" set token token_golden_0
"$old" set default/other other_golden_0
# Explicit grants: inside a group, and where nobody else reads.
"$old" set stripe/signing sig_golden_0 --agents renewed
"$old" set lone/one one_golden_0 --agents ci,gone
# Three segments, a group of another name, odd bytes, nothing at all.
"$old" set deep/er/secret deep_golden_0
"$old" set web/cookie cookie_golden_0 --group stripe
printf 'line\n\0\001 gr\303\266\303\237er\r\n' > "$work/odd"
"$old" set odd/bytes --from-file "$work/odd"
"$old" set odd/empty ''
# What the new format takes no more: a name, and an agent's name that reads something.
"$old" set 'odd/two words' words_golden_0 --agents 'my bot'
"$old" set odd/bot bot_golden_0 --agents 'my bot'
# What 0.1.0 leaves behind: an explicit grant survives the agent and its old key.
"$old" remove-agent gone
"$old" recover-agent renewed
# A secret in two groups, and a group that lost its agent.
"$old" set stripe/moved moved_golden_0
"$old" set stripe/moved moved_golden_1 --group postgres
"$old" grant ci postgres
"$old" revoke ci postgres

rm -rf "$here/vault" "$here"/*.test-key
cp -R .agent-vault "$here/vault"
cp "$HOME/.agent-vault/owner.key" "$here/owner.test-key"
for agent in ci deploy gone renewed; do
    cp "$HOME/.agent-vault/agents/$agent.key" "$here/$agent.test-key"
done
chmod 644 "$here"/*.test-key
