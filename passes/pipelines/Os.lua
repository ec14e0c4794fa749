-- -Os: the graph of -O2, and smaller code where that costs little time.
return {
  purpose = "the graph of -O2, and smaller code",
  "count-turns", "stack-turns",
  "legalise", "integers", "fold-constants", "simplify", "share", "merge-softmax", "sink-softmax", "reduce-strength", "fold-constants", "share", "remove-dead",
  code = "s",
}
