# needs: shared
# Checks that the catalogue has every attribute of every version of the operators of the standard and of ai.onnx.ml,
# since the importer ignores attributes that it does not know.
# Usage: spec.sh BUILD
set -u
"$1/tools/fovea" ops --json >"$1/ops.json" || exit 1
python3 - "$1/ops.json" "$FOVEA_SHARED/onnx-spec/ops.json" <<'END'
import json, sys

ours = {(o["domain"], o["name"]): o for o in json.load(open(sys.argv[1]))["operators"]}
passed = failed = 0
for op in json.load(open(sys.argv[2])):
    name = (op["domain"] or "ai.onnx", op["name"])
    if name not in ours:
        continue
    for attr in op["attributes"]:
        if attr["name"] in ours[name]["attributes"]:
            passed += 1
            continue
        failed += 1
        print(f"FAILED {op['name']} {op['version']}: attribute {attr['name']} is not in the catalogue")
print(f"{passed} passed, {failed} failed")
sys.exit(failed > 0)
END
