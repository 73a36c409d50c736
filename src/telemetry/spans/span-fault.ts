/** Statuses below 500 that are the service's doing: Segue named the model and holds the credentials, not the client. */
const SERVICE_STATUSES: ReadonlySet<number> = new Set([401, 402, 403, 404, 408, 410, 429]);

/**
 * Whether an answer that failed is the service's doing, and so an error of its segment: not when the request itself was at
 * fault, or when the client left.
 */
export const isServiceFault = ({ status, error }: { readonly status: number; readonly error: string | null }) =>
  error !== null && (status < 400 || status >= 500 || SERVICE_STATUSES.has(status));
