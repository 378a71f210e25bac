import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { home, once, output, root, run, say, stampOf, which } from "./tools.ts";

const uvVersion = "0.13.9";
const uvHome = join(home, "lib/uv");
const core = join(root, "packages/worker-core-py");

/** Why Python workers cannot run here, with the way out; undefined when they can. */
export function pythonMissing(): string | undefined {
  if (which("python3") === undefined) {
    return "Python is left out: install Python 3.11 or later with venv and run this again";
  }
  const version = pythonVersion();
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major < 3 || (major === 3 && minor < 11))
    return `Python is left out: 3.11 or later is needed, this is ${version}`;
  if (existsSync(uvHome) || output("python3", "-c", "import venv, ensurepip; print(1)") !== undefined)
    return undefined;
  return "Python is left out: it has no venv or pip module (on Debian: apt-get install python3-venv)";
}

/** Brings uv from PyPI, then a virtual environment with the packages pinned by hash. */
export function bringPython(): void {
  const uv = join(uvHome, "bin/uv");
  once("uv", uvVersion, [uv], () => {
    say(`fetching uv ${uvVersion}`);
    rmSync(uvHome, { recursive: true, force: true });
    run("making a virtual environment for uv", ["python3", "-m", "venv", uvHome]);
    const pip = [join(uvHome, "bin/pip"), "install", "-q", "--disable-pip-version-check"];
    run("fetching uv", [...pip, `uv==${uvVersion}`]);
  });
  const lists = ["requirements.txt", "requirements-dev.txt"].map((name) => join(core, name));
  const venv = join(home, "venv");
  const python = join(venv, "bin/python");
  once("python", stampOf([pythonVersion()], lists), [python], () => {
    say("installing the Python packages (requirements pinned by hash)");
    const system = which("python3") ?? "python3";
    // A virtual environment of the same Python stays: workers may be running from it.
    if (output(python, "-c", askVersion) !== pythonVersion()) {
      run("uv venv", [uv, "venv", "--quiet", "--clear", "--python", system, venv]);
    }
    run("uv pip sync", [uv, "pip", "sync", "--quiet", "--require-hashes", "--python", python, ...lists]);
  });
}

const askVersion = "import platform; print(platform.python_version())";
let asked: string | undefined;

function pythonVersion(): string {
  asked ??= output("python3", "-c", askVersion) ?? "0.0";
  return asked;
}
