"""What does a developer paste to sign pupils in? One working example for each client that many apps use, filled in.

A secret is never in one: it is read from the environment, under the name CLIENT_SECRET. The tests paste each as it stands
on the page into the product it is for; for Moodle, which cannot be had for a test, they send what it would send.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from idp.admin.makers import lists_snippet
from idp.apps import LISTS_SCOPE, App

AUTHLIB = """\
# pip install "Authlib>=1.9" Flask requests
# Run it:  CLIENT_SECRET=... SESSION_KEY=... python app.py   and open @START@
import os
from urllib.parse import urlsplit

from authlib.integrations.flask_client import OAuth, OAuthError
from flask import Flask, abort, request, session

ISSUER = "@ISSUER@"
REDIRECT_URI = "@REDIRECT_URI@"

app = Flask(__name__)
app.secret_key = os.environ["SESSION_KEY"]
school = OAuth(app).register(
    "school",
    client_id="@CLIENT_ID@",
    client_secret=os.environ["CLIENT_SECRET"],
    server_metadata_url=ISSUER + "/.well-known/openid-configuration",
    token_endpoint_auth_method="@METHOD@",
    client_kwargs={"scope": "@SCOPE@", "code_challenge_method": "S256"},
)


@app.get("/sign-in")
def sign_in():
    return school.authorize_redirect(REDIRECT_URI)  # with state, nonce and PKCE


@app.get(urlsplit(REDIRECT_URI).path or "/")
def signed_in():
    if request.args.get("iss") != ISSUER:
        abort(400, "this answer is not from our issuer")
    try:
        token = school.authorize_access_token()  # checks state, nonce, signature, aud and exp
    except OAuthError as refused:
        return {"error": refused.error}, 403
    pupil = school.userinfo(token=token)
    if pupil["sub"] != token["userinfo"]["sub"]:
        abort(400, "userinfo is about somebody else")
    session["id_token"] = token["id_token"]
    return dict(pupil)  # keep pupil["sub"]: it never changes; all else may be missing


@app.post("/sign-out")
def sign_out():
    hint = session.pop("id_token", None)
    return school.logout_redirect("@BYE@", hint)  # one of post_logout_redirect_uris


if __name__ == "__main__":
    app.run(port=urlsplit(REDIRECT_URI).port or 5000)
"""

OPENID_CLIENT = """\
// npm install openid-client        (version 6)
// Run it:  CLIENT_SECRET=... node app.mjs   and open @START@
import http from "node:http";
import * as client from "openid-client";

const redirectUri = new URL("@REDIRECT_URI@");
const issuer = new URL("@ISSUER@");
const options = issuer.protocol === "http:" ? { execute: [client.allowInsecureRequests] } : {};
const config = await client.discovery(issuer, "@CLIENT_ID@", undefined,
  client.ClientSecret@HOW@(process.env.CLIENT_SECRET), options);
const underway = new Map(), signedIn = new Map(); // in an app of your own: the session of the browser
const cookie = (name, value) => `${name}=${value}; HttpOnly; SameSite=Lax; Path=/`;
const cookieOf = (request, name) => new RegExp(`(?:^|; )${name}=([^;]+)`).exec(request.headers.cookie ?? "")?.[1];

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
    response.writeHead(303, { Location: to.href, "Set-Cookie": cookie("state", state) }).end();
  } else if (url.pathname === redirectUri.pathname) {
    try {
      const state = cookieOf(request, "state");
      const { nonce, verifier } = underway.get(state) ?? {};
      underway.delete(state);
      const tokens = await client.authorizationCodeGrant(config, url,
        { expectedState: state, expectedNonce: nonce, pkceCodeVerifier: verifier, idTokenExpected: true });
      const pupil = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub);
      const session = client.randomState();
      signedIn.set(session, tokens.id_token);
      response.writeHead(200, { "Content-Type": "application/json", "Set-Cookie": cookie("session", session) });
      response.end(JSON.stringify(pupil)); // keep pupil.sub: it never changes; all else may be missing
    } catch (problem) {
      response.writeHead(403).end(String(problem.error ?? problem.code));
    }
  } else if (url.pathname === "/sign-out" && request.method === "POST") {
    const session = cookieOf(request, "session"), hint = signedIn.get(session);
    signedIn.delete(session);
    const to = client.buildEndSessionUrl(config,
      { post_logout_redirect_uri: "@BYE@", ...(hint && { id_token_hint: hint }) }); // one of post_logout_redirect_uris
    response.writeHead(303, { Location: to.href }).end();
  } else response.writeHead(404).end();
}).listen(Number(redirectUri.port || 5000));
"""

MOD_AUTH_OPENIDC = """\
# a2enmod auth_openidc     (libapache2-mod-auth-openidc 2.4)
# In /etc/apache2/envvars:  export CLIENT_SECRET=...   export OIDC_CRYPTO=...   (the second: 32 signs by chance, your own)
OIDCProviderMetadataURL       @ISSUER@/.well-known/openid-configuration
OIDCClientID                  @CLIENT_ID@
OIDCClientSecret              "${CLIENT_SECRET}"
OIDCCryptoPassphrase          "${OIDC_CRYPTO}"
OIDCProviderTokenEndpointAuth @METHOD@
OIDCRedirectURI               @REDIRECT_URI@
OIDCScope                     "@SCOPE@"
OIDCResponseType              code
OIDCPKCEMethod                S256
OIDCRemoteUserClaim           sub
OIDCUserInfoRefreshInterval   300
OIDCSessionMaxDuration        3300
OIDCStateMaxNumberOfCookies   7 true

# No file stands at the redirect URI: the module answers there. Signing out is there as well, to an address of
# post_logout_redirect_uris:  @PATH@?logout=@BYE_QUOTED@
<Location "/">
  AuthType openid-connect
  Require valid-user
</Location>
@APACHE_OPEN@# Your program gets REMOTE_USER (the sub: it never changes), OIDC_CLAIM_given_name, OIDC_CLAIM_ov_orgcode and so on.
"""

SPRING_YAML = """\
# with spring-boot-starter-web and spring-boot-starter-oauth2-client (Spring Boot 3)
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
"""

SPRING_JAVA = """\
package com.example.demo; // the package of your @SpringBootApplication

import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.security.config.Customizer;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.oauth2.client.oidc.web.logout.OidcClientInitiatedLogoutSuccessHandler;
import org.springframework.security.oauth2.client.registration.ClientRegistrationRepository;
import org.springframework.security.oauth2.client.web.DefaultOAuth2AuthorizationRequestResolver;
import org.springframework.security.oauth2.client.web.OAuth2AuthorizationRequestCustomizers;
import org.springframework.security.web.SecurityFilterChain;

@Configuration
class SecurityConfig {
  @Bean
  SecurityFilterChain filter(HttpSecurity http, ClientRegistrationRepository clients) throws Exception {
    // Spring sends state and nonce by itself, and PKCE when it is asked to
    var asks = new DefaultOAuth2AuthorizationRequestResolver(clients, "/oauth2/authorization");
    asks.setAuthorizationRequestCustomizer(OAuth2AuthorizationRequestCustomizers.withPkce());
    var leaves = new OidcClientInitiatedLogoutSuccessHandler(clients);
    leaves.setPostLogoutRedirectUri("@BYE@"); // one of post_logout_redirect_uris
    return http
        .authorizeHttpRequests(all -> all@SPRING_OPEN@.anyRequest().authenticated())
        .oauth2Login(login -> login
            .authorizationEndpoint(to -> to.authorizationRequestResolver(asks))
            .redirectionEndpoint(back -> back.baseUri("@PATH@")))
        // register backchannel_logout_uri as  @ORIGIN@/logout/connect/back-channel/school
        .oidcLogout(logout -> logout.backChannel(Customizer.withDefaults()))
        .logout(logout -> logout.logoutSuccessHandler(leaves))
        .build(); // OidcUser.getName() is the sub: it never changes; any other claim may be missing
  }
}
"""

LARAVEL_SETTINGS = """\
// one more entry; in .env:  CLIENT_SECRET=...
'school' => [
    'issuer' => '@ISSUER@',
    'id' => '@CLIENT_ID@',
    'secret' => env('CLIENT_SECRET'),
    'back' => '@REDIRECT_URI@',
    'bye' => '@BYE@', // one of post_logout_redirect_uris
],
"""

LARAVEL = """\
<?php
// Laravel 8 or newer: nothing to install
use Illuminate\\Http\\Request;
use Illuminate\\Support\\Facades\\Http;
use Illuminate\\Support\\Facades\\Route;
use Illuminate\\Support\\Str;

Route::get('/sign-in', function (Request $request) {
    $school = config('services.school');
    $asked = ['state' => Str::random(40), 'nonce' => Str::random(40), 'verifier' => Str::random(64)];
    $request->session()->put('school', $asked);
    $challenge = rtrim(strtr(base64_encode(hash('sha256', $asked['verifier'], true)), '+/', '-_'), '=');

    return redirect()->away($school['issuer'].'/authorize?'.http_build_query([
        'response_type' => 'code', 'client_id' => $school['id'], 'redirect_uri' => $school['back'],
        'scope' => '@SCOPE@', 'state' => $asked['state'], 'nonce' => $asked['nonce'],
        'code_challenge' => $challenge, 'code_challenge_method' => 'S256',
    ]));
});

Route::get('@PATH@', function (Request $request) {
    $school = config('services.school');
    $asked = $request->session()->pull('school');
    abort_unless($asked && hash_equals($asked['state'], (string) $request->query('state')), 400);
    abort_unless($request->query('iss') === $school['issuer'], 400);
    abort_if($request->query('error'), 403, (string) $request->query('error'));
    $tokens = Http::asForm()@LARAVEL_BASIC@->post($school['issuer'].'/token', [
        'grant_type' => 'authorization_code', 'code' => $request->query('code'),
        'redirect_uri' => $school['back'], 'code_verifier' => $asked['verifier'],@LARAVEL_POST@
    ]);
    abort_unless($tokens->successful(), 403, (string) $tokens->json('error'));
    // The ID token came from the issuer itself over https: that stands for its signature (OpenID Connect Core 3.1.3.7)
    $told = json_decode(base64_decode(strtr(explode('.', $tokens['id_token'])[1], '-_', '+/')), true);
    abort_unless($told['iss'] === $school['issuer'] && $told['aud'] === $school['id'], 400);
    abort_unless($told['exp'] > time() && hash_equals($asked['nonce'], $told['nonce']), 400);
    $pupil = Http::withToken($tokens['access_token'])->get($school['issuer'].'/userinfo')->throw()->json();
    abort_unless($pupil['sub'] === $told['sub'], 400);
    $request->session()->regenerate();
    $request->session()->put(['pupil' => $pupil['sub'], 'id_token' => $tokens['id_token']]);

    return response()->json($pupil); // keep $pupil['sub']: it never changes; all else may be missing
});

Route::post('/sign-out', function (Request $request) {
    $school = config('services.school');
    $hint = $request->session()->get('id_token');
    $request->session()->invalidate();

    return redirect()->away($school['issuer'].'/end_session?'.http_build_query([
        'id_token_hint' => $hint, 'post_logout_redirect_uri' => $school['bye'],
    ]));
});
"""

MOODLE = """\
# Site administration > Server > OAuth 2 services > Create new service: Custom       (Moodle 4 and 5)
Name                                          School
Client ID                                     @CLIENT_ID@
Client secret                                 paste CLIENT_SECRET here
Authenticate token requests via HTTP headers  @MOODLE_HEADERS@
Service base URL                              @ISSUER@
This service will be used                     Login page only
Scopes included in a login request            @SCOPE@
Scopes included in a login request for offline access   @SCOPE@
Require email verification                    no, and "I understand ..." yes

# Configure user field mappings: change the row of email, so that the sub stands in for the address
sub          email          (Moodle takes it as the username as well)
given_name   firstname
family_name  lastname

# Site administration > Plugins > Authentication > Manage authentication: enable OAuth 2
# Moodle comes back to  https://YOUR-MOODLE/admin/oauth2callback.php
# registered now:       @REDIRECT_URI@
# Moodle sends no PKCE: pkce_exempt_until must lie ahead, registered now: @EXEMPT@
"""


class How(enum.StrEnum):
    """How an example was tried."""

    RUN = "run"
    """Our tests run it as it stands, in that product, and a pupil signs in."""
    CHECKED = "checked"
    """Its fields and requests come from the source of the product; our tests send those requests."""


@dataclass(frozen=True, kw_only=True)
class Product:
    title: str
    how: How
    tried: str
    """With which versions."""
    files: Mapping[str, str]
    """What to paste, by where it goes."""


PRODUCTS: Mapping[str, Product] = {
    "authlib": Product(
        title="Authlib (Python)",
        how=How.RUN,
        tried="Authlib 1.9.9, Flask 3.1.3",
        files={"app.py": AUTHLIB},
    ),
    "openid-client": Product(
        title="openid-client (JavaScript)",
        how=How.RUN,
        tried="openid-client 6.8.9",
        files={"app.mjs": OPENID_CLIENT},
    ),
    "mod_auth_openidc": Product(
        title="mod_auth_openidc (Apache)",
        how=How.RUN,
        tried="Apache 2.4, mod_auth_openidc 2.4.12",
        files={"/etc/apache2/conf-available/school.conf": MOD_AUTH_OPENIDC},
    ),
    "spring": Product(
        title="Spring Boot (Java)",
        how=How.RUN,
        tried="Spring Boot 3.5.7, Java 17",
        files={
            "src/main/resources/application.yml": SPRING_YAML,
            "src/main/java/com/example/demo/SecurityConfig.java": SPRING_JAVA,
        },
    ),
    "laravel": Product(
        title="Laravel (PHP)",
        how=How.RUN,
        tried="Laravel 8.83, PHP 8.2",
        files={"config/services.php": LARAVEL_SETTINGS, "routes/web.php": LARAVEL},
    ),
    "moodle": Product(
        title="Moodle",
        how=How.CHECKED,
        tried="Moodle 5.1",
        files={"Moodle": MOODLE},
    ),
}
OF_LISTS = Product(
    title="OneRoster (Python)", how=How.RUN, tried="requests 2.34.2", files={"lists.py": lists_snippet.LISTS}
)
"""For an app that reads lists."""


@dataclass(frozen=True, kw_only=True)
class Snippet:
    slug: str
    title: str
    how: How
    tried: str
    files: Mapping[str, str]


def of(app: App, issuer: str) -> tuple[Snippet, ...]:
    """Every example, filled in for this app. None for one that proves itself without a secret."""
    if app.token_endpoint_auth_method not in {"client_secret_basic", "client_secret_post"}:
        return ()
    words = _words(app, issuer)
    shown = {**PRODUCTS, "lists": OF_LISTS} if app.reads_lists else PRODUCTS
    return tuple(
        Snippet(
            slug=slug,
            title=product.title,
            how=product.how,
            tried=product.tried,
            files={where: _filled(text, words) for where, text in product.files.items()},
        )
        for slug, product in shown.items()
    )


def _filled(text: str, words: Mapping[str, str]) -> str:
    for name, value in words.items():
        text = text.replace(f"@{name}@", value)
    return text


def _words(app: App, issuer: str) -> dict[str, str]:
    address = next(iter(app.redirect_uris), "https://app.example/callback")
    where = urlsplit(address)
    origin = f"{where.scheme}://{where.netloc}"
    bye = next(iter(app.post_logout_redirect_uris), f"{origin}/")
    scopes = sorted(app.scopes - {LISTS_SCOPE}, key=lambda scope: (scope != "openid", scope))
    posts = app.token_endpoint_auth_method == "client_secret_post"
    open_page = urlsplit(bye).path if bye.startswith(f"{origin}/") and bye != f"{origin}/" else ""
    apache_open = f'<Location "{open_page}">\n  OIDCUnAuthAction pass\n</Location>\n'
    return {
        "ISSUER": issuer,
        "CLIENT_ID": app.client_id,
        "REDIRECT_URI": address,
        "ORIGIN": origin,
        "START": f"{origin}/sign-in",
        "PATH": where.path or "/",
        "BYE": bye,
        "BYE_QUOTED": quote(bye, safe=""),
        "SCOPE": " ".join(scopes),
        "SCOPE_LIST": ", ".join(scopes),
        "METHOD": app.token_endpoint_auth_method,
        "HOW": "Post" if posts else "Basic",
        "LARAVEL_BASIC": ""
        if posts
        else "->withBasicAuth(urlencode($school['id']), urlencode($school['secret']))",
        "LARAVEL_POST": "\n        'client_id' => $school['id'], 'client_secret' => $school['secret'],"
        if posts
        else "",
        "MOODLE_HEADERS": "no" if posts else "yes",
        "APACHE_OPEN": apache_open if open_page else "",
        "SPRING_OPEN": f'.requestMatchers("{open_page}").permitAll()' if open_page else "",
        "LISTS_SCOPE": LISTS_SCOPE,
        "LISTS_PROOF": '{"data": ASKED | {"client_id": WHO[0], "client_secret": WHO[1]}}'
        if posts
        else '{"data": ASKED, "auth": WHO}',
        "EXEMPT": str(app.pkce_exempt_until or "none yet"),
    }
