-- -O2, the default: also rewrites that compute the same formula but round elsewhere, except of what the model decides on.
return {
  purpose = "also rewrites that round elsewhere, and the usual optimization of code",
  "count-turns", "stack-turns",
  "legalise", "integers", "fold-constants", "simplify", "share", "merge-softmax", "sink-softmax", "reduce-strength",
  "fold-constants", -- reciprocals that reduce-strength introduces
  "share", "remove-dead",
  "flush-denormals", "remove-dead",
  code = "2",
}
