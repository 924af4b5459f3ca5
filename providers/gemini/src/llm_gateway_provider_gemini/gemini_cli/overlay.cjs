// Node loads this file before Gemini CLI's code. It replaces the user's settings by those of the run, for this process only.
//
// Gemini CLI accepts settings for one run only from a file that root owns, and without these settings it deletes conversations.
// So reads of the user's settings file are redirected to the run's file; the user's file is not changed.
"use strict";

const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { syncBuiltinESMExports } = require("node:module");

delete process.env.NODE_OPTIONS; // processes that the agent starts must not load this file

const runSettings = path.join(__dirname, "settings.json");
const nothing = path.join(__dirname, "nothing");
const home = path.resolve(process.env.GEMINI_CLI_HOME || os.homedir(), ".gemini");
const userSettings = path.join(home, "settings.json");

// The directory must be trusted to run in it. Then a project's files could set any variable, such as the address of the service.
// Gemini CLI also searches all parent directories for these files.
const redirects = new Map();
for (let above = process.cwd(), last; above !== last; last = above, above = path.dirname(above)) {
  const folder = path.join(above, ".gemini");
  if (folder !== home) for (const name of ["settings.json", ".env"]) redirects.set(path.join(folder, name), nothing);
}
redirects.set(userSettings, runSettings);
let reported = false;

// Remove both kinds of comments, but not inside of strings.
function parse(text) {
  const bare = text.replace(/"(?:\\.|[^"\\])*"|\/\/[^\n]*|\/\*[^]*?\*\//g, (found) => (found[0] === '"' ? found : " "));
  const value = JSON.parse(bare.replace(/^\uFEFF/, ""));
  return value && typeof value === "object" ? value : {};
}

// Take only the login method and the model from the user's settings. Anything else could extend what the run may do.
function writeRunSettings() {
  let known = {};
  try {
    known = parse(fs.readFileSync(userSettings, "utf8"));
  } catch {
    // there is no file, or Gemini CLI could not read it either
  }
  const settings = parse(fs.readFileSync(runSettings, "utf8"));
  const auth = known.security && known.security.auth;
  if (auth && typeof auth === "object") settings.security = { ...settings.security, auth };
  const { GEMINI_API_KEY: key, GOOGLE_GEMINI_BASE_URL: base } = process.env;
  if (key && base && !(auth && auth.selectedType)) {
    // With only another address, Gemini CLI would choose another login method, which cannot start headless.
    settings.security = { ...settings.security, auth: { ...auth, selectedType: "gemini-api-key" } };
  }
  if (known.model && typeof known.model.name === "string") settings.model = { ...settings.model, name: known.model.name };
  fs.writeFileSync(runSettings, JSON.stringify(settings));
}

function redirected(original) {
  return function (file, ...rest) {
    const target = typeof file === "string" ? redirects.get(path.resolve(file)) : undefined;
    if (target === runSettings && !reported) {
      reported = true;
      process.stderr.write("llm-gateway: the run's settings are in force\n");
    }
    return original.call(this, target || file, ...rest);
  };
}

if (!fs.existsSync(path.join(__dirname, "rules.toml"))) {
  // Gemini CLI would silently run without rules.
  process.stderr.write("llm-gateway: the run's rules are missing\n");
  process.exit(52);
}
writeRunSettings();
const sync = ["existsSync", "readFileSync", "writeFileSync", "statSync", "lstatSync", "accessSync", "realpathSync", "openSync"];
for (const name of sync) fs[name] = Object.assign(redirected(fs[name]), fs[name]);
for (const name of ["readFile", "writeFile", "stat", "lstat", "access", "realpath", "open"]) {
  fs.promises[name] = redirected(fs.promises[name]);
}
syncBuiltinESMExports();
