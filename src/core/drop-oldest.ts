/** Drops all but the newest `limit` members. @returns how many are left */
export function dropOldest(record: Record<string, unknown>, limit: number): number {
  const keys = Object.keys(record);
  for (const key of keys.slice(0, keys.length - limit)) delete record[key];
  return Math.min(keys.length, limit);
}
