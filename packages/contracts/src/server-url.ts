/** Who a client is to the server, by the first of its URLs. */
export type ServerLogin = { user: string; pass: string } | { token: string } | Record<string, never>;

/**
 * Takes user and password out of server URLs: the JavaScript client does not read them there, and what it
 * keeps of a URL reaches logs and errors. A user alone is a token, as in the other clients.
 */
export function splitServerUrls(urls: readonly string[]): { servers: string[]; login: ServerLogin } {
  return { servers: urls.map(withoutUser), login: loginOf(urls[0] ?? "") };
}

function loginOf(text: string): ServerLogin {
  const { username, password } = new URL(text);
  if (username === "") return {};
  const name = decodeURIComponent(username);
  return password === "" ? { token: name } : { user: name, pass: decodeURIComponent(password) };
}

function withoutUser(text: string): string {
  const url = new URL(text);
  url.username = "";
  url.password = "";
  return url.href.replace(/\/$/, "");
}
