function __agent_vault_prompt --on-event fish_prompt
    set -l __agent_vault_status $status
    # A trace would show values.
    set -l fish_trace
    if test -x @PROGRAM@
        @PROGRAM@ shell-hook prompt fish </dev/null | source
    end
    return $__agent_vault_status
end
