import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { home, once, output, root, run, say, stampOf, which } from "./tools.ts";

const uvVersion = "0.13.9";
const core = join(root, "packages/worker-core-py");

/** Why Python workers cannot run here, with the way out; undefined when they can. */
export function pythonMissing(): string | undefined {
  if (which("python3") === undefined)
    return "Python is left out: install Python 3.11 or later with venv and run this again";
  const version = output("python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])") ?? "0.0";
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major < 3 || (major === 3 && minor < 11))
    return `Python is left out: 3.11 or later is needed, this is ${version}`;
  if (output("python3", "-c", "import venv, ensurepip; print(1)") === undefined) {
    return "Python is left out: it has no venv or pip module (on Debian: apt-get install python3-venv)";
  }
  return undefined;
}

/** Brings uv from PyPI, then a virtual environment with the packages pinned by hash. */
export function bringPython(): void {
  const uvHome = join(home, "lib/uv");
  const uv = join(uvHome, "bin/uv");
  once(
    "uv",
    uvVersion,
    () => existsSync(uv),
    () => {
      say(`fetching uv ${uvVersion}`);
      rmSync(uvHome, { recursive: true, force: true });
      run("making a virtual environment for uv", ["python3", "-m", "venv", uvHome]);
      run("fetching uv", [
        join(uvHome, "bin/pip"),
        "install",
        "-q",
        "--disable-pip-version-check",
        `uv==${uvVersion}`,
      ]);
    },
  );
  const lists = ["requirements.txt", "requirements-dev.txt"].map((name) => join(core, name));
  const venv = join(home, "venv");
  const python = join(venv, "bin/python");
  once(
    "python",
    stampOf([output("python3", "--version") ?? ""], lists),
    () => existsSync(python),
    () => {
      say("installing the Python packages (requirements pinned by hash)");
      const system = which("python3") ?? "python3";
      // A virtual environment of the same Python stays: workers may be running from it.
      if (output(python, "--version") !== output(system, "--version")) {
        run("uv venv", [uv, "venv", "--quiet", "--clear", "--python", system, venv]);
      }
      run("uv pip sync", [uv, "pip", "sync", "--quiet", "--require-hashes", "--python", python, ...lists]);
    },
  );
}
