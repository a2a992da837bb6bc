// A whole visit with the library oauth4webapi, which checks every answer on its own: status, headers, body, signature.
import * as oauth from "oauth4webapi";
import { headerOf, privateKey, refusal, report, task, visit } from "./wire.mjs";

const plainly = { [oauth.allowInsecureRequests]: true };
const issuer = new URL(task.issuer);
const client = { client_id: task.client_id, ...task.metadata };
const proof = {
  client_secret_basic: () => oauth.ClientSecretBasic(task.client_secret),
  client_secret_post: () => oauth.ClientSecretPost(task.client_secret),
  private_key_jwt: async () => oauth.PrivateKeyJwt(await privateKey(task.jwk)),
  none: () => oauth.None(),
};
const auth = await proof[task.method]();

const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, plainly));
const plain = { ...plainly, algorithm: "oauth2" };
const again = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, plain));

/** The whole way to tokens, by an authorization request that is sent in the way the task says. */
async function arrive() {
  const verifier = oauth.generateRandomCodeVerifier();
  const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()];
  const words = new URLSearchParams({
    client_id: client.client_id,
    redirect_uri: task.redirect_uri,
    response_type: "code",
    scope: task.scope,
    state,
    nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    ...task.parameters,
  });
  let asked = words;
  if (task.way?.includes("signed")) {
    const request = await oauth.issueRequestObject(as, client, words, await privateKey(task.jwk));
    asked = new URLSearchParams({ client_id: client.client_id, request });
  }
  if (task.way?.includes("pushed")) {
    const answer = await oauth.pushedAuthorizationRequest(as, client, auth, asked, plainly);
    const { request_uri } = await oauth.processPushedAuthorizationResponse(as, client, answer);
    asked = new URLSearchParams({ client_id: client.client_id, request_uri });
  }
  const arrived = await visit(`${as.authorization_endpoint}?${asked}`);
  const came = arrived.form ? new URLSearchParams(arrived.form) : new URL(arrived.url);
  const callback = oauth.validateAuthResponse(as, client, came, state);
  return { arrived, callback, verifier, nonce };
}

const { arrived, callback, verifier, nonce } = await arrive();
const redeem = async () => {
  const address = task.redirect_uri;
  const answer = await oauth.authorizationCodeGrantRequest(as, client, auth, callback, address, verifier, plainly);
  const checks = { expectedNonce: nonce, requireIdToken: true };
  const tokens = await oauth.processAuthorizationCodeResponse(as, client, answer, checks);
  await oauth.validateApplicationLevelSignature(as, answer, plainly);
  return tokens;
};
const tokens = await redeem();
const claims = oauth.getValidatedIdTokenClaims(tokens);
const look = async (token) => {
  const answer = await oauth.userInfoRequest(as, client, token, plainly);
  const type = answer.headers.get("content-type");
  const found = await oauth.processUserInfoResponse(as, client, claims.sub, answer);
  if (type.startsWith("application/jwt")) await oauth.validateApplicationLevelSignature(as, answer, plainly);
  return { found, type };
};
const userinfo = await look(tokens.access_token);
const told = { arrived, claims, header: headerOf(tokens.id_token), userinfo: userinfo.found, type: userinfo.type };
told.same = JSON.stringify(as) === JSON.stringify(again);

if (tokens.refresh_token) {
  const refresh = async (token) =>
    oauth.processRefreshTokenResponse(
      as,
      client,
      await oauth.refreshTokenGrantRequest(as, client, auth, token, plainly),
    );
  const next = await refresh(tokens.refresh_token);
  told.refreshed = { rotated: next.refresh_token !== tokens.refresh_token };
  const introspect = async (token) =>
    oauth.processIntrospectionResponse(as, client, await oauth.introspectionRequest(as, client, auth, token, plainly));
  const revoke = async (token) =>
    oauth.processRevocationResponse(await oauth.revocationRequest(as, client, auth, token, plainly));
  if (task.introspects) told.active = await introspect(next.access_token);
  await revoke(next.access_token);
  if (task.introspects) told.inactive = await introspect(next.access_token);
  told.revoked = await refusal(() => look(next.access_token));
  await revoke(next.refresh_token);
  told.refreshRevoked = await refusal(() => refresh(next.refresh_token));
  await revoke("a token that we never gave");
}
told.replay = await refusal(redeem);

const leave = new URL(as.end_session_endpoint);
leave.search = new URLSearchParams({
  client_id: client.client_id,
  post_logout_redirect_uri: task.bye,
  state: "bye",
});
told.left = await visit(leave);
report(told);
