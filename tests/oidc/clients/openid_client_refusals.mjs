// Everything that can go wrong between an app and us, as an app with openid-client sees it.
import * as client from "openid-client";
import { asRequest, configuration, wish } from "./openid_client_wishes.mjs";
import { refusal, report, task, visit } from "./wire.mjs";

const config = await configuration();

/** Send the person with this wish, and say how the library takes what came of it. */
async function taken(more, { who, otherwise = {}, changed = (arrived) => arrived, by = config } = {}) {
  const { parameters, checks } = await wish(more);
  const arrived = changed(await visit(client.buildAuthorizationUrl(config, parameters), who));
  return refusal(() => client.authorizationCodeGrant(by, asRequest(arrived), { ...checks, ...otherwise }));
}

function withQuery(name, value) {
  return (arrived) => {
    const url = new URL(arrived.url);
    if (value === null) url.searchParams.delete(name);
    else url.searchParams.set(name, value);
    return { ...arrived, url: String(url) };
  };
}

const told = {};
told.login_required = await taken({ prompt: "none" }, { who: "nobody" });
told.access_denied = await taken({}, { who: "stranger" });
told.scope = await taken({ scope: "openid ov_inschrijving" });
told.plain = await taken({ code_challenge_method: "plain" });
told.good = await taken({});
told.state = await taken({}, { otherwise: { expectedState: "another" } });
told.nonce = await taken({}, { otherwise: { expectedNonce: "another" } });
told.verifier = await taken({}, { otherwise: { pkceCodeVerifier: client.randomPKCECodeVerifier() } });
told.issuer = await taken({}, { changed: withQuery("iss", "https://evil.example") });
told.no_issuer = await taken({}, { changed: withQuery("iss", null) });
told.secret = await taken({}, { by: await configuration({ client_secret: "wrong" }) });

// And now step by step: the same code twice.
const { parameters, checks } = await wish();
const arrived = await visit(client.buildAuthorizationUrl(config, parameters));
const tokens = await client.authorizationCodeGrant(config, asRequest(arrived), checks);
const sub = tokens.claims().sub;
await client.fetchUserInfo(config, tokens.access_token, sub);
told.other_subject = await refusal(() => client.fetchUserInfo(config, tokens.access_token, "somebody"));
told.replay = await refusal(() => client.authorizationCodeGrant(config, asRequest(arrived), checks));
told.after_replay = await refusal(() => client.fetchUserInfo(config, tokens.access_token, sub));
told.foreign_address = await visit(
  client.buildAuthorizationUrl(config, { ...parameters, redirect_uri: `${task.redirect_uri}/` }),
);
told.never_pushed = await visit(
  client.buildAuthorizationUrl(config, { ...parameters, request_uri: "urn:ietf:params:oauth:request_uri:no" }),
);
report(told);
