-- -O2, which is what compiling does unless it is told otherwise: also rewrites that compute the same and round elsewhere.
return {
  purpose = "also rewrites that round elsewhere, and code as good as is worth its time",
  "count-turns", "stack-turns",
  "legalise", "fold-constants", "simplify", "share", "merge-softmax", "sink-softmax", "reduce-strength",
  "fold-constants", -- reciprocals that reduce-strength asks for
  "share", "remove-dead",
  code = "2",
}
