-- -O3: the graph of -O2, in which a second round of the passes finds nothing more; code generation may take any time.
return {
  purpose = "the graph of -O2, and the most optimization of code",
  "count-turns", "stack-turns",
  "legalise", "integers", "fold-constants", "simplify", "share", "merge-softmax", "sink-softmax", "reduce-strength", "fold-constants", "share", "remove-dead", "flush-denormals", "remove-dead",
  code = "3",
}
