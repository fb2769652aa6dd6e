# Completion of orchestrator for fish 3.1 or newer: orchestrator completion fish | source
function __orchestrator_completion
    set -l word (commandline -ct)
    set -l program (string replace -r '^~' $HOME -- (commandline -opc)[1])
    set -l answer (COMP_WORDS=(commandline -cp | string collect) COMP_CWORD=$word _ORCHESTRATOR_COMPLETE=fish_complete \
        $program </dev/null 2>/dev/null)
    switch "$answer[1]"
        case file dir
            set -l before (string match -r -- '^-[^=]*=' $word)
            set -l path (string replace -r -- '^-[^=]*=' '' $word)
            if test "$answer[1]" = dir
                set answer (__fish_complete_directories $path)
            else
                set answer (__fish_complete_path $path)
            end
            test -n "$answer"; and printf "$before%s\n" $answer
        case plain part
            test (count $answer) -gt 1; and printf '%s\n' $answer[2..]
    end
end
complete --no-files --keep-order --command orchestrator --arguments '(__orchestrator_completion)'
