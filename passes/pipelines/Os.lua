-- -Os: the graph as at -O2, code of fewer bytes where that costs little time.
return {
  purpose = "the graph as at -O2, and code of fewer bytes",
  "count-turns", "stack-turns",
  "legalise", "fold-constants", "simplify", "share", "merge-softmax", "sink-softmax", "reduce-strength", "fold-constants", "share", "remove-dead",
  code = "s",
}
