// Who is signed in: a token, pasted or handed over by the host product in the address.

const KEY = "darkroom.token";
const watchers = new Set();

/** The token of `#token=…` is taken out of the address at once: addresses are copied and kept. */
export function takeFromAddress() {
  const given = new URLSearchParams(location.hash.replace(/^#\/?/, "")).get("token");
  if (!given) return;
  history.replaceState(null, "", `${location.pathname}${location.search}#/make`);
  signIn(given);
}

export function signIn(token) {
  localStorage.setItem(KEY, token.trim().replace(/^Bearer\s+/i, ""));
  tell();
}

export function signOut() {
  localStorage.removeItem(KEY);
  tell();
}

export function token() {
  return localStorage.getItem(KEY);
}

/** What the token says of its bearer; the gateway checks it, this page only shows it. */
export function bearer() {
  const claims = claimsOf(token());
  if (!claims) return null;
  const scopes = typeof claims.scope === "string" ? claims.scope.split(" ").filter(Boolean) : null;
  return { username: claims.username || claims.sub || "", scopes, expires: (claims.exp ?? Infinity) * 1000 };
}

/** Calls back at every sign-in and sign-out, also of another tab. */
export function onChange(callback) {
  watchers.add(callback);
}

function claimsOf(written) {
  try {
    const part = written.split(".")[1].replace(/-/g, "+").replace(/_/g, "/");
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(part), (c) => c.charCodeAt(0))));
  } catch {
    return null;
  }
}

function tell() {
  for (const callback of watchers) callback();
}

addEventListener("storage", (event) => {
  if (event.key === KEY) tell();
});
