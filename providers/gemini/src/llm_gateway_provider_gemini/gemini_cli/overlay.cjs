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
const choice = JSON.parse(fs.readFileSync(path.join(__dirname, "choice.json"), "utf8"));
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

const isTable = (value) => value && typeof value === "object" && !Array.isArray(value);

// Return the value of a dotted name; undefined if there is none.
const valueOf = (settings, name) => name.split(".").reduce((found, part) => (isTable(found) ? found[part] : undefined), settings);

function put(settings, name, value) {
  const parts = name.split(".");
  const last = parts.pop();
  for (const part of parts) {
    if (!isTable(settings[part])) settings[part] = {};
    settings = settings[part];
  }
  settings[last] = value;
}

// As Gemini CLI merges the settings of a project: lists, such as those of hooks and of tools to leave out, are joined.
function merge(below, above) {
  for (const [name, value] of Object.entries(above)) {
    if (isTable(value) && isTable(below[name])) merge(below[name], value);
    else if (Array.isArray(value) && Array.isArray(below[name]) && name !== "fileName") below[name].push(...value);
    else below[name] = value;
  }
}

// Take only the named settings from the user's. Anything else could extend what the run may do.
function writeRunSettings() {
  let known = {};
  try {
    known = parse(fs.readFileSync(userSettings, "utf8"));
  } catch {
    // there is no file, or Gemini CLI could not read it either
  }
  const settings = parse(fs.readFileSync(runSettings, "utf8"));
  for (const name of choice.keep) {
    const value = valueOf(known, name);
    if (value !== undefined && value !== null) put(settings, name, value);
  }
  merge(settings, choice.project);
  settings.mcpServers = { ...choice.servers, ...settings.mcpServers };
  const auth = valueOf(settings, "security.auth");
  const { GEMINI_API_KEY: key, GOOGLE_GEMINI_BASE_URL: base } = process.env;
  if (key && base && !(isTable(auth) && auth.selectedType)) {
    // With only another address, Gemini CLI would choose another login method, which cannot start headless.
    put(settings, "security.auth.selectedType", "gemini-api-key");
  }
  fs.writeFileSync(runSettings, JSON.stringify(settings));
}

function redirected(original, unseen) {
  return function (file, ...rest) {
    const place = typeof file === "string" ? path.resolve(file) : undefined;
    const target = unseen && unseen.has(place) ? nothing : redirects.get(place);
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
for (const name of ["readFile", "writeFile", "stat", "lstat", "realpath", "open"]) {
  fs.promises[name] = redirected(fs.promises[name]);
}
// With this function Gemini CLI looks for instruction files. Its tools can still read files of these names.
fs.promises.access = redirected(fs.promises.access, new Set(choice.unseen));
syncBuiltinESMExports();
