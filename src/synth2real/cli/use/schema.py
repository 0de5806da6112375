"""`synth2real schema`: the JSON Schema of a YAML file, for editors."""

from __future__ import annotations

import json

from ...errors import InputError
from ..arguments import SchemaArguments
from ..console import Result, print_result
from ..schema import SCHEMAS


def schema(args: SchemaArguments) -> Result:
    """Print the schema as JSON."""
    if args.kind not in SCHEMAS:
        raise InputError(f"schema '{args.kind}' is unknown, expected one of: {', '.join(SCHEMAS)}")
    made = SCHEMAS[args.kind]()
    print_result(json.dumps(made, indent=1))
    return made
