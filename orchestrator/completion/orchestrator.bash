# Completion of orchestrator for bash: eval "$(orchestrator completion bash)"
_orchestrator_answer() {
    # The line goes up to the cursor: bash has split its words at ":" and "=" as well.
    COMP_LINE="${COMP_LINE:0:COMP_POINT}" COMP_WORDBREAKS="$COMP_WORDBREAKS" _ORCHESTRATOR_COMPLETE=bash_complete \
        "${1/#\~/$HOME}" </dev/null 2>/dev/null
}
_orchestrator_completion() {
    local kind='' line
    COMPREPLY=()
    if type mapfile >/dev/null 2>&1; then
        mapfile -t COMPREPLY < <(_orchestrator_answer "$1")
    else # bash 3.2, as on macOS
        while IFS= read -r line; do COMPREPLY+=("$line"); done < <(_orchestrator_answer "$1")
    fi
    if [ "${#COMPREPLY[@]}" -gt 0 ]; then
        kind="${COMPREPLY[0]}"
        unset 'COMPREPLY[0]'
    fi
    case "$kind" in
        file | dir) COMPREPLY=() ;;
    esac
    if type compopt >/dev/null 2>&1; then
        case "$kind" in
            file) compopt -o default ;;
            dir) compopt -o dirnames ;;
            part) compopt -o nospace ;;
        esac
    elif [ "$kind" = plain ] && [ "${#COMPREPLY[@]}" -gt 0 ]; then
        case "${COMP_WORDS[COMP_CWORD]}" in
            [\"\']*) ;; # a space would be part of the word
            *) COMPREPLY=("${COMPREPLY[@]/%/ }") ;;
        esac
    fi
}
if ! type compopt >/dev/null 2>&1; then
    complete -o default -o nospace -F _orchestrator_completion orchestrator
else # bash 4.4 keeps the order
    complete -o nosort -F _orchestrator_completion orchestrator 2>/dev/null ||
        complete -F _orchestrator_completion orchestrator
fi
