__agent_vault_prompt() {
  local __agent_vault_status=$?
  if [[ -x @PROGRAM@ ]]; then
    # A trace would show values.
    case $- in
      *x*) set +x; eval "$(@PROGRAM@ shell-hook prompt bash </dev/null)"; set -x ;;
      *) eval "$(@PROGRAM@ shell-hook prompt bash </dev/null)" ;;
    esac
  fi
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
