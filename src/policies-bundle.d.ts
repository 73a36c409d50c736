/** Written by `scripts/bundle-policies.ts` before a Worker is built; parsed where it is imported. */
declare module "*.bundle.json" {
  const bundle: unknown;
  // oxlint-disable-next-line import/no-default-export -- it is how bundlers hand over JSON
  export default bundle;
}
