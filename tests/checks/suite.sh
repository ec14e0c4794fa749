# needs: shared
# Runs the standard's tests: each passes on each backend, or its operator is not in the catalogue. The models of light/
# have constant weights and outputs that no input changes, so they run on random inputs.
# Usage: suite.sh BUILD
set -u
export FOVEA_CACHE_DIR= # what is tested is compiled
fovea=$1/tools/fovea
suite=${FOVEA_SHARED}/onnx-suite
passed=0 failed=0 missing=0
# Their references are numbers of another generator, of which the standard asks nothing; docs/operators.md lists them.
drawn='/test_(bernoulli_(double|seed)(_expanded)?|training_dropout(_default|_mask)?)/'
out=$(mktemp)
for backend in interp jit "interp --schedule=naive"; do
    for part in node simple pytorch-converted pytorch-operator; do
        # shellcheck disable=SC2086
        "$fovea" test "$suite/$part" --backend=$backend >"$out" 2>&1
        status=$?
        sed -i -E "\\#^FAILED .*$drawn.* element [0-9]+ is #d" "$out"
        [ $status -le 1 ] || echo "FAILED $part ($backend): status $status"
        grep '^FAILED' "$out" | grep -v 'operator not in the catalogue'
        bad=$(grep '^FAILED' "$out" | grep -vc 'operator not in the catalogue')
        gone=$(grep '^FAILED' "$out" | grep -c 'operator not in the catalogue')
        good=$(sed -n 's/^\([0-9]*\) passed.*/\1/p' "$out" | tail -n 1)
        [ $status -le 1 ] || bad=$((bad + 1))
        echo "$part ($backend): ${good:-0} passed, $bad failed, $gone with an operator not in the catalogue"
        passed=$((passed + ${good:-0}))
        failed=$((failed + bad))
        missing=$((missing + gone))
    done
done
set=$(mktemp -d)
for model in "$suite"/light/*.onnx; do
    cp "${model%.onnx}_output_0.pb" "$set/output_0.pb"
    if "$fovea" run "$model" --expect "$set" >"$out" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED $model: $(tail -n 1 "$out")"
    fi
done
rm -rf "$set"
rm -f "$out"
echo "$passed passed, $failed failed"
[ $failed = 0 ]
