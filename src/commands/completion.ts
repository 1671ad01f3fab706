import { globalOptions, verbs } from '../cli.js';
import { UserError } from '../errors.js';
import { say } from '../say.js';
import type { Option, Verb } from '../verb.js';

interface Word {
  /** The verbs before it: '' or 'keys create'. */
  readonly path: string;
  readonly words: readonly { readonly word: string; readonly says: string }[];
}

const longFlag = (option: Option): string => /--[a-z-]+/.exec(option.flags)?.[0] ?? option.flags;

function wordsOf(path: string, verb: Verb, says: (option: { says: { en: string; zh: string } }) => string): Word[] {
  const flags = [...(verb.options ?? []).filter((option) => !option.hidden), ...globalOptions];
  const own = [
    ...(verb.verbs ?? []).map((inner) => ({ word: inner.name, says: says(inner) })),
    ...flags.map((option) => ({ word: longFlag(option), says: says(option) })),
  ];
  const inner = (verb.verbs ?? []).flatMap(({ name, verb }) => wordsOf(`${path} ${name}`, verb, says));
  return [{ path, words: own }, ...inner];
}

const single = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** bash 4: the words typed so far, without flags, choose the list. */
function bash(all: readonly Word[]): string {
  const cases = all.map(
    ({ path, words }) => `    ${single(path)}) words=${single(words.map(({ word }) => word).join(' '))} ;;`,
  );
  return `_deepseek_deploy() {
  local path= word words=
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in -*) ;; *) path="\${path:+$path }$word" ;; esac
  done
  case $path in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
  [ \${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -F _deepseek_deploy deepseek-deploy
`;
}

function zsh(all: readonly Word[]): string {
  const cases = all.map(({ path, words }) => {
    const list = words.map(({ word, says }) => single(`${word}:${says.replaceAll(':', '\\:')}`)).join(' ');
    return `    ${single(path)}) list=(${list}) ;;`;
  });
  return `#compdef deepseek-deploy
_deepseek_deploy() {
  local -a list before
  before=(\${\${words[2,CURRENT-1]}:#-*})
  case "\${(j: :)before}" in
${cases.join('\n')}
  esac
  _describe deepseek-deploy list || _files
}
compdef _deepseek_deploy deepseek-deploy
`;
}

function fish(all: readonly Word[]): string {
  const lines = all.flatMap(({ path, words }) => {
    const condition = single(`__deepseek_deploy_at ${path}`);
    return words.map(({ word, says }) => {
      const what = word.startsWith('--') ? `-l ${word.slice(2)}` : `-f -a ${word}`;
      return `complete -c deepseek-deploy -n ${condition} ${what} -d ${single(says)}`;
    });
  });
  return `function __deepseek_deploy_at
  set -l typed (commandline -opc)[2..-1]
  test (string join ' ' (string match -v -- '-*' $typed)) = (string join ' ' $argv)
end
${lines.join('\n')}
`;
}

const shells: Readonly<Record<string, (all: readonly Word[]) => string>> = { bash, zsh, fish };

export const verb: Verb = {
  args: [{ name: '<shell>', says: say('bash, zsh or fish', 'bash、zsh 或 fish') }],
  examples: [
    { line: 'source <(deepseek-deploy completion bash)', says: say('For this shell', '用于当前 shell') },
    {
      line: 'deepseek-deploy completion fish > ~/.config/fish/completions/deepseek-deploy.fish',
      says: say('For good', '长期使用'),
    },
  ],
  async run(input, world) {
    const shell = shells[input.args[0] ?? ''];
    if (!shell) {
      throw new UserError(
        'completion.shell',
        say(`No completion for "${input.args[0]}".`, `不支持 “${input.args[0]}” 的补全。`),
        {
          hint: say('One of: bash, zsh, fish', '可选：bash、zsh、fish'),
          exit: 'usage',
        },
      );
    }
    const says = ({ says: text }: { says: { en: string; zh: string } }): string => world.ui.text(text);
    const loaded = await Promise.all(verbs.map(async (entry) => ({ entry, verb: (await entry.load()).verb })));
    const top: Word = { path: '', words: verbs.map((entry) => ({ word: entry.name, says: says(entry) })) };
    const all = [top, ...loaded.flatMap(({ entry, verb }) => wordsOf(entry.name, verb, says))];
    world.ui.out(shell(all));
    return undefined;
  },
};
