/** Steps that are real on any Debian host, and small: a package, files, a secret that goes from one host to the others. */
import type { Action } from '../../src/plan/step.js';
import { say } from '../../src/say.js';
import type { Machine, NodeStep } from '../../src/steps/machine.js';
import type { World } from '../../src/world.js';

const folder = '/etc/dd-small';
const root = (script: string, ...args: string[]): Action => ({
  kind: 'run',
  command: { argv: ['sh', '-c', script, 'small', ...args], sudo: true, timeoutMs: 120_000 },
});
const has = async (name: string, { files }: World): Promise<boolean> =>
  (await files.stat(`${folder}/${name}`)) !== undefined;

const step = (id: string, on: NodeStep['on'], rest: Omit<NodeStep, 'id' | 'title' | 'on'>): NodeStep => ({
  ...{ id, title: say(id, id), on },
  ...rest,
});

const token = ({ cluster }: Machine) => ({
  name: 'join-token',
  get: () => cluster.controlPlane().files.read(`${folder}/made`),
});

export const smallSteps: readonly NodeStep[] = [
  step('small.folder', 'every', {
    done: async (_, { files }) => (await files.stat(folder))?.mode === 0o700,
    apply: async () => [{ kind: 'dir', path: folder, mode: 0o700 }],
    undo: async () => [{ kind: 'remove', path: folder }],
  }),
  step('small.package', 'every', {
    done: async (_, { host }) => {
      const { stdout } = await host.run({ argv: ['dpkg-query', '-s', 'hello'] });
      return stdout.includes('Status: install ok installed');
    },
    apply: async () => [root('DEBIAN_FRONTEND=noninteractive apt-get install -y -q hello 2>&1')],
    undo: async (_, { host }) =>
      (await host.run({ argv: ['dpkg-query', '-s', 'hello'] })).stdout.includes('ok installed')
        ? [root('dpkg -r hello')]
        : [],
    leaves: say('the lists of packages', '软件包列表'),
  }),
  step('small.make', 'first', {
    after: ['small.package'],
    done: (_, world) => has('made', world),
    apply: async () => [root(`umask 077; echo "token-of-$(hostname | tr -d -)" >"$1"`, `${folder}/made`)],
    undo: async () => [{ kind: 'remove', path: `${folder}/made` }],
  }),
  step('small.join', 'joining', {
    after: ['small.make'],
    done: (_, world) => has('joined', world),
    apply: async (machine) => [
      {
        kind: 'run',
        command: {
          argv: ['sh', '-c', 'umask 077; cat >"$1"', 'small', `${folder}/joined`],
          sudo: true,
          stdin: token(machine),
        },
      },
    ],
    undo: async () => [{ kind: 'remove', path: `${folder}/joined` }],
  }),
];
