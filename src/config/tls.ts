import { say } from '../say.js';
import { list, object, oneOf, path, secretFile, string } from './schema.js';

export const tls = object(
  {
    mode: oneOf(['off', 'own-ca', 'files'], {
      says: say(
        'off is plain HTTP. With own-ca a CA of this deployment makes the certificate; with files you bring your own.',
        'off：普通 HTTP。own-ca：由本部署自建的 CA 签发证书。files：使用自备的证书和私钥。',
      ),
      initial: 'off',
    }),
    certificate: path({
      says: say('With files: the certificate and its chain, in PEM.', 'files 模式：PEM 格式的证书及证书链。'),
      mustExist: true,
      example: 'tls/server.crt',
    }),
    key: secretFile({
      says: say('With files: its private key, in PEM.', 'files 模式：PEM 格式的私钥。'),
      example: 'tls/server.key',
    }),
    names: list(
      string({
        says: say('A host name or an IP address.', '主机名或 IP 地址。'),
        pattern: {
          regexp: '^([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*)$',
          means: say('an IP address or a host name', 'IP 地址或主机名'),
        },
        max: 253,
        example: 'api.example.com',
      }),
      {
        says: say(
          'With own-ca: what else callers call this machine. Its own names and addresses are known.',
          'own-ca 模式：调用方访问本机时使用的其他名称。本机自身的名称和地址会自动加入。',
        ),
        max: 50,
        initial: [],
      },
    ),
  },
  {
    says: say(
      'HTTPS, TLS 1.2 and 1.3. Needed unless only this machine can reach the API.',
      'HTTPS（TLS 1.2 和 1.3）。除非 API 仅限本机访问，否则必须配置。',
    ),
  },
);
