-- -O3: the graph as at -O2, of which a second round of the passes finds nothing more; the compiler of code takes all the time it wants.
return {
  purpose = "the graph as at -O2, and all that the compiler of code has",
  "count-turns", "stack-turns",
  "legalise", "fold-constants", "simplify", "share", "merge-softmax", "sink-softmax", "reduce-strength", "fold-constants", "share", "remove-dead",
  code = "3",
}
