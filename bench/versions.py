"""Which packages a measurement was made against."""

import json
import subprocess

CODE = """
import importlib.metadata, json, sys
found = {}
for name in sys.argv[1:]:
    try:
        found[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        pass
print(json.dumps(found))
"""


def versions_of(python, names):
    """name -> version, as `python` has them; those it lacks are left out."""
    result = subprocess.run([python, "-c", CODE, *names], capture_output=True, text=True, check=True)
    return json.loads(result.stdout)
