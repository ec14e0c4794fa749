-- -Os: the graph of -O2 without constants that are stored twice, and smaller code where that costs little time.
return {
  purpose = "the graph of -O2 with fewer constants, and smaller code",
  "count-turns", "stack-turns",
  "legalise", "integers", "fold-constants", "simplify", "share", "merge-softmax", "sink-softmax", "reduce-strength", "fold-constants", "share", "tie-weights", "remove-dead", "flush-denormals", "remove-dead",
  code = "s",
}
