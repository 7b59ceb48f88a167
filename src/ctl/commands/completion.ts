import { type Command, exactArgs } from "../command.ts";
import { CommandError, exitCode } from "../exit.ts";

const shells = ["bash", "zsh", "fish"];

/** `completion SHELL` of a program: a script that asks the program itself (`__complete`). */
export const completionCommand = (program: string): Command => ({
  use: "completion [bash|zsh|fish]",
  words: shells,
  checkArgs: (args) => {
    exactArgs(1)(args);
    const [shell] = args as [string];
    if (shells.includes(shell)) return;
    if (shell === "powershell") {
      throw new CommandError(
        exitCode.error,
        "powershell is not supported: there are bash, zsh, fish",
      );
    }
    const text = `invalid argument ${JSON.stringify(shell)} for "${program} completion"`;
    throw new CommandError(exitCode.error, text);
  },
  run: async ({ args, out }) => {
    const [shell] = args as [string];
    out.text((shell === "bash" ? bash : shell === "zsh" ? zsh : fish)(program));
  },
});

/** Candidates come as lines; the last one says by `:4` that file names are not wanted. */
const bash = (program: string): string => `# bash completion for ${program}
__${program}_complete() {
    local -a words
    local line directive=0
    words=("\${COMP_WORDS[@]:1:COMP_CWORD}")
    COMPREPLY=()
    # bash cuts words at ":" and "=": what stands before them is not part of a candidate.
    local typed="\${COMP_WORDS[COMP_CWORD]}"
    while IFS= read -r line; do
        case $line in
            :[0-9]*) directive=\${line#:} ;;
            "$typed"*) COMPREPLY+=("$line") ;;
        esac
    done < <("\${COMP_WORDS[0]}" __completeNoDesc "\${words[@]}" 2>/dev/null)
    if [[ \${#COMPREPLY[@]} -eq 0 && $directive -eq 0 ]]; then
        compopt -o default 2>/dev/null
    fi
}
complete -F __${program}_complete ${program}
`;

const zsh = (program: string): string => `#compdef ${program}
compdef _${program} ${program}

_${program}() {
    local -a candidates
    local line directive=0
    while IFS= read -r line; do
        if [[ $line == :<-> ]]; then
            directive=\${line#:}
        else
            # _describe cuts at the first colon.
            line=\${line//:/\\\\:}
            candidates+=("\${line/$'\\t'/:}")
        fi
    done < <("\${words[1]}" __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)
    if (( \${#candidates} )); then
        _describe '${program}' candidates
    elif (( directive == 0 )); then
        _files
    fi
}

# Sourced as a file, and not found by compinit in fpath.
if [ "$funcstack[1]" = "_${program}" ]; then
    _${program}
fi
`;

const fish = (program: string): string => `# fish completion for ${program}
function __${program}_complete
    set -l words (commandline -opc)
    set -l typed (commandline -ct)
    $words[1] __complete $words[2..] "$typed" 2>/dev/null | string match -v -r '^:[0-9]+$'
end

function __${program}_files
    set -l words (commandline -opc)
    set -l typed (commandline -ct)
    $words[1] __complete $words[2..] "$typed" 2>/dev/null | string match -q ':0'
end

complete -c ${program} -e
complete -c ${program} -n 'not __${program}_files' -f
complete -c ${program} -a '(__${program}_complete)'
`;
