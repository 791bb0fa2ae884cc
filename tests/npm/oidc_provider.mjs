// A certified OpenID Connect provider (npm oidc-provider) with a sign-in page
// that asks for a name only.
//
// options: accounts {NAME: {claims}}, client {client metadata}, alg
// commands: client {...}   changes the client, its redirect URIs say
//           accounts {...} replaces the accounts
//           rotate         new signing keys
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { escape, listen, load, options, serve } from './child.mjs';

const Provider = await load('oidc-provider');

let accounts = options.accounts ?? {};
let client = {
  client_id: 'gitgate',
  client_secret: 'stand-in-client-secret',
  redirect_uris: ['http://127.0.0.1/-/login/oidc/callback'],
  id_token_signed_response_alg: options.alg ?? 'RS256',
  require_auth_time: true,
  ...options.client,
};
let keys = newKeys();
let provider;
const server = createServer((req, res) => handle(req, res));
const issuer = await listen(server);
build();

function newKeys() {
  const jwk = (type, opts, alg) => ({
    ...generateKeyPairSync(type, opts).privateKey.export({ format: 'jwk' }),
    alg,
    use: 'sig',
    kid: randomUUID(),
  });
  return [
    jwk('rsa', { modulusLength: 2048 }, 'RS256'),
    jwk('ec', { namedCurve: 'P-256' }, 'ES256'),
    jwk('ed25519', {}, 'EdDSA'),
  ];
}

function findAccount(ctx, id) {
  const claims = accounts[id];
  return claims && { accountId: id, claims: () => ({ sub: id, ...claims }) };
}

// Whoever signs in agrees: tests are about the relying party.
async function loadExistingGrant(ctx) {
  const { Grant } = ctx.oidc.provider;
  const { clientId } = ctx.oidc.client;
  const { accountId } = ctx.oidc.session;
  const known = ctx.oidc.session.grantIdFor(clientId);
  const grant = (known && (await Grant.find(known))) || new Grant({ clientId, accountId });
  grant.addOIDCScope([...ctx.oidc.requestParamScopes].join(' '));
  await grant.save();
  return grant;
}

// A provider's settings are fixed when it is made; its sessions and codes lie
// in a store that all providers of the process share.
function build() {
  provider = new Provider(issuer, {
    clients: [client],
    jwks: { keys },
    cookies: { keys: ['stand-in'] },
    claims: {
      openid: ['sub'],
      email: ['email', 'email_verified'],
      profile: ['name', 'preferred_username'],
      groups: ['groups'],
    },
    scopes: ['openid', 'email', 'profile', 'groups'],
    conformIdTokenClaims: false,
    enabledJWA: { idTokenSigningAlgValues: ['RS256', 'ES256', 'EdDSA'] },
    features: { devInteractions: { enabled: false } },
    pkce: { required: () => true, methods: ['S256'] },
    interactions: { url: (ctx, { uid }) => `/interaction/${uid}` },
    findAccount,
    loadExistingGrant,
  });
}

async function body(req) {
  let text = '';
  for await (const part of req) text += part;
  return new URLSearchParams(text);
}

async function interaction(req, res) {
  const details = await provider.interactionDetails(req, res);
  if (req.method === 'POST') {
    const form = await body(req);
    const login = form.get('login');
    const result =
      form.get('action') === 'cancel'
        ? { error: 'access_denied', error_description: 'the person said no' }
        : { login: { accountId: login, remember: true } };
    if (!result.error && !accounts[login]) return page(res, 403, `no account ${login}`);
    return provider.interactionFinished(req, res, result, { mergeWithLastSubmission: false });
  }
  return page(
    res,
    200,
    `<form method="post" action="/interaction/${escape(details.uid)}">
<p>prompt: ${escape(details.prompt.name)}</p>
<input name="login" autofocus>
<button name="action" value="login">Sign in</button>
<button name="action" value="cancel">Cancel</button></form>`,
  );
}

function page(res, status, html) {
  res.writeHead(status, { 'Content-Type': 'text/html; charset=utf-8' });
  res.end(`<!doctype html><title>Stand-in provider</title>${html}`);
}

function handle(req, res) {
  if (!req.url.startsWith('/interaction/')) return provider.callback()(req, res);
  return interaction(req, res).catch((e) => page(res, 500, escape(e)));
}

await serve(
  { url: issuer, client_id: client.client_id, client_secret: client.client_secret },
  {
    client(changes) {
      client = { ...client, ...changes };
      build();
    },
    accounts(all) {
      accounts = all;
    },
    rotate() {
      keys = newKeys();
      build();
    },
  },
);
