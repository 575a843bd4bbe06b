"""JSON schemas for kubeconform: those of the built-in kinds, and of the CRDs that controller-gen has made.

schemas.py VERSION OUT   reads OUT/crds/*.yaml, writes OUT/builtin/*.json and OUT/custom/GROUP/KIND_VERSION.json
"""

import importlib.util
import json
import pathlib
import sys

import yaml


def builtin(version, out):
    """The strict schemas of PyPI's kubernetes-validate; they refer to each other by a web address, here by file name."""
    # Found, not imported: the schemas are all that is wanted, not what the program needs to run.
    package = pathlib.Path(importlib.util.find_spec("kubernetes_validate").submodule_search_locations[0])
    out.mkdir(parents=True)
    for file in (package / "kubernetes-json-schema" / f"v{version}-local-strict").glob("*.json"):
        schema = json.loads(file.read_text().replace('"/api/_definitions.json', '"_definitions.json'))
        schema.pop("$id", None)
        (out / file.name).write_text(json.dumps(schema))


def strict(schema):
    """An OpenAPI v3 schema of a CRD as a JSON schema that knows no other properties than those named."""
    if isinstance(schema, list):
        return [strict(member) for member in schema]
    if not isinstance(schema, dict):
        return schema
    result = {}
    for key, value in schema.items():
        if key == "properties":
            result[key] = {name: strict(property) for name, property in value.items()}
        else:
            result[key] = value if key in ("default", "example", "enum") else strict(value)
    if result.pop("x-kubernetes-int-or-string", False):
        result.pop("anyOf", None)
        result["type"] = ["string", "integer"]
    if result.pop("nullable", False) and isinstance(result.get("type"), str):
        result["type"] = [result["type"], "null"]
    open_ended = result.pop("x-kubernetes-preserve-unknown-fields", False)
    if "properties" in result and not open_ended:
        result.setdefault("additionalProperties", False)
    return result


def custom(files, out):
    for file in files:
        for definition in yaml.safe_load_all(file.read_text()):
            if not definition or definition["kind"] != "CustomResourceDefinition":
                continue
            spec = definition["spec"]
            for version in spec["versions"]:
                schema = strict(version["schema"]["openAPIV3Schema"])
                schema["properties"]["metadata"] = {"type": "object"}
                path = out / spec["group"] / f"{spec['names']['kind'].lower()}_{version['name']}.json"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps(schema))


if __name__ == "__main__":
    out = pathlib.Path(sys.argv[2])
    builtin(sys.argv[1], out / "builtin")
    custom(sorted((out / "crds").glob("*.yaml")), out / "custom")
