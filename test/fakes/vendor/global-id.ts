/** Relay's global ids, as both vendors use them: base64 of `Kind:number`, with a random tail at Arize AX. */
export const globalId = (kind: string, number: number | string, tail = ""): string =>
  btoa(`${kind}:${number}${tail === "" ? "" : `:${tail}`}`);

/** The kind and number of a global id, or null where it is none. */
export function parseGlobalId(id: string): { readonly kind: string; readonly number: string } | null {
  try {
    const [kind, number] = atob(id).split(":");
    return kind && number ? { kind, number } : null;
  } catch {
    return null; // Names, too, are asked with; they need not be base64.
  }
}
