import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // Two cores are the smallest machine that has to pass; real servers and workerd run beside the workers.
    maxWorkers: 2,
  },
});
