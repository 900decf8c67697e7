// Builds the page into ../page, which is committed. File names stay the same, so that a diff shows what changed;
// the server's ETag tells browsers of a new one.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { defineConfig } from "vite";

/** SHA-256 over the names and bytes of all sources: tests/unit/workers/live/test_page_build.py has the same. */
function sourceDigest() {
  const found = readdirSync(".", { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.startsWith("."))
    .map((entry) => `${entry.parentPath}/${entry.name}`.replaceAll("\\", "/").replace(/^\.\//, ""))
    .filter((path) => !path.startsWith("node_modules/"))
    .sort();
  const digest = createHash("sha256");
  for (const path of found) digest.update(`${path}\0`).update(readFileSync(path)).update("\0");
  return digest.digest("hex");
}

export default defineConfig({
  base: "./",
  plugins: [
    {
      name: "source-digest",
      transformIndexHtml: () => [
        { tag: "meta", attrs: { name: "source-digest", content: sourceDigest() }, injectTo: "head" },
      ],
    },
  ],
  build: {
    outDir: "../page",
    emptyOutDir: true,
    target: "es2022",
    cssTarget: "chrome123", // or light-dark() would be written out
    assetsInlineLimit: 0, // the content security policy allows nothing inline
    modulePreload: { polyfill: false },
    rollupOptions: {
      output: { entryFileNames: "assets/page.js", assetFileNames: "assets/page[extname]", inlineDynamicImports: true },
    },
  },
});
