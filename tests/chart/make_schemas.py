"""Make the JSON Schemas that kubeconform checks the chart against, strictly, named as it looks them up.

make_schemas.py kubernetes WHEEL VERSION FOLDER    out of PyPI's kubernetes-validate
make_schemas.py crds FOLDER FILE...                out of CustomResourceDefinitions
"""

import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import yaml


def main(arguments: list[str]) -> None:
    match arguments:
        case ["kubernetes", wheel, version, folder]:
            from_wheel(Path(wheel), version, Path(folder))
        case ["crds", folder, *files]:
            for file in files:
                from_crd(Path(file), Path(folder))
        case _:
            sys.exit(__doc__)


def from_wheel(wheel: Path, version: str, folder: Path) -> None:
    """Copy the strict schemas of one Kubernetes version; their references become relative."""
    inside = f"kubernetes_validate/kubernetes-json-schema/{version}-local-strict/"
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.startswith(inside) and name.endswith(".json")]
        if not names:
            sys.exit(f"{wheel.name}: no schemas of Kubernetes {version}")
        for name in names:
            schema = json.loads(archive.read(name))
            schema.pop("$id", None)
            text = json.dumps(schema).replace('"/api/_definitions.json#', '"_definitions.json#')
            (folder / Path(name).name).write_text(text)


def from_crd(file: Path, folder: Path) -> None:
    """Write one schema for each version that the CustomResourceDefinition serves."""
    spec = yaml.safe_load(file.read_text())["spec"]
    group, kind = spec["group"].split(".")[0], spec["names"]["kind"].lower()
    folder.mkdir(parents=True, exist_ok=True)
    for version in spec["versions"]:
        schema = closed(version["schema"]["openAPIV3Schema"])
        schema["properties"]["metadata"] = {"$ref": "_definitions.json#/$defs/" + METADATA}
        (folder / f"{kind}-{group}-{version['name']}.json").write_text(json.dumps(schema))


METADATA = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


def closed(schema: Any) -> Any:
    """The same schema, in which every object with known properties refuses unknown ones."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: closed(part) for key, part in schema.items()}
    open_on_purpose = made.get("x-kubernetes-preserve-unknown-fields")
    if isinstance(made.get("properties"), dict) and not open_on_purpose:
        made.setdefault("additionalProperties", False)
    if made.pop("x-kubernetes-int-or-string", False):
        made.pop("type", None)
        made["anyOf"] = [{"type": "integer"}, {"type": "string"}]
    return made


if __name__ == "__main__":
    main(sys.argv[1:])
