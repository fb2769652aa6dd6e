# Completion of orchestrator for bash 4.4 or newer: eval "$(orchestrator completion bash)"
_orchestrator_completion() {
    local -a answer
    # The line goes up to the cursor: bash has split its words at ":" and "=" as well.
    mapfile -t answer < <(
        COMP_LINE="${COMP_LINE:0:COMP_POINT}" COMP_WORDBREAKS="$COMP_WORDBREAKS" _ORCHESTRATOR_COMPLETE=bash_complete \
            "${1/#\~/$HOME}" </dev/null 2>/dev/null
    )
    COMPREPLY=()
    case "${answer[0]}" in
        file) compopt -o default ;;
        dir) compopt -o dirnames ;;
        part) compopt -o nospace ;;&
        *) COMPREPLY=("${answer[@]:1}") ;;
    esac
}
complete -o nosort -F _orchestrator_completion orchestrator
