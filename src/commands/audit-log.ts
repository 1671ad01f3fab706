/** Where the audit log lies and what opens it: this home's, or a copy's. */
import { resolve } from 'node:path';
import type { Log } from '../audit/files.js';
import { UserError } from '../errors.js';
import { auditFolder, gatewayDirectory, secretsFile } from '../gateway/files.js';
import type { Secrets } from '../gateway/settings.js';
import { say } from '../say.js';
import { needDeployment } from '../targets/deployment.js';
import { auditLogHere } from '../targets/purge.js';
import type { Input, Option } from '../verb.js';
import type { World } from '../world.js';

export const places: readonly Option[] = [
  { flags: '--folder <folder>', says: say('Another folder of audit files', '其他审计日志目录') },
  { flags: '--secrets <file>', says: say('The secrets.json that belongs to it', '对应的 secrets.json') },
];

/** @throws UserError `audit.secrets` without the secret that the log was written with */
export async function logOf(input: Input, world: World): Promise<Log> {
  const { folder, secrets } = input.options as { folder?: string; secrets?: string };
  const elsewhere = folder !== undefined && secrets !== undefined;
  // A purge leaves the log without a deployment.
  if (!elsewhere && (await auditLogHere(world)) === undefined) await needDeployment(world);
  const gateway = gatewayDirectory(world.places.home);
  const file = secrets === undefined ? secretsFile(gateway) : resolve(world.cwd, secrets);
  const text = await world.files.readIfAny(file);
  const secret = text === undefined ? undefined : (JSON.parse(text) as Secrets).auditSecret;
  if (secret) {
    const at = folder === undefined ? auditFolder(gateway) : resolve(world.cwd, folder);
    return { files: world.files, folder: at, secret };
  }
  throw new UserError('audit.secrets', say(`There is no audit secret in ${file}.`, `${file} 中没有审计密钥。`), {
    hint: say('init makes one: deepseek-deploy init', '由 init 生成：deepseek-deploy init'),
    exit: 'unready',
  });
}
