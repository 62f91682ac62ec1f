"""python -m melix.compat program.py [arguments], or -m module, or -c code: a program written for MLX, run on melix."""

import runpy
import sys
from pathlib import Path

from melix.compat import translate

USAGE = "usage: python -m melix.compat (program.py | -m module | -c code) [arguments]"


def main() -> None:
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("-h", "--help"):
        print(__doc__ + "\n\n" + USAGE if arguments else USAGE, file=sys.stdout if arguments else sys.stderr)
        sys.exit(0 if arguments else 2)
    if arguments[0] in ("-m", "-c"):
        if len(arguments) < 2:
            sys.exit(USAGE)
        option, what, *rest = arguments
        sys.path[0] = ""
        if option == "-c":
            sys.argv = ["-c", *rest]
            exec(compile(what, "<string>", "exec"), {"__name__": "__main__", "__builtins__": __builtins__})
        else:
            sys.argv = [what, *rest]
            runpy.run_module(translate(what) or what, run_name="__main__", alter_sys=True)
    else:
        program, *rest = arguments
        if not Path(program).exists():
            sys.exit(f"python -m melix.compat: there is no file {program}")
        sys.argv = [program, *rest]
        # A folder or a zip file with a __main__.py comes first on the path by itself.
        sys.path[0] = str(Path(program).resolve().parent)
        runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    main()
