// A whole visit, from discovery to signing out, with the library openid-client.
import * as client from "openid-client";
import { asRequest, configuration, wish } from "./openid_client_wishes.mjs";
import { headerOf, privateKey, refusal, report, task, visit } from "./wire.mjs";

const config = await configuration();
const { parameters, checks } = await wish(task.parameters);

let url;
switch (task.way) {
  case "pushed":
    url = await client.buildAuthorizationUrlWithPAR(config, parameters);
    break;
  case "signed":
    url = await client.buildAuthorizationUrlWithJAR(config, parameters, await privateKey(task.jwk));
    break;
  case "signed and pushed":
    url = await client.buildAuthorizationUrlWithJAR(config, parameters, await privateKey(task.jwk));
    url = await client.buildAuthorizationUrlWithPAR(config, url.searchParams);
    break;
  default:
    url = client.buildAuthorizationUrl(config, parameters);
}
const arrived = await visit(url);
const tokens = await client.authorizationCodeGrant(config, asRequest(arrived), checks);
const claims = tokens.claims();
const userinfo = await client.fetchUserInfo(config, tokens.access_token, claims.sub);

const told = { asked: url.search, arrived, claims, header: headerOf(tokens.id_token), userinfo };
told.token = { type: tokens.token_type, expires_in: tokens.expires_in, scope: tokens.scope };

if (tokens.refresh_token) {
  const next = await client.refreshTokenGrant(config, tokens.refresh_token);
  const same = await client.refreshTokenGrant(config, tokens.refresh_token);
  told.refreshed = {
    rotated: next.refresh_token !== tokens.refresh_token,
    repeated: same.refresh_token === next.refresh_token,
    sub: next.claims().sub,
    auth_time: next.claims().auth_time,
  };
  if (task.introspects) told.active = await client.tokenIntrospection(config, next.access_token);
  await client.tokenRevocation(config, next.refresh_token);
  if (task.introspects) told.inactive = await client.tokenIntrospection(config, next.access_token);
  told.afterRevocation = {
    refresh: await refusal(() => client.refreshTokenGrant(config, next.refresh_token)),
    userinfo: await refusal(() => client.fetchUserInfo(config, next.access_token, claims.sub)),
  };
}

const bye = { post_logout_redirect_uri: task.bye, state: "bye" };
const leave = client.buildEndSessionUrl(config, { ...bye, id_token_hint: tokens.id_token });
told.left = await visit(leave);
const silent = client.buildAuthorizationUrl(config, { ...parameters, prompt: "none" });
const silently = await visit(silent);
told.afterLeaving = await refusal(() => client.authorizationCodeGrant(config, asRequest(silently), checks));
report(told);
