"""Functional check of a peer, so that we know what is being compared."""

import base64
import json
import time
from urllib.parse import urlsplit

from .browser import FlowError
from .flows import fetch_json


def jwt_header(token):
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        return json.loads(base64.urlsafe_b64decode(parts[0] + "=="))
    except ValueError:
        return None


def verify_id_token(token, jwks):
    from joserfc import jwt
    from joserfc.jwk import KeySet

    keys = [k for k in jwks["keys"] if k.get("use") != "enc"]
    return jwt.decode(
        token,
        KeySet.import_key_set({"keys": keys}),
        algorithms=["RS256", "ES256", "PS256", "EdDSA", "Ed25519"],
    ).claims


async def check(client):
    p = client.p
    facts, problems = {}, []

    def expect(ok, text):
        if not ok:
            problems.append(text)

    conn = client.conn()
    resp = await conn.send(client.discovery_req())
    facts["discovery_bytes"] = len(resp.body)
    jwks = fetch_json(await conn.send(client.jwks_req()))
    facts["jwks"] = [(k.get("kty"), k.get("alg"), k.get("crv")) for k in jwks["keys"]]

    # complete login
    b = client.browser()
    b.trace = []
    t0 = time.perf_counter()
    tok = await client.code_flow(b, conn, p.users[0], sso=False)
    facts["W8_s"] = round(time.perf_counter() - t0, 3)
    facts["W8_browser_steps"] = [f"{m} {urlsplit(u).path} {s} {t * 1e3:.0f}ms" for m, u, s, t in b.trace]
    head = jwt_header(tok["id_token"])
    facts["id_token_alg"] = head["alg"]
    claims = verify_id_token(tok["id_token"], jwks)
    expect(claims.get("nonce") == tok["_nonce"], "nonce not echoed")
    expect(claims.get("sub") == tok["_info"].get("sub"), "sub differs between ID token and userinfo")
    expect(claims.get("iss", "").rstrip("/") == p.issuer.rstrip("/"), f"iss {claims.get('iss')}")
    ath = jwt_header(tok["access_token"])
    facts["access_token"] = f"JWT {ath['alg']}" if ath else "opaque"
    facts["userinfo_claims"] = sorted(tok["_info"])
    expect("refresh_token" in tok, "no refresh token")

    # SSO
    b.trace.clear()
    await client.code_flow(b, conn, p.users[0], sso=True)
    facts["W7_browser_steps"] = len(b.trace)

    # client credentials
    if "W3" not in p.skip:
        resp = await conn.send(client.client_credentials_req())
        if resp.status == 200:
            h = jwt_header(fetch_json(resp)["access_token"])
            facts["cc_token"] = f"JWT {h['alg']}" if h else "opaque"
        else:
            expect(False, f"client_credentials: {resp!r}")

    # introspection
    if "W5" not in p.skip:
        resp = await conn.send(client.introspect_req(tok["access_token"]))
        ok = resp.status == 200 and json.loads(resp.body).get("active") is True
        expect(ok, f"introspection: {resp!r}")
        if ok:
            facts["introspection_claims"] = sorted(json.loads(resp.body))

    # refresh
    if "W6" not in p.skip and "refresh_token" in tok:
        resp = await conn.send(client.refresh_req(tok["refresh_token"]))
        if resp.status == 200:
            new = fetch_json(resp)
            facts["refresh_rotates"] = new.get("refresh_token") not in (None, tok["refresh_token"])
            facts["refresh_gives_id_token"] = "id_token" in new
            again = await conn.send(client.refresh_req(tok["refresh_token"]))
            facts["old_refresh_rejected"] = again.status >= 400
        else:
            expect(False, f"refresh: {resp!r}")

    # negative: PKCE is enforced, code is single use, wrong password fails
    url, state, _, verifier = client.authorize_url(p.sso_params(b))
    page, cb = await b.follow(await b.get(url), p.redirect_uri)
    if cb is None:
        cb = await p.sso_page(b, page)
    code = client.callback(cb, state)
    resp = await client.redeem(conn, code, "A" * 43)
    expect(resp.status >= 400, "wrong code_verifier accepted")
    page, cb = await b.follow(await b.get(url), p.redirect_uri)
    if cb is None:
        cb = await p.sso_page(b, page)
    code = client.callback(cb, state)
    await client.redeem(conn, code, verifier)
    resp = await client.redeem(conn, code, verifier)
    expect(resp.status >= 400, "code accepted twice")
    nb = client.browser()
    try:
        await client.code_flow(nb, conn, (p.users[0][0], "wrong-password-1"), sso=False)
        expect(False, "wrong password accepted")
    except FlowError:
        pass
    for c in (conn, b.conn, nb.conn):
        c.close()
    facts["problems"] = problems
    return facts
