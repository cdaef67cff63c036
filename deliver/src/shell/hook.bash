__agent_vault_prompt() {
  local __agent_vault_status=$? __agent_vault_set=$-
  if [[ -x @PROGRAM@ ]]; then
    # A trace would show values.
    set +xv
    eval "$(@PROGRAM@ shell-hook prompt bash </dev/null)"
    case $__agent_vault_set in *v*) set -v ;; esac
    case $__agent_vault_set in *x*) set -x ;; esac
  fi
  # A shell that ends at the first failure would take this one for one.
  case $__agent_vault_set in *e*) return 0 ;; esac
  return "$__agent_vault_status"
}
if [[ " ${PROMPT_COMMAND[*]-} " != *__agent_vault_prompt* ]]; then
  if [[ "$(declare -p PROMPT_COMMAND 2>/dev/null)" == "declare -a"* ]]; then
    PROMPT_COMMAND=(__agent_vault_prompt ${PROMPT_COMMAND[@]+"${PROMPT_COMMAND[@]}"})
  else
    PROMPT_COMMAND="__agent_vault_prompt${PROMPT_COMMAND:+
$PROMPT_COMMAND}"
  fi
fi
