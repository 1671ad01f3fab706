/** The audit log's Lua by itself, held against the TypeScript that reads what it writes. */
import { copyFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { chained, check, keyOf, start } from '../../src/audit/chain.js';
import { bytesOf, type Log, linesOf } from '../../src/audit/files.js';
import { readLedger } from '../../src/audit/ledger.js';
import { verify } from '../../src/audit/verify.js';
import { localFiles } from '../../src/hosts/files.js';
import type { BuildName } from './builds.js';
import { type Lua, startLua } from './lua.js';

const secret = 'secret-of-the-units';
const name = '20261124T080000.000Z-0-abcdef';

describe.each<BuildName>(['debian', 'current'])('in %s nginx', (nginx) => {
  let lua: Lua;
  let log: Log;
  beforeAll(async () => {
    lua = await startLua(nginx, ['gateway_audit', 'gateway_metrics']);
  }, 120_000);
  afterAll(() => lua?.stop());
  beforeEach(async () => {
    log = { files: localFiles, folder: await mkdtemp(join(tmpdir(), 'audit-')), secret };
    return () => rm(log.folder, { recursive: true });
  });

  /** With the folder as the gateway's, and nothing known yet. */
  const run = (chunk: string, argument?: unknown): Promise<unknown> =>
    lua.run(
      `local home, sys = require "core.home", require "core.sys"
       home.secrets.auditSecret = "${secret}"
       home.audit = sys.open_dir("${log.folder}")
       ngx.shared.gateway_audit:flush_all()
       local function fresh(name) package.loaded[name] = nil return require(name) end
       local ledger = fresh "core.audit_ledger"
       local file = fresh "core.audit_file"
       local seal = fresh "core.audit_seal"
       local room = require "core.audit_room"
       local function write(text) room.begin() room.text(text) return file.write() end
       local argument = ...
       ${chunk}`,
      argument,
    );

  const texts = fc.array(fc.record({ id: fc.string({ unit: 'grapheme' }), n: fc.nat() }), { maxLength: 12 });

  it('a chain that one writes, the other reads, both ways', async () => {
    await fc.assert(
      fc.asyncProperty(texts, async (list) => {
        const bare = list.map((one) => JSON.stringify(one).slice(0, -1));
        const key = keyOf(secret, 'chain', name);
        const written = (await run(
          `local chains = require "core.audit_chain"
           local chain, lines = chains.new "${name}", {}
           for i, text in ipairs(argument) do
             lines[i] = chains.line(chain, text)
             chains.took(chain)
           end
           return table.concat(lines)`,
          bare,
        )) as string;
        let link = start;
        for (const line of written.split('\n').filter(Boolean)) {
          const checked = check(key, link, line);
          expect(checked.fault).toBeUndefined();
          link = checked.link;
        }
        expect(link.seq).toBe(list.length);
        let mine = start;
        const lines = bare.map((text) => {
          const made = chained(key, mine, text);
          mine = made.link;
          return made.line.trimEnd();
        });
        const read = `local chains = require "core.audit_chain"
          local chain = chains.new "${name}"
          for _, line in ipairs(argument) do
            if not chains.follows(chain, line) then return -1 end
          end
          return chain.seq`;
        expect(await run(read, lines)).toBe(list.length);
        if (lines.length > 0) expect(await run(read, [`${lines[0]} `, ...lines.slice(1)])).toBe(-1);
      }),
      { numRuns: 20 },
    );
  });

  it('puts a text together in memory as Lua would, whatever its length and its numbers', async () => {
    const round = [...Array(17).keys()].flatMap((i) => [10 ** i - 1, 10 ** i, 10 ** i + 1, 0.5 * 10 ** i]);
    const numbers = fc.oneof(fc.nat(), fc.nat(999), fc.integer(), fc.double({ noNaN: true }));
    const parts = fc.array(fc.oneof(numbers, fc.string({ unit: 'grapheme', maxLength: 6000 })), { maxLength: 40 });
    const lists = [...fc.sample(parts, 60), round, ['', 'x'.repeat(4096), 'x'.repeat(100_000), 1]];
    const differ = await run(
      `local room = require "core.audit_room"
       local differ = {}
       for _, list in ipairs(argument) do
         for n, many in ipairs { 1, 100 } do
           for _ = 1, many do
             room.begin()
             for _, part in ipairs(list) do
               if type(part) == "number" then room.number(part) else room.text(part) end
             end
           end
           if room.string() ~= table.concat(list) then differ[#differ + 1] = { n, list } end
         end
       end
       return { #argument, differ[1] or "none" }`,
      lists,
    );
    expect(differ).toEqual([lists.length, 'none']);
  });

  it('writes, closes and seals a file that reads back as it was', async () => {
    await run('for i = 1, 2000 do assert(write(\'{"id":"r\' .. i .. \'"\')) end file.close() seal.pass() return 1');
    const names = [...(await localFiles.list(log.folder))].sort();
    expect(names).toEqual([expect.stringMatching(/^2\S+\.sealed$/), 'ledger.ndjson']);
    const raw = await readFile(`${log.folder}/${names[0]}`);
    expect(raw.includes('r1999')).toBe(false);
    expect((await verify(log)).problems).toEqual([]);
    const found: string[] = [];
    for await (const { text } of linesOf(bytesOf(log, names[0]!.replace('.sealed', ''))))
      found.push(JSON.parse(text).id);
    expect(found.slice(1)).toEqual(Array.from({ length: 2000 }, (_, i) => `r${i + 1}`));
  });

  it('leaves a file alone that is being written to', async () => {
    await run('write(\'{"id":"a"\') seal.pass() write(\'{"id":"b"\') return 1');
    expect((await localFiles.list(log.folder)).filter((one) => one.endsWith('.sealed'))).toEqual([]);
    expect(await verify(log)).toMatchObject({ lines: 3, problems: [] });
  });

  it.each([
    ['whole', 0, 0],
    ['torn', 25, 0],
    ['whole, with room behind it', 0, 70_000],
    ['torn, with room behind it', 25, 70_000],
    ['begun, with room behind it', 9_000, 300_000],
  ])('enters the end of a file whose worker is gone, its last line %s', async (_, cut, room) => {
    await run(`write '{"id":"a"' write('{"id":"' .. ("b"):rep(${cut === 9_000 ? 9_900 : 1}) .. '"') return 1`);
    // The lock is this process's, and goes with what held it.
    const [stem] = (await localFiles.list(log.folder)).filter((one) => one.startsWith('2'));
    const text = (await readFile(`${log.folder}/${stem}`, 'utf8')).replace(/\0+$/, '');
    await rm(`${log.folder}/${stem}`);
    const left = cut === 0 ? text : text.slice(0, -cut);
    await writeFile(`${log.folder}/${stem}`, left + '\0'.repeat(room));
    const before = await verify(log);
    expect(before.problems).toEqual([]);
    await run('seal.pass() return 1');
    const file = stem!.replace('.ndjson', '');
    const torn = left.length - left.lastIndexOf('\n') - 1;
    expect((await readLedger(log)).files.get(file)).toMatchObject({
      closed: { lines: cut === 0 ? 3 : 2, bytes: left.length - torn, torn, by: 'another' },
    });
    expect((await localFiles.list(log.folder)).filter((one) => one.startsWith('2'))).toEqual([`${file}.sealed`]);
    const { problems, notes, lines } = await verify(log);
    expect([problems, notes, lines]).toEqual([[], before.notes, before.lines]);
    expect(notes.map(({ id }) => id)).toEqual(cut === 0 ? [] : ['audit.torn']);
  });

  it('takes a file that ends in zeros within its lines for none of ours', async () => {
    await run('write(\'{"id":"a"\') write(\'{"id":"b"\') return 1');
    const [stem] = (await localFiles.list(log.folder)).filter((one) => one.startsWith('2'));
    const text = (await readFile(`${log.folder}/${stem}`, 'utf8')).replace(/\0+$/, '');
    await rm(`${log.folder}/${stem}`);
    const lines = text.split('\n');
    await writeFile(`${log.folder}/${stem}`, [lines[0], '\0'.repeat(lines[1]!.length), lines[2], ''].join('\n'));
    await run('seal.pass() return 1');
    expect((await verify(log)).problems.map(({ id, line }) => [id, line])).toEqual([
      ['audit.line-unreadable', 2],
      ['audit.line-missing', 3],
    ]);
  });

  it('leaves a file without a line alone while its worker may still be at it, and then removes it', async () => {
    const old = '20200101T080000.000Z-0-abcdef.opening';
    const young = `${new Date().toISOString().replace(/[-:]/g, '')}-0-abcdef.opening`;
    for (const one of [old, young]) await writeFile(`${log.folder}/${one}`, '\0'.repeat(65_536));
    await run('seal.pass() return 1');
    expect(await localFiles.list(log.folder)).toEqual([young]);
    expect((await verify(log)).problems).toEqual([]);
  });

  it.each([
    ['before', 1],
    ['after', 2],
  ])('a worker that died %s it entered its new file in the ledger leaves nothing wrong', async (_, entries) => {
    const kept = 'files.rename, files.remove = function() return nil, "gone" end, function() return true end';
    const dies = entries === 1 ? 'ledger.opened = function() return nil, "gone" end' : '';
    await run(`local files = require "core.files"
      local rename, remove = files.rename, files.remove
      ${kept} ${dies}
      write '{"id":"lost"'
      files.rename, files.remove = rename, remove
      return 1`);
    expect((await localFiles.list(log.folder)).filter((one) => one.endsWith('.opening'))).toHaveLength(1);
    expect((await verify(log)).problems).toEqual([]);
    await run('seal.pass() return 1');
    expect(await verify(log)).toMatchObject({ files: 1, lines: 1, problems: [] });
    expect([...(await readLedger(log)).files.values()]).toMatchObject([{ closed: { lines: 1, by: 'another' } }]);
  });

  it('enters a file that its worker had no time to enter, but none that is not ours', async () => {
    await run('write(\'{"id":"a"\') return 1');
    const [stem] = (await localFiles.list(log.folder)).filter((one) => one.startsWith('2'));
    const text = (await readFile(`${log.folder}/${stem}`, 'utf8')).replace(/\0+$/, '');
    await rm(`${log.folder}/ledger.ndjson`);
    await rm(`${log.folder}/${stem}`);
    await writeFile(`${log.folder}/${stem}`, text);
    await writeFile(`${log.folder}/${name}.ndjson`, text);
    await run('seal.pass() return 1');
    expect((await verify(log)).problems.map(({ id, file, line }) => [id, file, line])).toEqual([
      ['audit.line-changed', name, 1],
      ['audit.line-changed', name, 2],
      ['audit.file-unknown', name, undefined],
    ]);
    expect([...(await readLedger(log)).files.keys()]).toEqual([stem!.replace('.ndjson', '')]);
  });

  it('the ledger goes on after a torn line, and shows lines that were taken off', async () => {
    await run('ledger.opened "one" return 1');
    const path = `${log.folder}/ledger.ndjson`;
    const whole = await readFile(path, 'utf8');
    await writeFile(path, `${whole}{"kind":"clo`);
    await run('ledger.opened "two" return 1');
    expect(await readLedger(log)).toMatchObject({ faults: [], head: { seq: 2 } });
    expect(await readFile(path, 'utf8')).toContain('"torn_before":12');
    await run(
      `ledger.opened "three"
       local fd = sys.open_at(home.audit, "ledger.ndjson", sys.WRONLY)
       require("core.files").truncate(fd, argument)
       ledger.opened "four"
       return 1`,
      whole.length,
    );
    expect((await readLedger(log)).faults).toMatchObject([{ line: 2, fault: { kind: 'missing', lines: 2 } }]);
  });

  /** The list of this worker's requests, as one that is gone would have left it. */
  async function left(pid = 4194305): Promise<string> {
    const folder = join(log.folder, 'in-hand');
    const [mine] = (await readdir(folder)).filter((one) => !one.startsWith('4'));
    const path = join(folder, `${pid}-0.list`);
    await copyFile(join(folder, mine!), path);
    return path;
  }

  const inHand = (chunk: string, argument?: unknown) =>
    run(
      `ngx.shared.gateway_audit:set("gateway", "of-the-tests")
       home.in_hand = sys.make_dir(sys.open_dir("${log.folder}"), "in-hand", 448)
       local in_hand = package.loaded["core.in_hand"]
       local audit = package.loaded["core.audit"]
       if argument == "anew" then
         in_hand = fresh "core.in_hand"
         in_hand.init(64)
         in_hand.work()
         for _, name in ipairs { "file", "seal", "line" } do fresh("core.audit_" .. name) end
         file = require "core.audit_file"
         audit = fresh "core.audit"
       end
       local function request(id) return { id = id, route = "chat" } end
       local found = {}
       local due = {
         ready = function() end,
         written = function(text, name) found.asked = { text, name } return false end,
         write = function(text, started, killed)
           found[#found + 1] = { text = text, started = started > 1e9, killed = killed }
         end,
       }
       ${chunk}`,
      argument,
    );

  const list = `
    local list = { request "written", request "unwritten", request "streaming", request "done" }
    for _, req in ipairs(list) do in_hand.enter(req) end
    in_hand.leave(list[4])`;

  it('writes no second line for a request whose worker died right after the first', async () => {
    await inHand(`${list} write '{"id":"written","status":200' in_hand.closing(list[1])`, 'anew');
    await left();
    expect(await inHand('return { first = audit.adopt(), then_ = audit.adopt() }')).toEqual({ first: 1, then_: 0 });
    const [stem] = (await localFiles.list(log.folder)).filter((one) => one.startsWith('2'));
    const told: unknown[] = [];
    for await (const { text } of linesOf(bytesOf(log, stem!.replace('.ndjson', '')))) {
      const { id, cut } = JSON.parse(text) as { id?: string; cut?: string };
      if (id) told.push([id, cut ?? 'whole']);
    }
    expect(told).toEqual([
      ['written', 'whole'],
      ['unwritten', 'worker died'],
      ['streaming', 'worker died'],
    ]);
  });

  it('says what it is given to say of requests whose worker is gone, and only of those', async () => {
    await inHand(
      `in_hand.writes "the-file"
       local a, b, c = request "a", request "b", request "c"
       for _, req in ipairs { a, b, c } do in_hand.enter(req) end
       in_hand.tell(a, ',"key":"k"', "", ',"model":"m"')
       in_hand.tell(a, ',"tenant":"' .. ("x"):rep(600) .. '"', "", "")
       in_hand.leave(b)
       in_hand.closing(c)`,
      'anew',
    );
    expect(await inHand('return { gone = in_hand.adopt(due) }')).toEqual({ gone: 0 });
    await left();
    expect(
      await inHand('found.gone = in_hand.adopt(due) return { found[1], found[2], found.gone, found.asked }'),
    ).toEqual([
      { text: '{"id":"a","route":"chat","key":"k","model":"m"', started: true, killed: false },
      { text: '{"id":"c","route":"chat"', started: true, killed: false },
      1,
      ['{"id":"c","route":"chat"', 'the-file'],
    ]);
    expect(await readdir(join(log.folder, 'in-hand'))).toHaveLength(1);
  });

  it('knows another gateway’s list from its own, and holds back from what a power cut or a stranger left', async () => {
    await inHand(list, 'anew');
    const harmed = async (at: number, text: string) => {
      const path = await left();
      const bytes = await readFile(path);
      bytes.write(text, at);
      await writeFile(path, bytes);
      return inHand('local gone = in_hand.adopt(due) return { gone, #found, found[1] and found[1].killed }');
    };
    expect(await harmed(56, 'another')).toEqual([1, 3, true]); // gateway
    expect(await harmed(16, 'another boot')).toEqual([0, 0]);
    expect(await harmed(0, 'in-hand-9')).toEqual([0, 0]);
    expect(await harmed(144, '\xff\xff\xff\x7f')).toEqual([0, 0]); // used
    const path = await left();
    await writeFile(path, (await readFile(path)).subarray(0, 100));
    expect(await inHand('return { in_hand.adopt(due), #found }')).toEqual([0, 0]);
    expect(await readdir(join(log.folder, 'in-hand'))).toHaveLength(1);
  });

  it('tells the next one which line it was about to write for another when it died itself', async () => {
    await inHand(list, 'anew');
    const path = await left();
    await inHand('due.write = function() error "killed" end return pcall(in_hand.adopt, due)');
    await copyFile(path, path.replace('4194305', '4194306'));
    await rm(path);
    expect(await inHand('local gone = in_hand.adopt(due) return { gone, #found, found.asked[1] }')).toEqual([
      1,
      3,
      '{"id":"written","route":"chat"',
    ]);
  });

  it('lists as many as there is room for, and takes a place again once it is left', async () => {
    const told = await inHand(
      `local slots = {}
       for i = 1, 66 do
         slots[i] = request("r" .. i)
         in_hand.enter(slots[i])
       end
       local before = { slots[64].slot, slots[65].slot or "none" }
       in_hand.leave(slots[7])
       in_hand.enter(slots[65])
       return { before, slots[65].slot, slots[66].slot or "none" }`,
      'anew',
    );
    expect(told).toEqual([[63, 'none'], 6, 'none']);
  });
});
