// Loaded by Node before Gemini CLI's own code: lays a run's settings over the user's, for this process alone.
//
// Gemini CLI takes settings for one run from nowhere but a file that root owns, and without ours it deletes conversations.
// So its reads of the user's settings file are led to the run's own; the user's file is neither changed nor written.
"use strict";

const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { syncBuiltinESMExports } = require("node:module");

delete process.env.NODE_OPTIONS; // what the agent starts is not ours

const own = path.join(__dirname, "settings.json");
const nothing = path.join(__dirname, "nothing");
const home = path.resolve(process.env.GEMINI_CLI_HOME || os.homedir(), ".gemini");
const users = path.join(home, "settings.json");

// Once the directory is trusted, as it must be to run in it, a project's own files could set any variable, the address of
// the service too. They are looked for in every directory above as well.
const led = new Map();
for (let above = process.cwd(), last; above !== last; last = above, above = path.dirname(above)) {
  const folder = path.join(above, ".gemini");
  if (folder !== home) for (const name of ["settings.json", ".env"]) led.set(path.join(folder, name), nothing);
}
led.set(users, own);
let told = false;

// Strings are kept, comments go: the file may have both kinds.
function parse(text) {
  const bare = text.replace(/"(?:\\.|[^"\\])*"|\/\/[^\n]*|\/\*[^]*?\*\//g, (found) => (found[0] === '"' ? found : " "));
  const value = JSON.parse(bare.replace(/^\uFEFF/, ""));
  return value && typeof value === "object" ? value : {};
}

// Of the user's own settings only these: how to log in, and the model. Anything else could widen what the run may do.
function lay() {
  let known = {};
  try {
    known = parse(fs.readFileSync(users, "utf8"));
  } catch {
    // none, or none that Gemini CLI could read
  }
  const settings = parse(fs.readFileSync(own, "utf8"));
  const auth = known.security && known.security.auth;
  if (auth && typeof auth === "object") settings.security = { ...settings.security, auth };
  const { GEMINI_API_KEY: key, GOOGLE_GEMINI_BASE_URL: base } = process.env;
  if (key && base && !(auth && auth.selectedType)) {
    // Another address alone would be taken for another kind of login, which cannot start headless.
    settings.security = { ...settings.security, auth: { ...auth, selectedType: "gemini-api-key" } };
  }
  if (known.model && typeof known.model.name === "string") settings.model = { ...settings.model, name: known.model.name };
  fs.writeFileSync(own, JSON.stringify(settings));
}

function leading(original) {
  return function (file, ...rest) {
    const goal = typeof file === "string" ? led.get(path.resolve(file)) : undefined;
    if (goal === own && !told) {
      told = true;
      process.stderr.write("llm-gateway: the run's settings are in force\n");
    }
    return original.call(this, goal || file, ...rest);
  };
}

if (!fs.existsSync(path.join(__dirname, "rules.toml"))) {
  // Gemini CLI would go on without a word, and without rules.
  process.stderr.write("llm-gateway: the run's rules are missing\n");
  process.exit(52);
}
lay();
const sync = ["existsSync", "readFileSync", "writeFileSync", "statSync", "lstatSync", "accessSync", "realpathSync", "openSync"];
for (const name of sync) fs[name] = Object.assign(leading(fs[name]), fs[name]);
for (const name of ["readFile", "writeFile", "stat", "lstat", "access", "realpath", "open"]) {
  fs.promises[name] = leading(fs.promises[name]);
}
syncBuiltinESMExports();
