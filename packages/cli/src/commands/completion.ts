import type { Command, Group, Option } from "../command.ts";
import { misused } from "../failure.ts";
import { globalOptions } from "../program.ts";

/** What can stand after some words: further words, options, and which of those take a value. */
interface Place {
  readonly words: readonly { readonly word: string; readonly summary: string }[];
  readonly options: readonly Option[];
}

const help: Option = { flag: "help", short: "h", description: "Show help." };

const placesOf = (commands: readonly Command[], groups: readonly Group[]): ReadonlyMap<string, Place> => {
  const places = new Map<string, { words: Map<string, string>; options: readonly Option[] }>();
  const placeAt = (key: string) => {
    const known = places.get(key) ?? { words: new Map<string, string>(), options: [] };
    places.set(key, known);
    return known;
  };
  for (const command of commands) {
    command.path.forEach((word, at) => {
      const before = command.path.slice(0, at).join(" ");
      const here = command.path.slice(0, at + 1).join(" ");
      const summary = at === command.path.length - 1 ? command.summary : groups.find(({ path }) => path.join(" ") === here)?.summary;
      const { words } = placeAt(before);
      if (!words.has(word) || at === command.path.length - 1) words.set(word, summary ?? "");
    });
    const place = placeAt(command.path.join(" "));
    place.options = command.options ?? [];
    for (const { choices = [], description } of command.arguments ?? []) for (const choice of choices) place.words.set(choice, description);
  }
  return new Map(
    [...places].map(([key, { words, options }]) => [
      key,
      { words: [...words].map(([word, summary]) => ({ word, summary })), options: [...options, ...globalOptions, help] },
    ]),
  );
};

const flagsOf = (options: readonly Option[]): readonly string[] =>
  options.flatMap(({ flag, short, negates }) => [
    `--${flag}`,
    ...(short === undefined ? [] : [`-${short}`]),
    ...(negates ? [`--no-${flag}`] : []),
  ]);

const unique = (words: readonly string[]): readonly string[] => [...new Set(words)];

/** Within single quotes of a POSIX shell. */
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** Options that take a value, whose next word is not a command's. */
const valued = (places: ReadonlyMap<string, Place>): readonly string[] =>
  unique([...places.values()].flatMap(({ options }) => flagsOf(options.filter(({ value }) => value !== undefined))));
const paths = (places: ReadonlyMap<string, Place>): readonly string[] =>
  unique([...places.values()].flatMap(({ options }) => flagsOf(options.filter(({ file }) => file === true))));
const chosen = (places: ReadonlyMap<string, Place>): ReadonlyMap<string, readonly string[]> =>
  new Map(
    [...places].flatMap(([key, { options }]) =>
      options.flatMap(({ flag, choices }): [string, readonly string[]][] => (choices ? [[`${key} --${flag}`, choices]] : [])),
    ),
  );

const bash = (places: ReadonlyMap<string, Place>): string => `# Completion of legate for bash: eval "$(legate completion bash)"
_legate() {
  local cur prev word at path words IFS=$' \\t\\n'
  cur="\${COMP_WORDS[COMP_CWORD]}"
  prev="\${COMP_WORDS[COMP_CWORD-1]}"
  path=""
  at=1
  while [ "$at" -lt "$COMP_CWORD" ]; do
    word="\${COMP_WORDS[at]}"
    case "$word" in
      --)
        if [ "$at" -eq $((COMP_CWORD - 1)) ]; then at=-c; else at=-f; fi
        IFS=$'\\n'
        COMPREPLY=($(compgen "$at" -- "$cur"))
        return
        ;;
      ${valued(places).join("|")}) at=$((at + 1)) ;;
      -*) ;;
      *)
        case "$path $word" in
${[...places.keys()]
  .filter((key) => key !== "")
  .map((key) => `          ${quoted(` ${key}`)}) path=${quoted(` ${key}`)} ;;`)
  .join("\n")}
        esac
        ;;
    esac
    at=$((at + 1))
  done
  case "$path $prev" in
${[...chosen(places)].map(([key, choices]) => `    ${quoted(` ${key}`)}) COMPREPLY=($(compgen -W ${quoted(choices.join(" "))} -- "$cur")); return ;;`).join("\n")}
  esac
  case "$prev" in
    ${paths(places).join("|")}) IFS=$'\\n'; COMPREPLY=($(compgen -f -- "$cur")); return ;;
    ${valued(places).join("|")}) COMPREPLY=(); return ;;
  esac
  words=""
  case "$path" in
${[...places]
  .map(
    ([key, { words, options }]) =>
      `    ${quoted(key === "" ? "" : ` ${key}`)}) words=${quoted([...words.map(({ word }) => word), ...flagsOf(options)].join(" "))} ;;`,
  )
  .join("\n")}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
  if [ "\${#COMPREPLY[@]}" -eq 0 ]; then IFS=$'\\n'; COMPREPLY=($(compgen -f -- "$cur")); fi
}
complete -o filenames -F _legate legate
`;

/** In a description of zsh a colon would end the word. */
const described = (word: string, summary: string): string => quoted(`${word.replaceAll(":", "\\:")}:${summary}`);

const zsh = (places: ReadonlyMap<string, Place>): string => `#compdef legate
# Completion of legate for zsh: eval "$(legate completion zsh)"
_legate() {
  local line="" word prev="\${words[CURRENT-1]}"
  local -i at=2
  local -a offered
  while (( at < CURRENT )); do
    word="\${words[at]}"
    case "$word" in
      --)
        if (( at == CURRENT - 1 )); then _command_names -e; else _files; fi
        return
        ;;
      ${valued(places).join("|")}) (( at++ )) ;;
      -*) ;;
      *)
        case "$line $word" in
${[...places.keys()]
  .filter((key) => key !== "")
  .map((key) => `          ${quoted(` ${key}`)}) line=${quoted(` ${key}`)} ;;`)
  .join("\n")}
        esac
        ;;
    esac
    (( at++ ))
  done
  case "$line $prev" in
${[...chosen(places)].map(([key, choices]) => `    ${quoted(` ${key}`)}) compadd -- ${choices.map(quoted).join(" ")}; return ;;`).join("\n")}
  esac
  case "$prev" in
    ${paths(places).join("|")}) _files; return ;;
    ${valued(places).join("|")}) return ;;
  esac
  case "$line" in
${[...places]
  .map(([key, { words, options }]) => {
    const all = [
      ...words.map(({ word, summary }) => described(word, summary)),
      ...options.flatMap((option) => flagsOf([option]).map((flag) => described(flag, option.description))),
    ];
    return `    ${quoted(key === "" ? "" : ` ${key}`)}) offered=(${all.join(" ")}) ;;`;
  })
  .join("\n")}
  esac
  _describe 'legate' offered || _files
}
compdef _legate legate
`;

const fish = (places: ReadonlyMap<string, Place>): string => {
  const lines = ["# Completion of legate for fish: legate completion fish | source", "complete -c legate -e"];
  lines.push(
    "function __legate_path",
    "  set -l path ''",
    "  set -l skip 0",
    "  for word in (commandline -opc)[2..-1]",
    "    if test $skip -eq 1; set skip 0; continue; end",
    "    switch $word",
    "      case --; break",
    `      case ${valued(places).join(" ")}; set skip 1`,
    "      case '-*'; continue",
    "      case '*'",
    `        if contains -- (string trim "$path $word") ${[...places.keys()]
      .filter((key) => key !== "")
      .map(quoted)
      .join(" ")}`,
    '          set path (string trim "$path $word")',
    "        end",
    "    end",
    "  end",
    "  echo $path",
    "end",
  );
  for (const [key, { words, options }] of places) {
    const here = `-n ${quoted(`test (__legate_path) = ${quoted(key)}`)}`;
    for (const { word, summary } of words) lines.push(`complete -c legate -f ${here} -a ${quoted(word)} -d ${quoted(summary)}`);
    for (const { flag, short, description, value, choices, file, negates } of options) {
      const takes = choices ? ` -x -a ${quoted(choices.join(" "))}` : value === undefined ? "" : file ? " -r -F" : " -x";
      lines.push(`complete -c legate ${here} -l ${flag}${short === undefined ? "" : ` -s ${short}`}${takes} -d ${quoted(description)}`);
      if (negates) lines.push(`complete -c legate ${here} -l no-${flag} -d ${quoted(`The opposite of --${flag}.`)}`);
    }
  }
  return lines.map((line) => `${line}\n`).join("");
};

const shells = { bash, zsh, fish } as const;

/** The command that writes what a shell needs to complete all others. */
export const completionCommand = (commands: readonly Command[], groups: readonly Group[]): Command => {
  const itself: Command = {
    path: ["completion"],
    summary: "Write a script that lets a shell complete commands and options",
    arguments: [{ name: "shell", description: "bash, zsh or fish.", choices: Object.keys(shells) }],
    examples: ['eval "$(legate completion bash)"', "legate completion fish > ~/.config/fish/completions/legate.fish"],
    act: async ({ out }, { words }) => {
      const shell = words["shell"] ?? "";
      if (!Object.hasOwn(shells, shell)) throw misused("The shell is one of bash, zsh, fish.");
      return out.raw(shells[shell as keyof typeof shells](placesOf([...commands, itself], groups)));
    },
  };
  return itself;
};
