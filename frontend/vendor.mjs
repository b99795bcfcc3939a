// Copies the released files of each dependency, with its licence, to where Django serves them.
// Only the pointers to source maps are taken out: the maps are not served, and a manifest
// storage refuses a stylesheet that points to a file that is not there.
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const target = join(here, "..", "ctportal", "static", "vendor");

const FILES = {
  "bootstrap-icons": [
    "LICENSE",
    "font/bootstrap-icons.min.css",
    "font/fonts/bootstrap-icons.woff",
    "font/fonts/bootstrap-icons.woff2",
  ],
  "chart.js": ["LICENSE.md", "dist/chart.umd.min.js"],
  "@kurkle/color": ["LICENSE.md"], // inside Chart.js
  "htmx.org": ["LICENSE", "dist/htmx.min.js"],
};

const POINTER = /^(\/\*# sourceMappingURL=.*\*\/|\/\/# sourceMappingURL=.*)$\n?/gm;

rmSync(target, { recursive: true, force: true });
const versions = {};
for (const [name, files] of Object.entries(FILES)) {
  const source = join(here, "node_modules", name);
  versions[name] = JSON.parse(readFileSync(join(source, "package.json"), "utf8")).version;
  for (const file of files) {
    const to = join(target, name, file.replace(/^(dist|font)\//, ""));
    mkdirSync(dirname(to), { recursive: true });
    if (/\.(css|js)$/.test(file)) {
      writeFileSync(to, readFileSync(join(source, file), "utf8").replace(POINTER, ""));
    } else {
      cpSync(join(source, file), to);
    }
  }
}
writeFileSync(join(target, "versions.json"), JSON.stringify(versions, null, 2) + "\n");
