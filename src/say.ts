/** Words for people come in pairs that stand where they are used; ids, JSON and logs stay English. */
export type Lang = 'en' | 'zh';

export interface Text {
  readonly en: string;
  readonly zh: string;
}

/** `say('Install Docker', '安装 Docker')` */
export const say = (en: string, zh: string): Text => ({ en, zh });

/**
 * The language of a POSIX locale environment: the first of LC_ALL, LC_MESSAGES and LANG that is set and not empty
 * decides (POSIX.1-2017, 8.2); anything but `zh…` reads English.
 */
export function langOf(env: Readonly<Record<string, string | undefined>>): Lang {
  const locale = env.LC_ALL || env.LC_MESSAGES || env.LANG || '';
  return /^zh(?![a-z])/i.test(locale) ? 'zh' : 'en';
}
