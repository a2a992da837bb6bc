// How does a script of ours talk with the test that started it? One JSON object a line, both ways.
// The test says the task; the script asks it to visit addresses (that is the person), and reports at the end.
import { createInterface } from "node:readline";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);
const hear = async () => JSON.parse((await lines.next()).value);

export const task = await hear();

/** Send the person there; where they came out: { url, form } (form: what a page posted to us). */
export async function visit(url, who = "pupil") {
  say({ visit: String(url), who });
  return await hear();
}

/** The end: what the test looks at. */
export function report(what) {
  say({ report: what });
  process.exitCode = 0;
  process.stdin.destroy();
}

/** What a library says when it refuses, or null when it does not. */
export async function refusal(work) {
  try {
    await work();
    return null;
  } catch (failure) {
    const challenge = Array.isArray(failure.cause) ? failure.cause[0] : undefined;
    return {
      name: failure.name,
      code: failure.code,
      error: failure.error ?? challenge?.parameters?.error,
      description: failure.error_description,
      status: failure.status,
      challenge: challenge?.scheme,
      message: failure.message,
    };
  }
}

const KINDS = {
  RS256: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
  PS256: { name: "RSA-PSS", hash: "SHA-256" },
  ES256: { name: "ECDSA", namedCurve: "P-256" },
  EdDSA: { name: "Ed25519" },
};

/** The app's private key, for a library: from a JWK with `alg` and `kid`. */
export async function privateKey(jwk) {
  return { key: await crypto.subtle.importKey("jwk", jwk, KINDS[jwk.alg], false, ["sign"]), kid: jwk.kid };
}

/** What stands in the header of a JWT, for the test to look at. */
export const headerOf = (jwt) => JSON.parse(Buffer.from(jwt.split(".")[0], "base64url").toString());
