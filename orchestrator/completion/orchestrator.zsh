#compdef orchestrator
# Completion of orchestrator for zsh, after compinit: eval "$(orchestrator completion zsh)"
_orchestrator_completion() {
    local -a answer plain described parts explained
    local kind word about
    answer=("${(@f)$(COMP_WORDS="${words[*]}" COMP_CWORD=$((CURRENT - 1)) _ORCHESTRATOR_COMPLETE=zsh_complete \
        "${words[1]/#\~/$HOME}" </dev/null 2>/dev/null)}")
    for kind word about in "${answer[@]}"; do
        case "$kind" in
            file) [[ "$PREFIX" == -*=* ]] && compset -P '*='; _files; return ;;
            dir) [[ "$PREFIX" == -*=* ]] && compset -P '*='; _files -/; return ;;
            part) if [[ "$about" == _ ]]; then parts+=("$word"); else explained+=("$word:$about"); fi ;;
            plain) if [[ "$about" == _ ]]; then plain+=("$word"); else described+=("$word:$about"); fi ;;
        esac
    done
    (( $#described )) && _describe -V orchestrator described -U
    (( $#explained )) && _describe -V orchestrator explained -U -S ''
    (( $#plain )) && compadd -U -V orchestrator -a plain
    (( $#parts )) && compadd -U -S '' -V orchestrator -a parts
    return 0
}
if [[ "$zsh_eval_context[-1]" == loadautofunc ]]; then
    _orchestrator_completion "$@"
elif (( $+functions[compdef] )); then
    compdef _orchestrator_completion orchestrator
else
    print -ru2 -- 'orchestrator completion: put "autoload -Uz compinit && compinit" before this line'
fi
