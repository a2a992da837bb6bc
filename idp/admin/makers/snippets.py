"""What does a developer paste to sign pupils in? One working example for each client that many apps use, filled in.

A secret is never in one: it is read from the environment, under the name CLIENT_SECRET. The tests run the first as it stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from idp.apps import App

AUTHLIB = """\
# pip install Authlib Flask requests
# Run it:  CLIENT_SECRET=... SESSION_KEY=... python app.py   and open @START@
import os
from urllib.parse import urlsplit

from authlib.integrations.flask_client import OAuth
from flask import Flask, abort, request

ISSUER = "@ISSUER@"
REDIRECT_URI = "@REDIRECT_URI@"

app = Flask(__name__)
app.secret_key = os.environ["SESSION_KEY"]
school = OAuth(app).register(
    "school",
    client_id="@CLIENT_ID@",
    client_secret=os.environ["CLIENT_SECRET"],
    server_metadata_url=ISSUER + "/.well-known/openid-configuration",
    client_kwargs={"scope": "@SCOPE@", "code_challenge_method": "S256"},
)


@app.get("/sign-in")
def sign_in():
    return school.authorize_redirect(REDIRECT_URI)  # with state, nonce and PKCE


@app.get(urlsplit(REDIRECT_URI).path or "/")
def signed_in():
    if request.args.get("iss") != ISSUER:
        abort(400, "this answer is not from our issuer")
    if "error" in request.args:
        return {"error": request.args["error"]}, 403
    token = school.authorize_access_token()  # checks state, nonce, signature, aud and exp
    pupil = school.userinfo(token=token)
    if pupil["sub"] != token["userinfo"]["sub"]:
        abort(400, "userinfo is about somebody else")
    return dict(pupil)  # keep pupil["sub"]: it never changes; all else may be missing


if __name__ == "__main__":
    app.run(port=urlsplit(REDIRECT_URI).port or 5000)
"""

OPENID_CLIENT = """\
// npm install openid-client        (version 6; save this as app.mjs)
// Run it:  CLIENT_SECRET=... node app.mjs   and open @START@
import http from "node:http";
import * as client from "openid-client";

const redirectUri = new URL("@REDIRECT_URI@");
const issuer = new URL("@ISSUER@");
const options = issuer.protocol === "http:" ? { execute: [client.allowInsecureRequests] } : {};
const config = await client.discovery(issuer, "@CLIENT_ID@", undefined,
  client.ClientSecret@HOW@(process.env.CLIENT_SECRET), options);
const underway = new Map(); // in an app of your own: the session of the browser

http.createServer(async (request, response) => {
  const url = new URL(request.url, redirectUri.origin);
  if (url.pathname === "/sign-in") {
    const state = client.randomState(), nonce = client.randomNonce();
    const verifier = client.randomPKCECodeVerifier();
    underway.set(state, { nonce, verifier });
    const to = client.buildAuthorizationUrl(config, {
      redirect_uri: redirectUri.href, scope: "@SCOPE@", state, nonce,
      code_challenge: await client.calculatePKCECodeChallenge(verifier), code_challenge_method: "S256",
    });
    response.writeHead(303, { Location: to.href, "Set-Cookie": `state=${state}; HttpOnly; SameSite=Lax; Path=/` }).end();
  } else if (url.pathname === redirectUri.pathname) {
    try {
      const state = /(?:^|; )state=([^;]+)/.exec(request.headers.cookie ?? "")?.[1];
      const { nonce, verifier } = underway.get(state) ?? {};
      underway.delete(state);
      const tokens = await client.authorizationCodeGrant(config, url,
        { expectedState: state, expectedNonce: nonce, pkceCodeVerifier: verifier, idTokenExpected: true });
      const pupil = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub);
      response.setHeader("Content-Type", "application/json");
      response.end(JSON.stringify(pupil)); // keep pupil.sub: it never changes; all else may be missing
    } catch (problem) {
      response.writeHead(403).end(String(problem.error ?? problem.code));
    }
  } else response.writeHead(404).end();
}).listen(Number(redirectUri.port || 5000));
"""

MOD_AUTH_OPENIDC = """\
# a2enmod auth_openidc     (libapache2-mod-auth-openidc 2.4)
# In /etc/apache2/envvars:  export CLIENT_SECRET=...   export OIDC_CRYPTO=...   (two secrets of your own)
OIDCProviderMetadataURL @ISSUER@/.well-known/openid-configuration
OIDCClientID            @CLIENT_ID@
OIDCClientSecret        "exec:/bin/sh -c 'printf %s \\"$CLIENT_SECRET\\"'"
OIDCCryptoPassphrase    "exec:/bin/sh -c 'printf %s \\"$OIDC_CRYPTO\\"'"
OIDCProviderTokenEndpointAuth @METHOD@
OIDCRedirectURI         @REDIRECT_URI@
OIDCScope               "@SCOPE@"
OIDCPKCEMethod          S256
OIDCResponseType        code
OIDCRemoteUserClaim     sub
# Every claim arrives as a header: OIDC_CLAIM_given_name, OIDC_CLAIM_ov_orgcode ...
<Location "@LOCATION@">
  AuthType openid-connect
  Require valid-user
</Location>
"""

SPRING = """\
# src/main/resources/application.yml, with spring-boot-starter-oauth2-client (Spring Boot 3)
# Spring sends state and nonce by itself, PKCE when SecurityConfig asks for it (below).
server:
  port: @PORT@
spring:
  security:
    oauth2:
      client:
        registration:
          school:
            client-id: "@CLIENT_ID@"
            client-secret: "${CLIENT_SECRET}"
            client-authentication-method: @METHOD@
            authorization-grant-type: authorization_code
            redirect-uri: "@REDIRECT_URI@"
            scope: [@SCOPE_LIST@]
        provider:
          school:
            issuer-uri: "@ISSUER@"
            user-name-attribute: sub
---
// src/main/java/.../SecurityConfig.java
import org.springframework.context.annotation.*;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.oauth2.client.registration.ClientRegistrationRepository;
import org.springframework.security.oauth2.client.web.*;
import org.springframework.security.web.SecurityFilterChain;

@Configuration
class SecurityConfig {
  @Bean
  SecurityFilterChain filter(HttpSecurity http, ClientRegistrationRepository clients) throws Exception {
    var asks = new DefaultOAuth2AuthorizationRequestResolver(clients, "/oauth2/authorization");
    asks.setAuthorizationRequestCustomizer(OAuth2AuthorizationRequestCustomizers.withPkce());
    http.authorizeHttpRequests(all -> all.anyRequest().authenticated())
        .oauth2Login(login -> login
            .authorizationEndpoint(to -> to.authorizationRequestResolver(asks))
            .redirectionEndpoint(back -> back.baseUri("@PATH@")));
    return http.build();
  }
}
"""

LARAVEL = """\
<?php
// composer require jumbojett/openid-connect-php        (routes/web.php of Laravel 11)
// In .env:  CLIENT_SECRET=...   in config/services.php:  'school' => ['secret' => env('CLIENT_SECRET')],
use Illuminate\\Support\\Facades\\Route;
use Jumbojett\\OpenIDConnectClient;

$school = function () {
    $client = new OpenIDConnectClient('@ISSUER@', '@CLIENT_ID@', config('services.school.secret'));
    $client->setRedirectURL('@REDIRECT_URI@');
    $client->addScope([@SCOPE_QUOTED@]);
    $client->setCodeChallengeMethod('S256');
    $client->setTokenEndpointAuthMethodsSupported(['@METHOD@']);
    $client->authenticate(); // goes to the issuer first; back here it checks state, nonce and the ID token
    $pupil = $client->requestUserInfo();
    session()->regenerate();
    session(['pupil' => $pupil->sub]); // it never changes; all else may be missing

    return response()->json($pupil);
};
Route::get('/sign-in', $school);
Route::get('@PATH@', $school);
"""

MOODLE = """\
# Moodle 4: Site administration > Server > OAuth 2 services > Create new custom service
Name                          School
Client ID                     @CLIENT_ID@
Client secret                 paste CLIENT_SECRET here (the secret that you were given)
Authenticate token requests via HTTP headers   @MOODLE_HEADERS@
Scopes included in a login request                     @SCOPE@
Scopes included in a login request for offline access  @SCOPE@
Service base URL              @ISSUER@
Show on login page            Login page only
Require email verification    no   (there is no e-mail address of pupils)

# After saving, open "Configure user field mappings" and set
sub          -> Username
given_name   -> First name
family_name  -> Surname

# Moodle's own address must be registered as redirect URI, exactly:
#   https://YOUR-MOODLE/admin/oauth2callback.php     (registered now: @REDIRECT_URI@)
# Moodle sends no PKCE before 4.5: ask for pkce_exempt_until, with a date, when you use an older one.
"""

TEXTS: Mapping[str, tuple[str, str]] = {
    "authlib": ("Authlib (Python)", AUTHLIB),
    "openid-client": ("openid-client (JavaScript)", OPENID_CLIENT),
    "mod_auth_openidc": ("mod_auth_openidc (Apache)", MOD_AUTH_OPENIDC),
    "spring": ("Spring Boot (Java)", SPRING),
    "laravel": ("Laravel (PHP)", LARAVEL),
    "moodle": ("Moodle", MOODLE),
}


@dataclass(frozen=True, kw_only=True)
class Snippet:
    slug: str
    title: str
    text: str


def of(app: App, issuer: str) -> tuple[Snippet, ...]:
    """Every example, filled in for this app. None for one that proves itself without a secret."""
    if app.token_endpoint_auth_method not in {"client_secret_basic", "client_secret_post"}:
        return ()
    return tuple(
        Snippet(slug=slug, title=title, text=_filled(text, app, issuer))
        for slug, (title, text) in TEXTS.items()
    )


def _filled(text: str, app: App, issuer: str) -> str:
    address = next(iter(app.redirect_uris), "https://app.example/callback")
    where = urlsplit(address)
    scopes = sorted(app.scopes, key=lambda scope: (scope != "openid", scope))
    posts = app.token_endpoint_auth_method == "client_secret_post"
    words = {
        "ISSUER": issuer,
        "CLIENT_ID": app.client_id,
        "REDIRECT_URI": address,
        "START": f"{where.scheme}://{where.netloc}/sign-in",
        "PATH": where.path or "/",
        "LOCATION": where.path.rpartition("/")[0] or "/",
        "PORT": str(where.port or 8080),
        "SCOPE": " ".join(scopes),
        "SCOPE_LIST": ", ".join(scopes),
        "SCOPE_QUOTED": ", ".join(f"'{scope}'" for scope in scopes),
        "METHOD": app.token_endpoint_auth_method,
        "HOW": "Post" if posts else "Basic",
        "MOODLE_HEADERS": "no" if posts else "yes",
    }
    for name, value in words.items():
        text = text.replace(f"@{name}@", value)
    return text
