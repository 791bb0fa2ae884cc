// A SAML 2.0 identity provider (npm samlp) with a sign-in page that asks for
// a name only.
//
// options: key, cert (paths of PEM files); entity_id; acs (where responses
//          go; without it what the request asks for); users {NAME: {attribute:
//          value or list}}; saml: more options of samlp (signResponse,
//          signAssertion, signatureAlgorithm, digestAlgorithm, ...)
// commands: configure {acs, users, saml}: changes them
//           response {user, saml}: a response in base64 that nobody asked for
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { escape, listen, load, options, serve } from './child.mjs';

const samlp = await load('samlp');
const express = await load('express');

let { acs = null, users = {}, saml = {} } = options;

// Attributes as a test names them; the name ID is the person's name unless
// the attribute `nameid` says otherwise.
function mapper(user) {
  return {
    getClaims() {
      const { nameid, nameid_format, ...claims } = user.attributes;
      return claims;
    },
    getNameIdentifier: () => ({
      nameIdentifier: user.attributes.nameid ?? user.name,
      nameIdentifierFormat:
        user.attributes.nameid_format ?? 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
    }),
  };
}
mapper.prototype = { metadata: [] };

const person = (name) => users[name] && { name, attributes: users[name] };

const app = express();
const url = await listen(createServer(app));
const entityId = options.entity_id ?? `${url}/metadata`;
const settings = () => ({
  issuer: entityId,
  key: readFileSync(options.key, 'utf8'),
  cert: readFileSync(options.cert, 'utf8'),
  profileMapper: mapper,
  signatureAlgorithm: 'rsa-sha256',
  digestAlgorithm: 'sha256',
  lifetimeInSeconds: 300,
  ...saml,
});

// The service provider takes an assertion only at the place that it was
// issued for: SubjectConfirmationData names it.
app.get('/sso', (req, res, next) => {
  if (!req.query.login) {
    const kept = Object.entries(req.query)
      .map(([k, v]) => `<input type="hidden" name="${escape(k)}" value="${escape(v)}">`)
      .join('');
    res.send(`<!doctype html><title>Stand-in provider</title><form action="/sso">${kept}
<input name="login" autofocus><button>Sign in</button></form>`);
    return;
  }
  samlp.parseRequest(req, (err, request) => {
    if (err) return next(err);
    const to = acs ?? request?.assertionConsumerServiceURL;
    return samlp.auth({
      ...settings(),
      recipient: to,
      destination: to,
      getUserFromRequest: () => person(req.query.login),
      getPostURL: (audience, dom, r, done) => done(null, to),
    })(req, res, next);
  });
});

app.get('/metadata', (req, res, next) =>
  samlp.metadata({ ...settings(), redirectEndpointPath: '/sso', postEndpointPath: '/sso' })(req, res, next),
);

await serve(
  { url, entity_id: entityId, sso: `${url}/sso`, metadata: `${url}/metadata` },
  {
    configure(changes) {
      ({ acs = acs, users = users, saml = saml } = changes);
    },
    response: ({ user, saml: more }) =>
      new Promise((resolve, reject) => {
        const to = { recipient: acs, destination: acs };
        samlp.getSamlResponse({ ...settings(), ...to, ...more }, person(user), (err, xml) =>
          err ? reject(err) : resolve(Buffer.from(xml).toString('base64')),
        );
      }),
  },
);
