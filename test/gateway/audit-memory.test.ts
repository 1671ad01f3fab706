/** An open file of the audit log is written to as memory: what stands in it, for whoever reads it, and whoever is killed. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readLedger } from '../../src/audit/ledger.js';
import { entries } from '../../src/audit/query.js';
import { verify } from '../../src/audit/verify.js';
import { auditOptions } from '../../src/gateway/audit.js';
import { auditFolder } from '../../src/gateway/files.js';
import { localFiles } from '../../src/hosts/files.js';
import type { BuildName } from './builds.js';
import { startEngine } from './engine.js';
import { type Gateway, secrets, startGateway, testSettings, until } from './harness.js';
import { startLua } from './lua.js';
import { asMemory } from './mounts.js';

const hello = { model: 'm', messages: [{ role: 'user', content: 'hi' }] };

const logOf = ({ directory }: Gateway) => ({
  files: localFiles,
  folder: auditFolder(directory),
  secret: secrets.auditSecret,
});

const post = (gateway: Gateway, id: string) => gateway.post(hello, { headers: { 'x-request-id': id } });

describe.each<BuildName>(['debian', 'current'])('in %s nginx', (nginx) => {
  it('writes as memory what it would by calls, wherever a line ends and however often it is cut to size', async () => {
    const sizes = fc.oneof(fc.integer({ min: 1, max: 900 }), fc.integer({ min: 1, max: 200_000 }), fc.constant('cut'));
    const lists = [
      ...fc.sample(fc.array(sizes, { maxLength: 60 }), 40),
      [65_535, 1, 1, 65_535, 65_537, 'cut', 'cut', 131_072],
      ['cut', ...Array(500).fill(431)],
    ];
    const folder = await mkdtemp(join(tmpdir(), 'audit-'));
    const lua = await startLua(nginx);
    const differ = await lua.run(
      `local home, sys = require "core.home", require "core.sys"
       local window, files, ffi = require "core.audit_window", require "core.files", require "ffi"
       home.audit = sys.open_dir "${folder}"
       local argument = ...
       local function opened(name, as_memory)
         local flags = files.RDWR + sys.CREAT + sys.APPEND + files.TRUNC
         local out = window.new(assert(sys.open_at(home.audit, name, flags, 384)))
         if not as_memory then out.as_memory = false end
         return out
       end
       local letters, differ, memory = 0, {}, 0
       for n, list in ipairs(argument) do
         local one, other, wanted = opened("one", true), opened("other", false), {}
         memory = memory + (one.as_memory and 1 or 0)
         for _, size in ipairs(list) do
           if size == "cut" then
             assert(window.cut(one) and window.cut(other))
           else
             letters = letters + 1
             local line = string.char(97 + letters % 26):rep(size - 1) .. "\\n"
             wanted[#wanted + 1] = line
             local bytes = ffi.new("char[?]", size)
             ffi.copy(bytes, line, size)
             assert(window.append(one, bytes, size) and window.append(other, bytes, size))
           end
           local text = sys.read_at(home.audit, "one")
           if text:sub(1, one.size) ~= table.concat(wanted) or text:find("[^%z]", one.size + 1) then differ[#differ + 1] = n end
         end
         window.close(one)
         window.close(other)
         for _, name in ipairs { "one", "other" } do
           if sys.read_at(home.audit, name) ~= table.concat(wanted) then differ[#differ + 1] = name .. n end
         end
       end
       return { memory, differ[1] or "none" }`,
      lists,
    );
    expect(differ).toEqual([asMemory(folder) ? lists.length : 0, 'none']);
    await lua.stop();
    await rm(folder, { recursive: true });
  });

  it('a gateway that was killed leaves a log that reads as it was written, before another comes and after', async () => {
    const engine = await startEngine();
    const gateway = await startGateway(testSettings([engine.peer]), { nginx });
    try {
      const ids = Array.from({ length: 40 }, (_, i) => `before-${i}`);
      for (const id of ids) await (await post(gateway, id)).text();
      await gateway.auditOf(ids.at(-1)!);
      await gateway.kill();
      const log = logOf(gateway);
      const [name] = (await localFiles.list(log.folder)).filter((one) => /^2.*ndjson$/.test(one));
      const bytes = await readFile(`${log.folder}/${name}`);
      expect(bytes.at(-1)).toBe(asMemory(log.folder) ? 0 : 10);
      expect(await verify(log)).toMatchObject({ lines: 41, problems: [], notes: [] });
      expect((await gateway.audit()).map(({ id }) => id)).toEqual(ids);
      await gateway.restart();
      await until('it is sealed', async () => {
        return (await localFiles.list(log.folder)).includes(name!.replace('ndjson', 'sealed')) || undefined;
      });
      await (await post(gateway, 'after')).text();
      await gateway.auditOf('after');
      expect((await gateway.audit()).map(({ id }) => id)).toEqual([...ids, 'after']);
      const written = bytes.lastIndexOf(10) + 1;
      expect([...(await readLedger(log)).files.values()][0]).toMatchObject({
        closed: { lines: 41, bytes: written, torn: 0, by: 'another' },
      });
      expect(await verify(log)).toMatchObject({ lines: 43, problems: [], notes: [] });
    } finally {
      await gateway.stop();
      await engine.stop();
    }
  });

  it('a log reads whole at any moment, while lines come and files turn', async () => {
    const engine = await startEngine();
    const settings = testSettings([engine.peer], { audit: auditOptions({ rotateBytes: 100_000 }) });
    const gateway = await startGateway(settings, { nginx, workers: 2 });
    try {
      let going = true;
      let sent = 0;
      const load = Array.from({ length: 8 }, async () => {
        while (going) await (await post(gateway, `grows-${sent++}`)).text();
      });
      let before = 0;
      for (const till = Date.now() + 2500; Date.now() < till; ) {
        const { problems, notes, lines } = await verify(logOf(gateway));
        expect([problems, notes]).toEqual([[], []]);
        expect(lines).toBeGreaterThanOrEqual(before);
        before = lines;
        for await (const entry of entries(logOf(gateway), {}, (file) => expect(file).toBe('readable'))) void entry;
      }
      going = false;
      await Promise.all(load);
      const ids = Array.from({ length: sent }, (_, i) => `grows-${i}`);
      await until('all', async () => {
        const told = new Set((await gateway.audit()).map(({ id }) => id));
        return ids.every((id) => told.has(id)) || undefined;
      });
      expect((await verify(logOf(gateway))).files).toBeGreaterThan(2);
    } finally {
      await gateway.stop();
      await engine.stop();
    }
  });
});
