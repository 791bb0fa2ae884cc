// What the providers have in common: each is a child process of a test
// (tests/e2e/idp.py). It prints one line of JSON when it listens, then answers
// each line of JSON on its standard input with one, and ends with its input,
// so that it never outlives the test that started it.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

// The packages are not beside this file: nothing is installed in the sources.
const require = createRequire(`${process.env.GITGATE_NPM}/package.json`);

export async function load(name) {
  const m = await import(pathToFileURL(require.resolve(name)).href);
  return m.default ?? m;
}

export const options = JSON.parse(process.argv[2] ?? '{}');

// Listens on a free port of loopback; the address as a URL.
export function listen(server) {
  return new Promise((resolve, reject) => {
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${server.address().port}`));
  });
}

// Standard output is for answers; what packages have to say goes to the test's
// log.
console.log = console.info = console.debug = console.error;
const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

// Says that the provider is ready, then serves commands {"do": name, ...}.
export async function serve(ready, commands) {
  say(ready);
  for await (const line of createInterface({ input: process.stdin })) {
    try {
      const { do: name, ...rest } = JSON.parse(line);
      say({ ok: (await commands[name](rest)) ?? null });
    } catch (e) {
      say({ error: String(e?.stack ?? e) });
    }
  }
  process.exit(0);
}

export const escape = (text) =>
  String(text ?? '').replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
