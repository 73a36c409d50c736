/** Keys that vendors mark with a beginning of their own. */
const KEYS = new RegExp(
  [
    "sk-[A-Za-z0-9_-]{16,}",
    "(?:[srp]k|rk)_(?:live|test)_[A-Za-z0-9]{10,}",
    "gh[pousr]_[A-Za-z0-9]{20,}",
    "github_pat_[A-Za-z0-9_]{20,}",
    "glpat-[A-Za-z0-9_-]{16,}",
    "(?:AKIA|ASIA)[A-Z0-9]{16}",
    "AIza[A-Za-z0-9_-]{30,}",
    "ya29\\.[A-Za-z0-9_-]{16,}",
    "xox[abeoprs]-[A-Za-z0-9-]{10,}",
    "(?:npm|hf)_[A-Za-z0-9]{20,}",
    "whsec_[A-Za-z0-9+/=_-]{16,}",
    "SG\\.[A-Za-z0-9_-]{16,64}\\.[A-Za-z0-9_-]{16,}",
    "segue_[a-z0-9]{8,32}_[A-Za-z0-9_-]{20,}",
  ].join("|"),
  "g",
);

const CREDENTIALS = /\b(bearer|basic)(\s{1,4})[A-Za-z0-9._~+/=-]{16,}/gi;

/** What names a secret, in text as in JSON. */
const NAME =
  "(?:api[_-]?key|access[_-]?key|client[_-]?secret|secret|password|passwd|passphrase|pwd|auth[_-]?token|access[_-]?token|refresh[_-]?token)";
const NAMED = new RegExp(`(${NAME}["']?\\s{0,3}[:=]\\s{0,3}["']?)[^\\s"',;&<>[\\]]{4,}`, "gi");
const IS_NAME = new RegExp(`(?:^|[_-])${NAME}$|^authorization$`, "i");

/** Whether a member of this name holds a secret. */
export const namesSecret = (name: string): boolean => name.length <= 64 && IS_NAME.test(name);

/** Replaces keys of APIs, tokens, private keys and what is called a password. */
export function withoutSecrets(text: string): string {
  return withoutPrivateKeys(withoutJwts(text))
    .replace(KEYS, "[SECRET]")
    .replace(CREDENTIALS, "$1$2[SECRET]")
    .replace(NAMED, "$1[SECRET]");
}

/** JSON Web Tokens and other dotted base64url of JSON objects, which begin with `eyJ`. */
function withoutJwts(text: string): string {
  let replaced = "";
  let from = 0;
  for (let at = text.indexOf("eyJ"); at >= 0; at = text.indexOf("eyJ", at)) {
    let end = at;
    while (end < text.length && isTokenCode(text.charCodeAt(end))) end++;
    if (end - at >= 16 && text.slice(at, end).includes(".")) {
      replaced += `${text.slice(from, at)}[SECRET]`;
      from = end;
    }
    at = end;
  }
  return from === 0 ? text : replaced + text.slice(from);
}

/** Of base64url, and the dots between. */
const isTokenCode = (code: number): boolean =>
  (code >= 0x30 && code <= 0x39) ||
  (code >= 0x41 && code <= 0x5a) ||
  (code >= 0x61 && code <= 0x7a) ||
  code === 0x2d ||
  code === 0x2e ||
  code === 0x5f;

/** PEM (RFC 7468); one without an end reaches to the end of the text. */
function withoutPrivateKeys(text: string): string {
  const begin = /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY/g;
  let replaced = "";
  let from = 0;
  for (let found = begin.exec(text); found !== null; found = begin.exec(text)) {
    const end = /-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----/g;
    end.lastIndex = found.index;
    replaced += `${text.slice(from, found.index)}[SECRET]`;
    from = end.exec(text) === null ? text.length : end.lastIndex;
    begin.lastIndex = from;
  }
  return replaced + text.slice(from);
}
