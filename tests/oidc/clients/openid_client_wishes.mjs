// How does an app set openid-client up, and what does it ask?
import * as client from "openid-client";
import { privateKey, task } from "./wire.mjs";

/** What the library knows of us after discovery. Signatures are checked with our JWKS, also where TLS would do. */
export async function configuration(changes = {}) {
  const { client_id, client_secret, metadata, jwk, method } = { ...task, ...changes };
  const proof = {
    client_secret_basic: () => client.ClientSecretBasic(client_secret),
    client_secret_post: () => client.ClientSecretPost(client_secret),
    private_key_jwt: async () => client.PrivateKeyJwt(await privateKey(jwk)),
    none: () => client.None(),
  };
  const config = await client.discovery(new URL(task.issuer), client_id, metadata, await proof[method](), {
    execute: [client.allowInsecureRequests],
  });
  client.enableNonRepudiationChecks(config);
  return config;
}

/** A good authorization request, and what must hold for its answer. */
export async function wish(more = {}) {
  const verifier = client.randomPKCECodeVerifier();
  const parameters = {
    redirect_uri: task.redirect_uri,
    scope: task.scope,
    state: client.randomState(),
    nonce: client.randomNonce(),
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    ...more,
  };
  const checks = { pkceCodeVerifier: verifier, expectedState: parameters.state };
  checks.expectedNonce = parameters.nonce;
  checks.idTokenExpected = true;
  if (parameters.max_age) checks.maxAge = Number(parameters.max_age);
  return { parameters, checks };
}

/** What came at our address, as the library takes it. */
export function asRequest({ url, form }) {
  return form ? new Request(url, { method: "POST", body: new URLSearchParams(form) }) : new URL(url);
}
