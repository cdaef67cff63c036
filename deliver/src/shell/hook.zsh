__agent_vault_prompt() {
  local __agent_vault_status=$?
  emulate -L zsh
  # A trace would show values.
  unsetopt xtrace verbose err_return
  if [[ -x @PROGRAM@ ]]; then
    eval "$(@PROGRAM@ shell-hook prompt zsh </dev/null)"
  fi
  return $__agent_vault_status
}
typeset -ga precmd_functions
if (( ! ${precmd_functions[(Ie)__agent_vault_prompt]} )); then
  precmd_functions=(__agent_vault_prompt $precmd_functions)
fi
