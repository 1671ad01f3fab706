/** The gateway's certificate: made by a CA of this deployment's own, or brought along; read and judged here. */

import { createPrivateKey, X509Certificate } from 'node:crypto';
import { bracketed } from '../address.js';
import type { Command } from '../command.js';
import { type NginxBuild, since } from './nginx.js';

const isIp = (name: string): boolean => name.includes(':') || /^\d+(\.\d+){3}$/.test(name);

/** Absolute paths. */
export interface TlsFiles {
  readonly certificate: string;
  readonly key: string;
}

export const tlsDirectory = (home: string): string => `${home}/gateway/tls`;

/** What callers have to trust. */
export const caFile = (home: string): string => `${tlsDirectory(home)}/ca.crt`;

/** Certificate and key in one file, so that one rename changes both. */
export const ownFiles = (home: string): TlsFiles => {
  const file = `${tlsDirectory(home)}/server.pem`;
  return { certificate: file, key: file };
};

const serverDays = 397;
const caDays = 3650;
/** A certificate of our own is made anew so long before its end. */
export const renewMs = 60 * 24 * 3600 * 1000;

const config = (names: readonly string[], deployment: string): string => `
[req]
distinguished_name = dn
prompt = no
[dn]
CN = deepseek-deploy ${deployment}
[ca]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = ${names.map((name) => `${isIp(name) ? 'IP' : 'DNS'}:${name}`).join(', ')}
`;

/**
 * Each file is made beside and renamed: a run that is killed leaves what was there before. The CA's key and certificate
 * lie in ca.pem; ca.crt is the certificate alone, to be given away.
 */
const script = `
umask 077
cd "$1"
new=$(mktemp -d new.XXXXXX)
trap 'rm -rf "$new"' EXIT
trap 'exit 130' HUP INT TERM
printf '%s' "$2" > "$new/conf"
key='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
if [ ! -s ca.pem ]; then
  openssl req -x509 $key -config "$new/conf" -extensions ca -days ${caDays} -set_serial "0x$3" \\
    -keyout "$new/ca.key" -out "$new/ca.crt"
  cat "$new/ca.key" "$new/ca.crt" > "$new/ca.pem"
  mv "$new/ca.pem" ca.pem
fi
openssl x509 -in ca.pem -out "$new/ca.crt"
chmod 644 "$new/ca.crt"
openssl req -new $key -config "$new/conf" -keyout "$new/server.key" -out "$new/server.csr"
openssl x509 -req -in "$new/server.csr" -CA ca.pem -CAkey ca.pem -set_serial "0x$4" -days ${serverDays} -sha256 \\
  -extfile "$new/conf" -extensions server -out "$new/server.crt"
cat "$new/server.crt" "$new/server.key" > "$new/server.pem"
mv "$new/ca.crt" ca.crt
mv "$new/server.pem" server.pem
`;

const serial = (bytes: Uint8Array): string => `01${Buffer.from(bytes).toString('hex')}`;

/**
 * A new certificate for these names, by the CA that is there or a new one.
 * @param names host names and IP addresses
 * @param deployment a plain word
 * @param bytes 30 random bytes, for the two serial numbers
 */
export const issueCommand = (
  home: string,
  names: readonly string[],
  deployment: string,
  bytes: Uint8Array,
): Command => ({
  argv: [
    ...(['sh', '-euc', script, 'issue', tlsDirectory(home), config(names, deployment)] as const),
    serial(bytes.subarray(0, 15)),
    serial(bytes.subarray(15, 30)),
  ],
});

const reloads = `
# The title of nginx's master tells its prefix: an id that another process has got by now is left alone.
pid=$(cat "$1/nginx.pid" 2>/dev/null) && grep -qF "$1" "/proc/$pid/cmdline" || exit 0
if [ "$2" -gt 0 ]; then
  umask 022
  echo $(($(date +%s) + 10)) >"$1/closing"
  sleep "$2"
fi
kill -HUP "$pid"`;

type Version = Pick<NginxBuild, 'version'>;

/** Seconds for which answers say `Connection: close` before a reload (core/closing.lua); later builds need none. */
const leave = (build: Version | undefined): number => (build && !since(build, 1, 27, 4) ? 2 : 0);

/**
 * nginx reads certificate, key and configuration again; streams go on in the old workers. Nothing happens where no nginx
 * of ours runs.
 */
export const reloadCommand = (directory: string, build: Version | undefined): Command => ({
  argv: ['sh', '-euc', reloads, 'reload', directory, String(leave(build))],
});

/** The certificate that is served there, in PEM among other words; ends by itself. */
export const servedCommand = (host: string, port: number): Command => ({
  argv: ['openssl', 's_client', '-connect', `${bracketed(host)}:${port}`],
  stdin: '',
  timeoutMs: 5000,
});

const pem = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/;

/** Of the first certificate in the text; undefined where there is none. */
export const fingerprint = (text: string | undefined): string | undefined => {
  const found = text === undefined ? undefined : pem.exec(text)?.[0];
  try {
    return found && new X509Certificate(found).fingerprint256;
  } catch {
    return undefined;
  }
};

const covers = (certificate: X509Certificate, name: string): boolean =>
  (isIp(name) ? certificate.checkIP(name) : certificate.checkHost(name)) !== undefined;

export type Flaw = 'unreadable' | 'key' | 'ended' | 'early' | 'issuer' | 'name';

/**
 * @param now ms since 1970, at which it has to be valid
 * @param ca what it has to be issued by, in PEM
 * @param names what it has to be for
 * @returns the first flaw, undefined for none
 */
export function flawOf(
  files: { readonly certificate: string; readonly key: string },
  now: number,
  { ca, names = [] }: { readonly ca?: string; readonly names?: readonly string[] } = {},
): Flaw | undefined {
  try {
    const certificate = new X509Certificate(pem.exec(files.certificate)?.[0] ?? '');
    if (!certificate.checkPrivateKey(createPrivateKey(files.key))) return 'key';
    if (Date.parse(certificate.validTo) <= now) return 'ended';
    if (Date.parse(certificate.validFrom) > now) return 'early';
    if (ca !== undefined) {
      const issuer = new X509Certificate(ca);
      if (!certificate.checkIssued(issuer) || !certificate.verify(issuer.publicKey)) return 'issuer';
    }
    return names.every((name) => covers(certificate, name)) ? undefined : 'name';
  } catch {
    return 'unreadable';
  }
}
