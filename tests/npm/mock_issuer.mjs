// An issuer of any ID token that a test wants (npm oauth2-mock-server).
//
// options: algs [ES256, ...]: a key of each
// commands: mint {claims, header, kid, expires_in}: a token; a claim that is
//                null is left out
//           generate {alg, kid}: one more key; its public part
import { load, options, serve } from './child.mjs';

const { OAuth2Server } = await load('oauth2-mock-server');
const server = new OAuth2Server();
for (const alg of options.algs ?? ['RS256']) await server.issuer.keys.generate(alg);
await server.start(undefined, '127.0.0.1');

function merge(into, changes) {
  for (const [k, v] of Object.entries(changes ?? {})) {
    if (v === null) delete into[k];
    else into[k] = v;
  }
}

await serve(
  { url: server.issuer.url, keys: server.issuer.keys.toJSON() },
  {
    mint: ({ claims, header, kid, expires_in }) =>
      server.issuer.buildToken({
        kid: kid ?? undefined,
        expiresIn: expires_in,
        scopesOrTransform(h, payload) {
          merge(h, header);
          merge(payload, claims);
        },
      }),
    async generate({ alg, kid }) {
      const { kid: made } = await server.issuer.keys.generate(alg, { kid });
      return server.issuer.keys.toJSON().find((k) => k.kid === made);
    },
  },
);
