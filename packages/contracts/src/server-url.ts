/** Who a client is to the server, by the first of its URLs. */
export type ServerLogin = { user: string; pass: string } | { token: string } | Record<string, never>;

const schemes = new Set(["nats:", "tls:", "ws:", "wss:"]);

/** Whether it is the URL of a NATS server, with a login that can be decoded or none. */
export function isServerUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  return schemes.has(url.protocol) && url.hostname !== "" && loginOf(url) !== undefined;
}

/**
 * Takes user and password out of server URLs: the JavaScript client does not read them there, and what it
 * keeps of a URL reaches logs and errors. A user alone is a token, as in the other clients. Throws where one of
 * them is no {@link isServerUrl}.
 */
export function splitServerUrls(urls: readonly string[]): { servers: string[]; login: ServerLogin } {
  const [login = {}] = urls.map((text) => loginOf(new URL(text)));
  return { servers: urls.map(withoutUser), login };
}

/** Whether the first of the URLs has a login; false where it is none. */
export function hasLogin([url]: readonly string[]): boolean {
  return url !== undefined && URL.canParse(url) && new URL(url).username !== "";
}

function loginOf({ username, password }: URL): ServerLogin | undefined {
  if (username === "") return {};
  try {
    const name = decodeURIComponent(username);
    return password === "" ? { token: name } : { user: name, pass: decodeURIComponent(password) };
  } catch {
    return undefined;
  }
}

function withoutUser(text: string): string {
  const url = new URL(text);
  url.username = "";
  url.password = "";
  return url.href.replace(/\/$/, "");
}
