import {
  DEFAULT_PRIVACY,
  type ContentRedaction,
  type Handling,
  type HiddenValue,
  type IdentifierKind,
  type Privacy,
} from "../core/privacy.ts";
import type { Policy } from "../core/policy.ts";
import { boundedCache } from "./bounded-cache.ts";
import { textRedactor } from "./redact-text.ts";
import { tokens, type Token } from "./tokens.ts";

type Value = string | number | boolean;
type Handle = (value: Value) => Value | null;

/** Values of one attribute, and identifiers of one kind, that are remembered. */
const CACHED = 4096;

/**
 * What a policy lets out of its traffic, and how: it says so in `privacy`, and the defaults of `Privacy` hold where it says
 * nothing. Values that repeat are looked up, not worked out again.
 * @param secret of the installation; tokens follow from it and the policy's id
 */
export function createSpanRedaction(
  { policy, attributes: specs, privacy = DEFAULT_PRIVACY }: Pick<Policy, "policy" | "attributes" | "privacy">,
  secret: string,
): ContentRedaction {
  const text = textRedactor(privacy);
  const token = tokens(secret, policy);
  const handles = new Map<string, Handle>();
  const handleOf = (name: string): Handle => {
    const spec = Object.hasOwn(specs, name) ? specs[name] : undefined;
    return handler(name, handlingOf(privacy, name, spec?.values !== undefined || spec?.type === "boolean"), {
      text,
      token,
    });
  };
  for (const name of Object.keys(specs)) handles.set(name, handleOf(name));
  const identifiers = {
    session: identifierHandler(privacy, "session", token),
    user: identifierHandler(privacy, "user", token),
    key: identifierHandler(privacy, "key", token),
  };
  // What the policy does not declare is rare, and its names are nobody's to keep.
  const attribute = (name: string, value: Value): Value | null => (handles.get(name) ?? handleOf(name))(value);
  const identifier = (kind: IdentifierKind, value: string): string | null => identifiers[kind](value);
  return {
    attribute,
    identifier,
    text,
    hidden: ({ session, user, keyId, attributes }) => {
      const hidden: HiddenValue[] = [];
      const hide = (name: string, value: Value, shown: Value | null): void => {
        if (shown === value || typeof value === "boolean") return;
        hidden.push({ value: String(value), shown: shown === null ? `[${name.toUpperCase()}]` : String(shown) });
      };
      if (session !== null) hide("session", session, identifier("session", session));
      if (user !== null) hide("user", user, identifier("user", user));
      if (keyId !== null) hide("key", keyId, identifier("key", keyId));
      for (const name of Object.keys(attributes)) {
        const value = attributes[name];
        if (value !== undefined) hide(name, value, attribute(name, value));
      }
      // A value may be part of another.
      return hidden.sort((a, b) => b.value.length - a.value.length);
    },
  };
}

/** How an attribute is handled. @param isClosed whether the policy lists all of its values, so that none names a person */
function handlingOf(privacy: Privacy, name: string, isClosed: boolean): Handling {
  const own = Object.hasOwn(privacy.attributes, name) ? privacy.attributes[name] : undefined;
  if (own !== undefined) return own;
  if (privacy.otherAttributes === "drop") return "drop";
  return isClosed ? "keep" : "redact";
}

function handler(
  name: string,
  handling: Handling,
  { text, token }: { readonly text: (value: string) => string; readonly token: Token },
): Handle {
  switch (handling) {
    case "keep":
      return (value) => value;
    case "drop":
      return () => null;
    case "tokenise": {
      const cached = boundedCache(CACHED, (value) => token(name, value));
      return (value) => cached(String(value));
    }
    case "redact": {
      const cached = boundedCache(CACHED, text);
      return (value) => {
        if (typeof value === "boolean") return value;
        const written = String(value);
        const redacted = cached(written);
        return redacted === written ? value : redacted;
      };
    }
  }
}

function identifierHandler(privacy: Privacy, kind: IdentifierKind, token: Token): (value: string) => string | null {
  switch (privacy.identifiers[kind]) {
    case "keep":
      return (value) => value;
    case "drop":
      return () => null;
    case "tokenise":
      return boundedCache(CACHED, (value) => token(kind, value));
  }
}

/** The redactions of all policies, each made once for a policy as it was published. */
export function spanRedactions(secret: string): (policy: Policy) => ContentRedaction {
  const known = new WeakMap<Policy, ContentRedaction>();
  return (policy) => {
    let redaction = known.get(policy);
    if (redaction === undefined) known.set(policy, (redaction = createSpanRedaction(policy, secret)));
    return redaction;
  };
}
