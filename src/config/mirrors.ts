/** Where packages, images and manifests come from, when it is not from where their authors publish them. */
import { say, type Text } from '../say.js';
import { either, type Infer, list, map, object, oneOf, string } from './schema.js';

const address = (says: Text, example: string) =>
  string({
    says,
    pattern: {
      regexp: '^(https?://[^\\s/?#]+|file:///[^\\s?#])[^\\s?#]*$',
      means: say('an address (https://…)', '地址（https://…）'),
    },
    max: 500,
    example,
  });

const fingerprint = (says: Text) =>
  string({
    says,
    pattern: {
      regexp: '^[0-9A-F]{40}$',
      means: say('a fingerprint of 40 capital hex digits', '40 位大写十六进制指纹'),
    },
    max: 40,
  });

const preset = oneOf(['none', 'cn'], {
  says: say('none: where the authors publish. cn: mirrors in mainland China.', 'none：官方地址；cn：中国大陆镜像。'),
  initial: 'none',
});

const each = object(
  {
    preset,
    docker: address(
      say(
        'Packages of Docker and containerd; has the paths of download.docker.com.',
        'Docker 与 containerd 软件包；路径与 download.docker.com 相同。',
      ),
      'https://mirrors.aliyun.com/docker-ce',
    ),
    kubernetes: address(
      say(
        'Packages of Kubernetes; v1.36/deb and v1.36/rpm lie below it.',
        'Kubernetes 软件包；其下有 v1.36/deb 与 v1.36/rpm。',
      ),
      'https://mirrors.aliyun.com/kubernetes-new/core/stable',
    ),
    toolkit: address(
      say(
        'The NVIDIA container toolkit; has the paths of nvidia.github.io/libnvidia-container.',
        'NVIDIA 容器工具包；路径与 nvidia.github.io/libnvidia-container 相同。',
      ),
      'https://mirrors.ustc.edu.cn/libnvidia-container',
    ),
    driver: address(
      say(
        "The NVIDIA driver; NVIDIA's folders of each system (debian12, rhel9) lie below it.",
        'NVIDIA 驱动；其下为各系统目录（debian12、rhel9）。',
      ),
      'https://developer.download.nvidia.cn/compute/cuda/repos',
    ),
    manifests: address(
      say(
        'Manifests; has the paths of raw.githubusercontent.com. Their hashes are pinned.',
        '清单文件；路径与 raw.githubusercontent.com 相同，哈希已固定。',
      ),
      'https://files.m.daocloud.io/raw.githubusercontent.com',
    ),
    systems: address(
      say(
        'Packages of Debian and Ubuntu, for bundle create; debian, debian-security and ubuntu lie below it.',
        'Debian 与 Ubuntu 自身的软件包，供 bundle create 使用；其下有 debian、debian-security 与 ubuntu。',
      ),
      'https://mirrors.aliyun.com',
    ),
    registries: map(
      list(address(say('A mirror.', '镜像地址。'), 'https://k8s.m.daocloud.io'), {
        says: say('Asked in this order, then the registry itself.', '按顺序尝试，最后访问原仓库。'),
        max: 8,
      }),
      {
        says: say(
          'Mirrors of image registries, by the registry: registry.k8s.io.',
          '镜像仓库的镜像站，以仓库名为键：registry.k8s.io。',
        ),
        keys: {
          regexp: '^[a-z0-9.-]+(:\\d{1,5})?$',
          means: say('the name of a registry', '镜像仓库名'),
        },
        initial: {},
      },
    ),
    keys: object(
      {
        docker: fingerprint(say('Of packages of Docker and containerd.', 'Docker 与 containerd 软件包。')),
        kubernetes: fingerprint(say('Of packages of Kubernetes.', 'Kubernetes 软件包。')),
        toolkit: fingerprint(say('Of the NVIDIA container toolkit.', 'NVIDIA 容器工具包。')),
        driver: fingerprint(say('Of the NVIDIA driver.', 'NVIDIA 驱动。')),
      },
      {
        says: say(
          'The key that signs a mirror of your own; left out, that of the authors.',
          '自建镜像的签名密钥指纹；省略时为官方密钥。',
        ),
      },
    ),
  },
  { says: say('Address by address.', '逐项指定地址。') },
);

export const mirrors = either([preset, each], {
  says: say(
    'Where packages, images and manifests come from: none, cn, or address by address.',
    '软件包、镜像和清单的来源：none、cn 或逐项指定。',
  ),
  initial: 'none',
});

export type Mirrors = Infer<typeof mirrors>;
