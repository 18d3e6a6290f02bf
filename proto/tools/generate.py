"""Writes gen/ from proto/: messages, stubs, their types, the gateway's descriptor set, OpenAPI and AsyncAPI.

    python proto/tools/generate.py [--out gen]

Messages are generated for proto/ and for buf/validate; those of google/ come from the wheels protobuf and
googleapis-common-protos.
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import asyncapi
import openapi
from contract import Contract

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROTO, THIRD_PARTY = ROOT / "proto", ROOT / "third_party"


def protoc(*arguments: str) -> None:
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTO}", f"-I{THIRD_PARTY}", *arguments]
    bin_folder = pathlib.Path(sys.executable).parent
    if subprocess.run(command, check=False, env={"PATH": f"{bin_folder}:/usr/bin:/bin"}).returncode:
        sys.exit(1)  # it has told why


def replace(out: pathlib.Path) -> None:
    """Generates `out` anew: a file whose proto is gone goes, too. When a proto is wrong, `out` stays as it was."""
    out.parent.mkdir(parents=True, exist_ok=True)
    # Beside it, for a rename to be possible.
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".gen-") as folder:
        made = pathlib.Path(folder) / "gen"
        made.mkdir()
        generate(made)
        if out.exists():
            shutil.rmtree(out)
        made.rename(out)


def generate(out: pathlib.Path) -> None:
    ours = sorted(str(path.relative_to(PROTO)) for path in PROTO.rglob("*.proto"))
    validate = "buf/validate/validate.proto"
    protoc(f"--python_out={out}", f"--mypy_out=quiet:{out}", *ours, validate)
    with_services = [name for name in ours if "\nservice " in (PROTO / name).read_text()]
    protoc(f"--grpc_python_out={out}", f"--mypy_grpc_out=quiet:{out}", *with_services)
    for folder in [path for path in out.rglob("*") if path.is_dir()]:
        (folder / "__init__.py").touch()
    # The gateway reads this one; every detail type of an error must be in it, or Envoy answers with an empty body.
    protoc("--include_imports", f"--descriptor_set_out={out / 'wasl.binpb'}", *ours, "google/rpc/error_details.proto")
    contract = Contract(descriptors(*ours))
    for name, document in (("openapi", openapi.document(contract)), ("asyncapi", asyncapi.document(contract))):
        (out / f"{name}.json").write_text(json.dumps(document, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def descriptors(*names: str) -> bytes:
    """The files and all that they import, with their comments, as a serialised FileDescriptorSet."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "commented.binpb"
        protoc("--include_imports", "--include_source_info", f"--descriptor_set_out={out}", *names)
        return out.read_bytes()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "gen")
    replace(parser.parse_args().out)
