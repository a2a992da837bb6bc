// oidc-provider configured as a plain first-party OpenID provider:
// one confidential client, code+PKCE, client_credentials, rotated refresh tokens.
//   STORE=memory|sqlite|postgres  ALG=RS256|ES256  AT=opaque|jwt  PORT=9101
import { createServer } from 'node:http';
import { createHmac, generateKeyPairSync, randomBytes } from 'node:crypto';
import { hash, verify } from '@node-rs/argon2';
import { Provider } from 'oidc-provider';

const PORT = Number(process.env.PORT || 9101);
const ISSUER = `http://127.0.0.1:${PORT}`;
const ALG = process.env.ALG || 'RS256';
const AT = process.env.AT || 'opaque';
const ARGON = { memoryCost: 19456, timeCost: 2, parallelism: 1 };   // OWASP minimum for argon2id

const STORE = process.env.STORE || 'memory';
let adapter;
if (STORE !== 'memory') {
  const { open } = await import(`./${STORE}.mjs`);
  adapter = await open(process.env.DB);
}

const users = new Map();
for (const line of (process.env.USERS || 'alice:Correct-Horse-42').split(',')) {
  const [name, password] = line.split(':');
  users.set(name, {
    phc: await hash(password, ARGON),
    claims: {
      sub: name, name: 'Alice Example', given_name: 'Alice', family_name: 'Example',
      preferred_username: name, email: `${name}@example.org`, email_verified: true,
    },
  });
}

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });

const provider = new Provider(ISSUER, {
  adapter,
  clients: [{
    client_id: 'bench',
    client_secret: 'bench-secret-0123456789abcdef0123456789',
    redirect_uris: ['http://127.0.0.1:8999/cb'],
    response_types: ['code'],
    grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
    token_endpoint_auth_method: 'client_secret_basic',
    id_token_signed_response_alg: ALG,
    scope: 'openid profile email offline_access',
  }],
  jwks: { keys: [{ ...rsa, use: 'sig', alg: 'RS256', kid: 'rsa' }, { ...ec, use: 'sig', alg: 'ES256', kid: 'ec' }] },
  cookies: { keys: [randomBytes(32).toString('hex')] },
  scopes: ['openid', 'offline_access'],
  claims: {
    openid: ['sub'],
    profile: ['name', 'given_name', 'family_name', 'preferred_username'],
    email: ['email', 'email_verified'],
  },
  pkce: { required: () => true },
  rotateRefreshToken: true,
  issueRefreshToken: async (ctx, client) => client.grantTypeAllowed('refresh_token'),
  ttl: {
    AccessToken: 3600, AuthorizationCode: 60, ClientCredentials: 3600, IdToken: 3600,
    RefreshToken: 14 * 86400, Grant: 14 * 86400, Interaction: 600, Session: 86400,
  },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    revocation: { enabled: true },
    ...(AT === 'jwt' ? {
      resourceIndicators: {
        enabled: true,
        defaultResource: () => 'https://api.example.org',
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({
          scope: 'openid profile email', accessTokenFormat: 'jwt', accessTokenTTL: 3600,
          jwt: { sign: { alg: ALG } },
        }),
      },
    } : {}),
  },
  interactions: { url: (ctx, it) => `/login/${it.uid}` },
  findAccount: (ctx, id) => {
    const user = users.get(id);
    return user && { accountId: id, claims: () => user.claims };
  },
  // first-party client: no consent page
  loadExistingGrant: async (ctx) => {
    const { client, session } = ctx.oidc;
    const id = session.grantIdFor(client.clientId);
    const found = id && await ctx.oidc.provider.Grant.find(id);
    if (found) return found;
    const grant = new ctx.oidc.provider.Grant({ clientId: client.clientId, accountId: session.accountId });
    grant.addOIDCScope('openid profile email offline_access');
    await grant.save();
    return grant;
  },
  renderError: (ctx, out, error) => {
    if (process.env.DEBUG_OP) console.error(error);
    ctx.type = 'json';
    ctx.body = out;
  },
});
if (process.env.DEBUG_OP) provider.on('server_error', (ctx, e) => console.error(e));

const esc = (s) => String(s).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
const page = (uid, csrf, msg) => `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Sign in</title></head>
<body><h1>Sign in</h1><p>${esc(msg || '')}</p><form method="post" action="/login/${esc(uid)}">
<input type="hidden" name="csrf" value="${esc(csrf)}">
<label>User <input name="username" type="text" autocomplete="username"></label>
<label>Password <input name="password" type="password" autocomplete="current-password"></label>
<button type="submit">Sign in</button></form></body></html>`;

const csrfKey = randomBytes(32);
const callback = provider.callback();
const read = async (req) => { let s = ''; for await (const c of req) s += c; return new URLSearchParams(s); };

createServer(async (req, res) => {
  if (!req.url.startsWith('/login/')) return callback(req, res);
  try {
    const details = await provider.interactionDetails(req, res);      // checks the signed interaction cookie
    const csrf = createHmac('sha256', csrfKey).update(details.uid).digest('base64url');
    let msg = '';
    if (req.method === 'POST') {
      const form = await read(req);
      const user = users.get(form.get('username'));
      if (form.get('csrf') === csrf && user && await verify(user.phc, form.get('password') || '')) {
        return await provider.interactionFinished(req, res, { login: { accountId: form.get('username') } });
      }
      msg = 'Wrong user name or password.';
    }
    res.writeHead(msg ? 403 : 200, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' });
    return res.end(page(details.uid, csrf, msg));
  } catch (e) {
    if (process.env.DEBUG_OP) console.error(e);
    res.writeHead(400);
    return res.end('bad request');
  }
}).listen(PORT, '127.0.0.1', () => console.log('ready', ISSUER));
