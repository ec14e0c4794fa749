# Tests `fovea opt --explain`: where a rule was applied, and which condition was not met elsewhere.
. "$(dirname "$0")/lib.sh"
cat >g.fvir <<'T'
fovea-ir 1
module "g"
symbol n 0..1000
const @root: f32[] = 1.41421354
const @near: f32[] = 1.5
const @one: f32[] = 1.0
const @ones: f32[2, 1] = [1.0, 1.0]
const @half: f32[] = 0.5
func @main(%x: f32[n, 4], %z: f32[n, 4], %v: f32[1, 4], %c: bool[]) -> (%y, %q, %w, %i) {
  %d = Div(%x, @root)
  %e = Erf(%d)
  %a = Add(%e, @one)
  %m = Mul(%x, %a)
  %y = Mul(%m, @half)    loc("gelu1")
  %d2 = Div(%z, @near)
  %e2 = Erf(%d2)
  %a2 = Add(%e2, @one)
  %m2 = Mul(%z, %a2)    loc("inner2")
  %q = Mul(%m2, @half)    loc("gelu2")
  %w = Mul(%v, @ones)    loc("larger")
  %i = If(%c) {then_branch = ^() {
    %k = Mul(%x, @one)    loc("inside")
    return %k
  }, else_branch = ^() {
    return %z
  }}
  return %y, %q, %w, %i
}
T
check 'a rule' 0 "^simplify: applied at %y \(Mul, node 'gelu1'\)$" "$fovea" opt g.fvir --explain gelu-erf
said '^rule gelu-erf: Mul.* rounding$'
said "^simplify: not at %q .*gelu2'\): 7 of 10 parts match; 'near' is 1.5, expected what is within 2 ulp of 1.41421356$"
said '^  there x is %z: f32\[n, 4\]$'
said "^simplify: not at %m2 .* 1 of 10 parts match; 'z' is not the result of Mul"
[ "$(grep -n 'not at %q' out | cut -d: -f1)" -lt "$(grep -n 'not at %m2' out | cut -d: -f1)" ] && tell 'the furthest comes first' yes || tell 'the furthest comes first' no
grep -q 'at %m ' out && tell 'what was replaced is not told' no || tell 'what was replaced is not told' yes
check 'at one node' 0 'not at %q' "$fovea" opt g.fvir --explain gelu-erf@gelu2
[ "$(grep -c 'not at' out)" = 1 ] && tell 'it alone' yes || tell 'it alone' no
check 'at one value' 0 'not at %m2 .*c == 1 does not hold: c is %a2' "$fovea" opt g.fvir --explain mul-one@m2
check 'where another one was' 0 'simplify: gelu-erf at %y' "$fovea" opt g.fvir --explain mul-one@gelu1
said "not at %y \(Gelu, node 'gelu1'\): 0 of 4 parts match; 'y' is Gelu, expected Mul"
check 'a type that stays' 0 "not at %w .*: 4 of 4 parts match; the right side is f32\[1, 4\], expected f32\[2, 4\]" "$fovea" opt g.fvir --explain mul-one@larger
check 'in a branch' 0 "^simplify: applied at %k \(Mul, node 'inside'\)$" "$fovea" opt g.fvir --explain mul-one
check 'no such op' 0 '^simplify: it leaves no fv.Reshape$' "$fovea" opt g.fvir --explain reshape-same
check 'of another pass' 0 '^reduce-strength: not at %d2 ' "$fovea" opt g.fvir --explain scale-scores
{
    printf 'fovea-ir 1\nmodule "many"\nfunc @main(%%x0: f32[n], %%z: f32[n]) -> (%%x8) {\n'
    for i in 1 2 3 4 5 6 7 8; do echo "  %x$i = Mul(%x$((i - 1)), %z)"; done
    printf '  return %%x8\n}\n'
} >many.fvir
check 'five are told' 0 'not at 3 more, which have less of it; -v lists them' "$fovea" opt many.fvir --explain mul-one
[ "$(grep -c 'not at %' out)" = 5 ] && tell 'and no more' yes || tell 'and no more' no
check 'or all' 0 'not at' "$fovea" opt many.fvir --explain mul-one -v
[ "$(grep -c 'not at %' out)" = 8 ] && tell 'all are told' yes || tell 'all are told' no

# ---- bad input ----
check 'a typo' 2 "there is no rule 'gelu-erg' in the passes that run; did you mean 'gelu-erf'\?" "$fovea" opt g.fvir --explain gelu-erg
check 'nothing like it' 2 "there is no rule 'zzzzzzzz'" "$fovea" opt g.fvir --explain zzzzzzzz
check 'no rules' 2 'none of the passes that run has rules' "$fovea" opt g.fvir --passes=legalise --explain mul-one
check 'no node' 2 "there is no node or value 'gelu3'; did you mean 'gelu" "$fovea" opt g.fvir --explain mul-one@gelu3
check 'an empty node' 2 "there is no node or value ''" "$fovea" opt g.fvir --explain mul-one@
check 'an empty rule' 2 "there is no rule ''" "$fovea" opt g.fvir --explain ''
check 'no rule' 2 '--explain needs a value' "$fovea" opt g.fvir --explain
check 'a file as well' 2 '--explain prints no graph: --output does not apply' "$fovea" opt g.fvir --explain mul-one -o out.fvir
check 'elsewhere' 2 'there is no --explain here' "$fovea" run g.fvir --explain mul-one
"$fovea" compile -q g.fvir --emit=kernels -o k.fvk
check 'no graph' 1 'passes are for graphs' "$fovea" opt k.fvk --explain mul-one
finish
